"""The messages of the protocol as frozen dataclasses, with the names and fields that casty gives them (PROTOCOL section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from casty_notebook.address import NodeAddress
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.services import ServiceKey

__all__ = ["Find", "GetShardLocation", "ShardLocation", "SubscribeTopology", "UnsubscribeTopology"]


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
class Find:
    """Ask a node's receptionist for a `Listing` (PROTOCOL section 5). Leaves nothing behind, so it also serves as a probe."""

    key: ServiceKey
    reply_to: ActorRef


