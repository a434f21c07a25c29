"""The messages of the protocol as frozen dataclasses, with the names and fields that casty gives them (PROTOCOL section 4.2)."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic

from casty_notebook.address import NodeAddress
from casty_notebook.cluster.refs import ActorRef, M, M_co, M_contra
from casty_notebook.printable import printable

__all__ = [
    "Find",
    "GetShardLocation",
    "Listing",
    "Member",
    "MemberStatus",
    "NodeAddress",
    "ServiceEntry",
    "ServiceInstance",
    "ServiceKey",
    "ShardAllocation",
    "ShardEnvelope",
    "ShardLocation",
    "SubscribeTopology",
    "TopologySnapshot",
    "UnsubscribeTopology",
    "entity_shard",
]


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


@dataclass(frozen=True)
class SubscribeTopology:
    reply_to: ActorRef


@dataclass(frozen=True)
class UnsubscribeTopology:
    subscriber: ActorRef


@dataclass(frozen=True)
class GetShardLocation:
    shard_id: int
    reply_to: ActorRef


@dataclass(frozen=True)
class ShardLocation:
    shard_id: int
    node: NodeAddress
    replicas: tuple[NodeAddress, ...] = ()


@dataclass(frozen=True)
class ShardEnvelope(Generic[M_co]):  # noqa: UP046 - see M
    """A message for one entity of a sharded type.

    Examples
    --------
    >>> ShardEnvelope("user-42", "ping").entity_id
    'user-42'
    """

    entity_id: str
    message: M_co


@dataclass(frozen=True)
class ServiceKey(Generic[M_co]):  # noqa: UP046 - see M
    """The name of a discoverable service, and to a type checker what its instances take.

    Examples
    --------
    >>> key: ServiceKey[str] = ServiceKey("payment")
    >>> key == ServiceKey[int]("payment")
    True
    """

    name: str


@dataclass(frozen=True)
class ServiceInstance(Generic[M_contra]):  # noqa: UP046 - see M
    """One instance of a service: its ref (tell and ask it) and its node."""

    ref: ActorRef[M_contra]
    node: NodeAddress


@dataclass(frozen=True)
class Listing(Generic[M]):  # noqa: UP046 - see M
    """The instances of a service. Candidates, not live ones for certain (PROTOCOL section 9).

    Iterates, counts and is truthy like a collection of its instances.
    """

    key: ServiceKey[M]
    instances: frozenset[ServiceInstance[M]] = field(default_factory=frozenset)

    def __iter__(self) -> Iterator[ServiceInstance[M]]:
        return iter(sorted(self.instances, key=lambda instance: (instance.node, instance.ref.address.path)))

    def __len__(self) -> int:
        return len(self.instances)

    def __repr__(self) -> str:
        places = ", ".join(f"{instance.node}{instance.ref.address.path}" for instance in self)
        return printable(f"<Listing of {self.key.name!r}: {places or 'no instance'}>")


@dataclass(frozen=True)
class Find:
    """Ask a node's receptionist for a `Listing` (PROTOCOL section 5). Leaves nothing behind, so it also serves as a probe."""

    key: ServiceKey
    reply_to: ActorRef


@lru_cache(maxsize=16_384)
def entity_shard(entity_id: str, num_shards: int) -> int:
    """The shard of an entity: the first four bytes of the MD5 of its id, modulo the number of shards (PROTOCOL section 4.2).

    Examples
    --------
    >>> [entity_shard(name, 100) for name in ("user-42", "user-99", "alice", "", "é")]
    [87, 48, 70, 93, 19]
    """
    digest = hashlib.md5(entity_id.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % num_shards
