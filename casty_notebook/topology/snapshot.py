"""What a cluster looks like at one moment: members, shards with their owners, services. Plain frozen values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from casty_notebook.address import NodeAddress
from casty_notebook.topology.kinds import SHARDED, Kind
from casty_notebook.topology.shard_columns import ShardAllocation, ShardColumn, as_column, in_column

__all__ = ["Member", "MemberStatus", "ServiceEntry", "ShardAllocation", "TopologySnapshot"]


NOT_SENT = {"sent": False}
"""Of fields that are the picture's own: no message of a cluster has them. The shapes of classes leave them out."""


class MemberStatus(enum.Enum):
    """What the cluster says of a member. Clusters of 0.15–0.21 only use the first two and `down`; the last three are of 0.30."""

    joining = 1
    up = 2
    leaving = 3
    down = 4
    removed = 5
    alive = 6
    suspect = 7
    dead = 8


@dataclass(frozen=True)
class Member:
    """A node as its cluster lists it.

    Attributes
    ----------
    id
        The name that its operator gave it; on a virtual cluster, which knows none, one that we gave it.
    incarnation
        Which life of the node this is: another one after each start. Empty where the cluster does not tell.
    opinions
        What each member says of it, where they say it one by one; in the order of their addresses.
    share, replica_share
        The part of all keys (0 to 1) of which it is the first replica, or any; None where keys are placed otherwise.
    """

    address: NodeAddress
    status: MemberStatus
    roles: frozenset[str]
    id: str
    incarnation: str = field(default="", metadata=NOT_SENT)
    opinions: tuple[tuple[NodeAddress, MemberStatus], ...] = field(default=(), metadata=NOT_SENT)
    share: float | None = field(default=None, metadata=NOT_SENT)
    replica_share: float | None = field(default=None, metadata=NOT_SENT)

    @property
    def disputed(self) -> bool:
        """Not all who say something of it say the same."""
        return len({status for _, status in self.opinions}) > 1


@dataclass(frozen=True)
class ServiceEntry:
    """A discoverable actor: service name, node, path on it. On a virtual cluster: a type, and a member that has met it."""

    key: str
    node: NodeAddress
    path: str


@dataclass(frozen=True)
class TopologySnapshot:
    """The whole topology: complete, never a delta, without a sequence number (PROTOCOL section 6.1).

    A sharded cluster's is what one node saw. A virtual one's is what most members say; its `shard_allocations` has one entry,
    ``ring``, of 1,024 equal slices of the ring, its `registry` the types that each member has met (VIRTUAL section 6).

    `leader`, `unreachable` and the members' `status` are hints: a dead node is often shown as ``up`` (section 6.5).
    """

    members: frozenset[Member]
    leader: NodeAddress | None
    shard_allocations: Mapping[str, Mapping[int, ShardAllocation]]
    allocation_epoch: int
    unreachable: frozenset[NodeAddress] = frozenset()
    registry: frozenset[ServiceEntry] = frozenset()
    kind: Kind = field(default=SHARDED, metadata=NOT_SENT)

    def in_columns(self) -> TopologySnapshot:
        """The same with its shards as columns, as every cluster's are handed on; itself if they are."""
        columns = {name: in_column(allocations) for name, allocations in self.shard_allocations.items()}
        if all(columns[name] is allocations for name, allocations in self.shard_allocations.items()):
            return self
        return replace(self, shard_allocations=columns)

    @property
    def columns(self) -> Mapping[str, ShardColumn]:
        """The shards of each type as columns, whatever they are kept as; ids beyond 64 bits become the nearest inside."""
        return {name: as_column(allocations) for name, allocations in self.shard_allocations.items()}

    @property
    def shard_count(self) -> int:
        """Shards of all types."""
        return sum(map(len, self.shard_allocations.values()))

    def __repr__(self) -> str:
        kind = self.kind
        led = f", leader {self.leader}" if kind.has_leader else f" of a {kind.name} cluster"
        placed = f"{self.shard_count} {kind.placements}"
        found = f"{len(self.registry)} service instances"
        if kind.places_by_type:
            placed += f" of {len(self.shard_allocations)} types"
        if kind.finds_types:
            found = f"{len({entry.key for entry in self.registry})} {kind.services}"
        # A hash places anew by itself; only what is chosen is counted.
        epoch = "" if kind.every_key_has_a_place else f", epoch {self.allocation_epoch}"
        return f"<TopologySnapshot: {len(self.members)} members{led}, {placed}, {found}{epoch}>"
