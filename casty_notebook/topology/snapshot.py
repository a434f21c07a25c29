"""What a cluster looks like at one moment: members, shards with their owners, services. Plain frozen values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from casty_notebook.address import NodeAddress

__all__ = ["Member", "MemberStatus", "ServiceEntry", "ShardAllocation", "TopologySnapshot"]



class MemberStatus(enum.Enum):
    """What the cluster says of a member. Clusters of 0.15–0.21 only use the first two and `down`."""

    joining = 1
    up = 2
    leaving = 3
    down = 4
    removed = 5


@dataclass(frozen=True)
class Member:
    """A node as the gossip lists it; `id` is the name its operator gave it."""

    address: NodeAddress
    status: MemberStatus
    roles: frozenset[str]
    id: str


@dataclass(frozen=True)
class ServiceEntry:
    """A discoverable actor: service name, node, path on it."""

    key: str
    node: NodeAddress
    path: str


@dataclass(frozen=True, slots=True)
class ShardAllocation:
    """Who owns a shard, and who keeps copies."""

    primary: NodeAddress
    replicas: tuple[NodeAddress, ...] = ()


@dataclass(frozen=True)
class TopologySnapshot:
    """The whole topology as one node saw it: complete, never a delta, without a sequence number (PROTOCOL section 6.1).

    `leader`, `unreachable` and the members' `status` are hints: a dead node is often shown as ``up`` (section 6.5).
    """

    members: frozenset[Member]
    leader: NodeAddress | None
    shard_allocations: Mapping[str, Mapping[int, ShardAllocation]]
    allocation_epoch: int
    unreachable: frozenset[NodeAddress] = frozenset()
    registry: frozenset[ServiceEntry] = frozenset()

    def __repr__(self) -> str:
        shards = sum(map(len, self.shard_allocations.values()))
        return (
            f"<TopologySnapshot: {len(self.members)} members, leader {self.leader}, {shards} shards of "
            f"{len(self.shard_allocations)} types, {len(self.registry)} service instances, epoch {self.allocation_epoch}>"
        )
