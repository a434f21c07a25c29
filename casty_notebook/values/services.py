"""Keys of services, and listings of their instances (PROTOCOL section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic

from casty_notebook.address import NodeAddress
from casty_notebook.printable import printable
from casty_notebook.values.generics import M, M_co, M_contra
from casty_notebook.values.refs import ActorRef

__all__ = ["Listing", "ServiceInstance", "ServiceKey"]


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


