"""Our client and casty's behind one interface, so that a scenario cannot favour either. Only casty's client imports casty."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self

from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.address import NodeAddress
from casty_notebook.demo import messages
from casty_notebook.demo.messages import Whereabouts, WhereAreYou
from casty_notebook.settings import Settings

__all__ = ["Maker", "Observer", "Ours", "Theirs", "has_theirs"]

SYSTEM = "demo"
SHARDS = 100

type Address = tuple[str, int]


class Observer(Protocol):
    """A client as the scenarios use it."""

    name: str
    dials: list[tuple[float, Address]]
    """(time, node) of every connection it began."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc_info: object) -> None: ...

    async def ask(self, entity: str, timeout: float) -> Whereabouts:
        """Ask ``TYPE/ID`` where it is."""

    @property
    def snapshot_at(self) -> float | None:
        """When the last snapshot came, on the loop's clock."""


class Maker(Protocol):
    def __call__(
        self, contacts: Iterable[Address], *, settings: Settings | None = None,
        route: Callable[[Address], Address] | None = None, identity: Address | None = None,
    ) -> Observer: ...  # fmt: skip


def _where_is(entity: str) -> tuple[str, str]:
    shard_type, _, entity_id = entity.partition("/")
    return shard_type, entity_id


class _Dialling:
    """The address map of every client here: each dial asks it, so it counts them."""

    def __init__(self, route: Callable[[Address], Address] | None) -> None:
        self.dials: list[tuple[float, Address]] = []
        self._route = route

    def __call__(self, address: Address) -> Address:
        node = NodeAddress(*address)
        self.dials.append((asyncio.get_running_loop().time(), node))
        return self._route(node) if self._route is not None else node


class Ours:
    name = "casty_notebook"

    def __init__(
        self, contacts: Iterable[Address], *, settings: Settings | None = None,
        route: Callable[[Address], Address] | None = None, identity: Address | None = None,
    ) -> None:  # fmt: skip
        host, port = identity or ("127.0.0.1", 0)
        dialling = _Dialling(route)
        self.dials = dialling.dials
        self.client = ClusterClient(
            contact_points=contacts, system_name=SYSTEM, messages=[messages], settings=settings, address_map=dialling,
            client_host=host, client_port=port,
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.client.__aexit__(*exc_info)

    async def ask(self, entity: str, timeout: float) -> Whereabouts:
        shard_type, entity_id = _where_is(entity)
        ref = self.client.entity_ref(shard_type, SHARDS)
        reply: Whereabouts = await self.client.ask(
            ref, lambda r: ShardEnvelope(entity_id, WhereAreYou(r)), timeout=timeout
        )
        return reply

    @property
    def snapshot_at(self) -> float | None:
        age = self.client.snapshot_age
        return None if age is None else asyncio.get_running_loop().time() - age


class Theirs:
    """`casty.ClusterClient`, with its own defaults; `settings` are ours and mean nothing to it."""

    name = "casty.ClusterClient"

    def __init__(
        self, contacts: Iterable[Address], *, settings: Settings | None = None,
        route: Callable[[Address], Address] | None = None, identity: Address | None = None,
    ) -> None:  # fmt: skip
        import casty

        for noisy in ("casty", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        host, port = identity or ("127.0.0.1", 0)
        dialling = _Dialling(route)
        self.dials = dialling.dials
        self._casty = casty
        self._client: Any = casty.ClusterClient(
            contact_points=[tuple(contact) for contact in contacts], system_name=SYSTEM,
            client_host=host, client_port=port, address_map=lambda address: tuple(dialling(address)),
        )  # fmt: skip
        self._seen: Any = None
        self._seen_at: float | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        self._watch = asyncio.create_task(self._follow_snapshots())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._watch is not None
        self._watch.cancel()
        await self._client.__aexit__(*exc_info)

    async def _follow_snapshots(self) -> None:
        # It tells nobody of a snapshot and shows it only by what lookup finds; each one is a new object.
        while True:
            if self._client._last_snapshot is not self._seen:
                self._seen = self._client._last_snapshot
                self._seen_at = asyncio.get_running_loop().time()
            await asyncio.sleep(0.01)

    async def ask(self, entity: str, timeout: float) -> Whereabouts:
        shard_type, entity_id = _where_is(entity)
        ref = self._client.entity_ref(shard_type, num_shards=SHARDS)
        reply: Whereabouts = await self._client.ask(
            ref, lambda r: self._casty.ShardEnvelope(entity_id, WhereAreYou(r)), timeout=timeout
        )
        return reply

    @property
    def snapshot_at(self) -> float | None:
        return self._seen_at


def has_theirs() -> bool:
    """Is casty installed?"""
    return importlib.util.find_spec("casty") is not None
