"""What finding a way to a target needs of a client; `ClusterClient` has all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.settings import Settings
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.services import Listing

__all__ = ["ClientFace"]


class ClientFace(Protocol):
    """A client of a sharded cluster, as the resolver of targets and the distributed structures use it."""

    system_name: str
    settings: Settings

    @property
    def topology(self) -> TopologySnapshot | None: ...
    @property
    def snapshot_age(self) -> float | None: ...
    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]: ...
    @property
    def shard_counts(self) -> dict[str, int]: ...
    def num_shards(self, shard_type: str) -> int | None: ...
    def lookup(self, key: Any) -> Listing: ...
    def entity_ref(self, shard_type: str, num_shards: int) -> EntityRef: ...
    def actor_ref(self, uri: str) -> ActorRef: ...
    def locate(self, shard_type: str, entity_id: str) -> tuple[int, NodeAddress | None, tuple[NodeAddress, ...]]: ...
    def tell(self, target: Any, message: Any) -> None: ...
    async def wait_for_topology(self, timeout: float = 10.0) -> TopologySnapshot: ...
    async def ask(
        self, ref: Any, msg_factory: Callable[[ActorRef], Any], *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, label: str = "",
    ) -> Any: ...  # fmt: skip
