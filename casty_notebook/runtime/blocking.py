"""`BlockingClient`: a `ClusterClient` behind the background loop, for plain calls from any cell, script or thread."""

from __future__ import annotations

import asyncio
import difflib
import logging
import random
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from casty_notebook.address import ActorAddress, ClusterURI, NodeAddress
from casty_notebook.cluster.health import NodeHealth
from casty_notebook.cluster.messages import Listing, Member, ShardEnvelope, TopologySnapshot
from casty_notebook.cluster.refs import ActorRef, EntityRef
from casty_notebook.codec import StandInModule, module_proxy
from casty_notebook.errors import CastyNotebookError, FailureReport, MisuseError, NoSuchService
from casty_notebook.runtime.background import background_loop
from casty_notebook.runtime.client import ClusterClient
from casty_notebook.runtime.dialler import AddressMap
from casty_notebook.runtime.questions import question
from casty_notebook.runtime.ssh import SSH, SSHGateway
from casty_notebook.runtime.targets import EntityName, ServiceName, parse_target
from casty_notebook.runtime.tls import TLS
from casty_notebook.settings import Settings

__all__ = ["Answer", "BlockingClient", "Location"]

log = logging.getLogger("casty_notebook")

type AnyTarget = str | ActorRef | EntityRef


@dataclass(frozen=True, slots=True)
class Location:
    """Where a target lives, as known now."""

    target: str
    shard_type: str | None
    entity_id: str | None
    shard: int | None
    node: str | None
    address: NodeAddress | None
    replicas: tuple[NodeAddress, ...]
    reachable: bool | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of a fan-out: a reply or an error, never neither."""

    target: str
    node: str | None
    shard: int | None
    reply: Any
    latency: float
    error: CastyNotebookError | None


class BlockingClient:
    """One connection to one cluster. Every method may be called from any thread but the background loop's own.

    Parameters are those of `ClusterClient`, and ``ssh``: a bastion to go through, as ``[user@]host[:port]`` or `SSH`.

    Raises
    ------
    NoContactPoint
        If no contact point gives a snapshot within `timeout` seconds; lists each with what happened there.
    SystemNameMismatch, InvalidAddress, ShardCountMismatch, MisuseError
        If the arguments do not fit the cluster, or each other.
    """

    def __init__(
        self, uri: str | ClusterURI, *, shards: Mapping[str, int] | None = None, name: str | None = None,
        address_map: AddressMap = None, timeout: float = 10.0, serializer: str = "pickle",
        compression: str | None = None, tls: TLS | ssl.SSLContext | None = None, messages: Iterable[Any] = (),
        settings: Settings | None = None, ssh: SSH | str | None = None,
    ) -> None:  # fmt: skip
        parsed = uri if isinstance(uri, ClusterURI) else ClusterURI.parse(uri)
        self.uri = str(parsed)
        self.name = name or parsed.system
        settings = settings or Settings()
        self._gateway = SSHGateway(ssh, channel_timeout=settings.connect_timeout) if ssh is not None else None
        self.client = ClusterClient(
            contact_points=parsed.contacts, system_name=parsed.system, address_map=address_map, serializer=serializer,
            compression=compression, tls=tls, messages=messages, settings=settings,
            connector=self._gateway,
        )  # fmt: skip
        self._loop = background_loop()
        self._closed = False
        self._loop.run(self._enter(dict(shards or {}), timeout))

    async def _enter(self, shards: dict[str, int], timeout: float) -> None:
        await self.client.__aenter__()
        try:
            await self.client.wait_for_topology(timeout)
            for shard_type, num_shards in shards.items():
                self.client.entity_ref(shard_type, num_shards)
        except BaseException:
            await self._leave()
            raise

    async def _leave(self) -> None:
        await self.client.__aexit__()
        if self._gateway is not None:
            await self._gateway.close()

    # --- state -----------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def system_name(self) -> str:
        return self.client.system_name

    @property
    def topology(self) -> TopologySnapshot | None:
        """The last snapshot."""
        return self.client.topology

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every node."""
        return self._on_loop(lambda: self.client.health)

    @property
    def shard_counts(self) -> Mapping[str, int]:
        """Sharded types whose number of shards is known."""
        return self.client.shard_counts

    def _on_loop[T](self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return self._loop.run(call())

    # --- tell and ask ----------------------------------------------------------------------------------------------

    def ask(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        reply_field: str = "reply_to",
    ) -> Any:  # fmt: skip
        """Ask and wait for the reply.

        Parameters
        ----------
        target
            ``"counter/user-42"`` (entity), ``"payment"`` (one instance of a service), a ``casty://`` URI, or a ref.
        message
            An instance, a class, or a function of the reply ref; a missing `reply_field` is filled in.
        timeout
            Seconds; `Settings.ask_timeout` if None.
        retry
            The message does no harm when it arrives twice.

        Raises
        ------
        AskTimeout, NodeUnreachable, NoSuchService, Overloaded, ClientClosed
            Each with a report of all that is known.
        MisuseError
            If it cannot work as written; nothing was sent then.
        """
        return self._loop.run(self._ask(target, question(message, reply_field), timeout, retry=retry))

    async def ask_async(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        reply_field: str = "reply_to",
    ) -> Any:  # fmt: skip
        """`ask`, awaitable on any event loop."""
        asked = self._ask(target, question(message, reply_field), timeout, retry=retry)
        return await asyncio.wrap_future(self._loop.submit(asked))

    async def _ask(
        self, target: AnyTarget, asked: Callable[[ActorRef], Any], timeout: float | None, *, retry: bool = False
    ) -> Any:
        ref, wrap = self._address(target)
        if wrap is None:
            return await self.client.ask(ref, asked, timeout=timeout, retry=retry, label=_label(target))
        return await self.client.ask(
            ref, lambda reply_to: ShardEnvelope(wrap, asked(reply_to)), timeout=timeout, retry=retry, label=_label(target)
        )

    def tell(self, target: AnyTarget, message: Any) -> None:
        """Send without waiting for anything but the hand-over to the background loop.

        Raises
        ------
        UnsendableMessage, Overloaded, NoSuchService, ClientClosed, MisuseError
            At once.
        """
        self._on_loop(lambda: self._tell(target, message))

    def _tell(self, target: AnyTarget, message: Any) -> None:
        ref, wrap = self._address(target)
        self.client.tell(ref, message if wrap is None else ShardEnvelope(wrap, message))

    def _address(self, target: AnyTarget) -> tuple[AnyTarget, str | None]:
        """The ref to send to, and the entity id to wrap the message for if the target is an entity."""
        if not isinstance(target, str):
            return target, None
        parsed = parse_target(target)
        if isinstance(parsed, EntityName):
            return self._entity_way(parsed), parsed.entity_id
        if isinstance(parsed, ServiceName):
            return self._instance_of(parsed.name), None
        return ActorRef(parsed, self.client), None

    def _entity_way(self, entity: EntityName) -> AnyTarget:
        """Straight to the owner if the number of shards is known, else through a node's own proxy (PROTOCOL section 5)."""
        counts = self.client.shard_counts
        num_shards = counts.get(entity.shard_type)
        if num_shards is not None:
            return self.client.entity_ref(entity.shard_type, num_shards)
        snapshot = self.client.topology
        allocations = snapshot.shard_allocations.get(entity.shard_type, {}) if snapshot is not None else {}
        health = self.client.health
        hosts = sorted({a.primary for a in allocations.values()})
        hosts = [host for host in hosts if host in health and health[host].reachable] or hosts
        if not hosts:
            known = sorted({*counts, *(snapshot.shard_allocations if snapshot is not None else ())})
            raise MisuseError(
                f"nothing is known of the sharded type {entity.shard_type!r}{_did_you_mean(entity.shard_type, known)}; "
                f"a type without entities yet needs its number of shards: shards={{{entity.shard_type!r}: N}}"
            )
        log.info("number of shards of %r unknown: %s goes through the proxy of %s", entity.shard_type, entity, hosts[0])
        return ActorRef(ActorAddress(self.system_name, f"/{entity.shard_type}", hosts[0]), self.client)

    def _instance_of(self, service: str) -> ActorRef:
        """One instance, on a node that we reach if there is one."""
        instances = list(self.client.lookup(service))
        health = self.client.health
        live = [i for i in instances if i.node in health and health[i.node].reachable]
        if instances:
            return random.choice(live or instances).ref  # noqa: S311 - spreads load, guards nothing
        snapshot = self.client.topology
        known = sorted({entry.key for entry in snapshot.registry}) if snapshot is not None else []
        types = sorted(snapshot.shard_allocations) if snapshot is not None else []
        hint = f" It is a sharded type: write {service}/ENTITY-ID." if service in types else ""
        raise NoSuchService(
            FailureReport(
                service,
                f"no instance of that service is in the last snapshot{_did_you_mean(service, known)}.{hint}",
                "See the services table for what is there.",
                snapshot_age=self.client.snapshot_age,
            )
        )

    # --- many at once ----------------------------------------------------------------------------------------------

    def answers(
        self, targets: Iterable[AnyTarget], message: Any, *, timeout: float | None = None, concurrency: int = 100,
        retry: bool = False, reply_field: str = "reply_to", on_answer: Callable[[int, Answer], None] | None = None,
    ) -> list[Answer]:  # fmt: skip
        """Ask many targets the same; one row each, in the order given, failures included.

        `on_answer(position, answer)` is called on the background loop as answers come. Ctrl-C raises
        KeyboardInterrupt after cancelling what still waits.
        """
        if concurrency < 1:
            raise MisuseError(f"concurrency must be at least 1, not {concurrency}")
        asked = question(message, reply_field)
        return self._loop.run(
            self._ask_all(list(targets), asked, timeout, concurrency=concurrency, retry=retry, on_answer=on_answer)
        )

    async def _ask_all(
        self, targets: list[AnyTarget], asked: Callable[[ActorRef], Any], timeout: float | None, *, concurrency: int,
        retry: bool, on_answer: Callable[[int, Answer], None] | None,
    ) -> list[Answer]:  # fmt: skip
        rows: list[Answer | None] = [None] * len(targets)
        places = iter(enumerate(targets))

        async def worker() -> None:
            for place, target in places:
                row = rows[place] = await self._answer(target, asked, timeout, retry=retry)
                if on_answer is not None:
                    on_answer(place, row)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(targets))):
                group.create_task(worker())
        return [row for row in rows if row is not None]

    async def _answer(
        self, target: AnyTarget, asked: Callable[[ActorRef], Any], timeout: float | None, *, retry: bool
    ) -> Answer:
        loop = asyncio.get_running_loop()
        started = loop.time()
        reply, error = None, None
        try:
            reply = await self._ask(target, asked, timeout, retry=retry)
        except CastyNotebookError as failure:
            error = failure
        latency = loop.time() - started
        place = self._place(target)
        return Answer(_label(target), place.node, place.shard, reply, latency, error)

    def instances(self, service: str) -> list[ActorRef]:
        """The refs of all instances of a service, for `answers`."""
        listing = self.lookup(service)
        if not listing:
            self._on_loop(lambda: self._instance_of(service))
        return [instance.ref for instance in listing]

    # --- finding ---------------------------------------------------------------------------------------------------

    def lookup(self, service: Any) -> Listing:
        """The instances of a service in the last snapshot."""
        return self._on_loop(lambda: self.client.lookup(service))

    def entity_ref(self, shard_type: str, num_shards: int) -> EntityRef:
        """Settle the number of shards of a type, so that its entities are reached with zero hops."""
        return self._on_loop(lambda: self.client.entity_ref(shard_type, num_shards))

    def where(self, target: AnyTarget) -> Location:
        """Shard, owner, replicas and reachability of a target, as known now; asks nobody."""
        return self._on_loop(lambda: self._place(target))

    def _place(self, target: AnyTarget) -> Location:
        label = _label(target)
        shard: int | None = None
        address: NodeAddress | None = None
        replicas: tuple[NodeAddress, ...] = ()
        name: EntityName | None = None
        if isinstance(target, str):
            parsed = parse_target(target)
            if isinstance(parsed, EntityName):
                name = parsed
                if parsed.shard_type in self.client.shard_counts:
                    shard, address, replicas = self.client.locate(parsed.shard_type, parsed.entity_id)
            elif isinstance(parsed, ServiceName):
                address = self._instance_of(parsed.name).address.node
            else:
                address = parsed.node
        elif isinstance(target, ActorRef):
            address = target.address.node
        member = self._member(address)
        health = self.client.health.get(address) if address is not None else None
        return Location(
            label, name.shard_type if name else None, name.entity_id if name else None, shard,
            member.id if member else None, address, replicas, health.reachable if health else None,
            member.status.name if member else None,
        )  # fmt: skip

    def _member(self, address: NodeAddress | None) -> Member | None:
        snapshot = self.client.topology
        if snapshot is None or address is None:
            return None
        return next((member for member in snapshot.members if member.address == address), None)

    def module(self, dotted: str) -> StandInModule:
        """Messages of a module that cannot be imported here: ``cluster.module("bank.messages").GetBalance(currency="EUR")``."""
        return module_proxy(dotted)

    # --- leaving ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Unsubscribe, flush, close. Idempotent."""
        if not self._closed:
            self._closed = True
            self._loop.run(self._leave())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _label(target: AnyTarget) -> str:
    return target if isinstance(target, str) else target.uri if isinstance(target, ActorRef) else repr(target)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}"
    return f" (there are: {', '.join(names[:10])})" if names else " (there are none)"
