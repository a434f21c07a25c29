"""Ties the protocol's class names to our classes: the closed table of what may be built from bytes (PROTOCOL section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session import messages as m
from casty_notebook.topology import snapshot as s
from casty_notebook.values.castys_refs import casty_ref_uri
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.registry import Registry
from casty_notebook.values.services import Listing, ServiceInstance, ServiceKey

__all__ = ["build_registry"]

HOMES: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    (
        "casty.topology",
        "casty.cluster.topology",
        (m.SubscribeTopology, m.UnsubscribeTopology, s.TopologySnapshot),
    ),
    (
        "casty.cluster_state",
        "casty.cluster.state",
        (s.Member, s.MemberStatus, NodeAddress, s.ServiceEntry),
    ),
    ("casty.replication", "casty.cluster.state", (s.ShardAllocation,)),
    ("casty.shard_coordinator_actor", "casty.cluster.coordinator", (m.GetShardLocation, m.ShardLocation)),
    ("casty.sharding", "casty.cluster.envelope", (ShardEnvelope,)),
    (
        "casty.receptionist",
        "casty.cluster.receptionist",
        (ServiceKey, ServiceInstance, Listing, m.Find),
    ),
)
"""(module in the flat layout, module in the pkg layout, classes)."""


def _ref_uri(value: Any) -> str | None:
    return value.uri if isinstance(value, ActorRef) else casty_ref_uri(value)


def build_registry(
    make_ref: Callable[[str], ActorRef], user_classes: Iterable[Any] = (), *, send_main: bool = False
) -> Registry:
    """The table for one client: the protocol's classes, and those that the user named as welcome in replies."""
    registry = Registry(make_ref, _ref_uri, send_main=send_main)
    for flat, pkg, classes in HOMES:
        for cls in classes:
            registry.register_casty(cls, flat=flat, pkg=pkg)
    for item in user_classes:
        registry.register(item)
    return registry
