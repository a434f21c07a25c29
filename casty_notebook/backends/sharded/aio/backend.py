"""The `Backend` of clusters of casty 0.15 to 0.21: a `ClusterClient`, and the ways that its snapshots show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import AnyTarget, Location
from casty_notebook.backends.sharded.aio.client import ClusterClient
from casty_notebook.backends.sharded.aio.listener import Listener
from casty_notebook.backends.sharded.aio.resolver import Route, TargetResolver
from casty_notebook.backends.sharded.aio.structures import Structures
from casty_notebook.backends.sharded.session.events import TellMade
from casty_notebook.errors import ContactAttempt, MisuseError
from casty_notebook.topology.check_result import Finding
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.kinds import SHARDED
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.topology.traffic import TrafficHistory
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.request import question, statement

__all__ = ["ShardedBackend"]


class ShardedBackend:
    """See `Backend`.

    Parameters
    ----------
    shards
        Sharded types with their numbers of shards, settled as soon as there is a snapshot.
    """

    kind = SHARDED

    def __init__(self, client: ClusterClient, shards: Mapping[str, int]) -> None:
        self.client = client
        self.settings = client.settings
        self._shards = shards
        self._resolver = TargetResolver(client)
        self.notices = self._resolver.notices
        self.route = self._resolver.route
        self.spot = self._resolver.spot
        self.node_name = self._resolver.node_name

    async def open(self, timeout: float) -> None:
        await self.client.__aenter__()
        try:
            await self.client.wait_for_topology(timeout)
            for shard_type, num_shards in self._shards.items():
                self.client.entity_ref(shard_type, num_shards)
        except BaseException:
            await self.client.__aexit__()
            raise

    async def close(self) -> None:
        await self.client.__aexit__()

    # --- what is known -----------------------------------------------------------------------------------------------

    @property
    def system_name(self) -> str:
        return self.client.system_name

    @property
    def topology(self) -> TopologySnapshot | None:
        return self.client.topology

    @property
    def snapshot_age(self) -> float | None:
        return self.client.snapshot_age

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        return self.client.health

    @property
    def shard_counts(self) -> Mapping[str, int]:
        return self.client.shard_counts

    @property
    def counters(self) -> Mapping[str, int]:
        return self.client.counters

    @property
    def contact(self) -> NodeAddress | None:
        return self.client.contact

    @property
    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        return self.client.contact_attempts

    @property
    def found(self) -> str:
        return self.client.encoding_note

    @property
    def traffic(self) -> TrafficHistory:
        return self.client.traffic

    def on_snapshot(self, listener: Callable[[TopologySnapshot], None]) -> Callable[[], None]:
        return self.client.on_snapshot(listener)

    async def examine(self, shards: Mapping[str, int] | None) -> list[Finding]:
        from casty_notebook.backends.sharded.aio.doctor import examine

        return await examine(self.client, entered=True, shards=shards)

    last_reports: Mapping[NodeAddress, NodeReport] = {}

    async def node_reports(self, *, glance: bool = False) -> Mapping[NodeAddress, NodeReport]:  # noqa: ARG002 - there are none
        raise MisuseError("nodes of casty 0.15 to 0.21 do not say which entities are active; those of 0.30 can")

    # --- targets -----------------------------------------------------------------------------------------------------

    def where(self, target: AnyTarget) -> Location:
        return self._resolver.where(target)

    def instances(self, name: str) -> list[ActorRef]:
        return [instance.ref for instance in self._resolver.instances(name)]

    def structures(self, wait: Callable[[Any], Any], name: str) -> Structures:
        """The distributed structures, whose calls `wait` waits for."""
        return Structures(self.client, self._resolver, wait, name)

    # --- messages ----------------------------------------------------------------------------------------------------

    def question(self, message: Any, reply_field: str) -> Callable[[ActorRef], Any]:
        return question(message, reply_field)

    def statement(self, message: Any) -> Any:
        return statement(message)

    def ask(
        self, route: Route, asked: Callable[[ActorRef], Any], *, timeout: float | None, retry: bool, fail_fast: bool | None,
        force: bool = False,  # noqa: ARG002 - nothing is refused here that one could insist on
    ) -> Awaitable[Any]:  # fmt: skip
        return self.client.ask(
            route.to, route.asks(asked), timeout=timeout, retry=retry, fail_fast=fail_fast, label=route.target
        )

    def tell(self, route: Route, told: Any, *, force: bool = False) -> None:  # noqa: ARG002
        self.client.tell(route.to, route.wrap(told))

    def prepare_tell(self, target: AnyTarget, told: Any) -> TellMade | None:
        # Entities of types that are settled, which is what is told by the thousand; the rest takes the loop's own way.
        if type(target) is not str or "{" in target or "://" in target:
            return None
        shard_type, slash, entity_id = target.partition("/")
        if not slash or not entity_id:
            return None
        return self.client.prepare_tell(shard_type, entity_id, told)

    def tell_prepared(self, told: TellMade) -> None:
        self.client.tell_prepared(told)

    async def drain(self) -> None:
        await self.client.drain()

    def listen(
        self, route: Route, asked: Callable[[ActorRef], Any], *, timeout: float | None, retry: bool, limit: int
    ) -> Listener[Any]:
        return self.client.listen(
            route.to, route.asks(asked), timeout=timeout, retry=retry, limit=limit, label=route.target
        )

    def register(self, *classes: Any) -> None:
        self.client.register(*classes)
