"""Envelopes for entities, keys of services, and listings of their instances (PROTOCOL section 4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic

from casty_notebook.address import NodeAddress
from casty_notebook.printable import printable
from casty_notebook.values.refs import ActorRef, M, M_co, M_contra

__all__ = ["Listing", "ServiceInstance", "ServiceKey", "ShardEnvelope", "entity_shard"]



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
