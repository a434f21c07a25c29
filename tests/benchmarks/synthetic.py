"""Snapshots of clusters that exist nowhere, as our own values and as the bytes that casty 0.20.1 pickles."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casty_notebook import NodeAddress
    from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["addresses", "pickled_by_casty", "snapshot_of", "write_payloads"]

CHANGED = 100
"""One shard in so many has another owner in each version of a snapshot."""


def _owner(shard: int, kind: int, version: int, nodes: int) -> int:
    """The number of the node that owns a shard; in every version a hundredth of all shards has moved on by one node."""
    return (shard * 7 + kind + (version - shard % CHANGED - 1) // CHANGED) % nodes


def addresses(nodes: int) -> list[tuple[str, int]]:
    """Addresses of nodes that nobody dials."""
    return [(f"10.0.{n // 250}.{n % 250}", 25520) for n in range(nodes)]


def snapshot_of(nodes: Sequence[tuple[str, int]], types: int, shards: int, version: int = 0) -> TopologySnapshot:
    """As this package knows it: an allocation object for each shard."""
    from casty_notebook import NodeAddress
    from casty_notebook.topology import snapshot

    here: list[NodeAddress] = [NodeAddress(*node) for node in nodes]
    return _built(snapshot, here, lambda address: snapshot.ShardAllocation(address), types, shards, version)  # type: ignore[no-any-return]


def pickled_by_casty(nodes: Sequence[tuple[str, int]], types: int, shards: int, version: int = 0) -> bytes:
    """The payload as a node pickles it: one address object for each node, an allocation object for each shard."""
    from casty.cluster import state, topology

    class Theirs:
        Member, MemberStatus, ServiceEntry = state.Member, state.MemberStatus, state.ServiceEntry
        TopologySnapshot = topology.TopologySnapshot

    there = [state.NodeAddress(host, port) for host, port in nodes]
    snapshot = _built(Theirs, there, lambda address: state.ShardAllocation(primary=address), types, shards, version)
    return pickle.dumps(snapshot, protocol=pickle.HIGHEST_PROTOCOL)


def _built(classes: Any, nodes: list[Any], allocation: Any, types: int, shards: int, version: int) -> Any:
    members = frozenset(
        classes.Member(address=a, status=classes.MemberStatus.up, roles=frozenset({"web"}), id=f"node-{n}")
        for n, a in enumerate(nodes)
    )
    placed = {
        f"type-{t}": {s: allocation(nodes[_owner(s, t, version, len(nodes))]) for s in range(shards)} for t in range(types)
    }
    registry = frozenset(classes.ServiceEntry("payment", a, f"/payment-{n}") for n, a in enumerate(nodes))
    return classes.TopologySnapshot(
        members=members, leader=nodes[0], shard_allocations=placed, allocation_epoch=version, unreachable=frozenset(),
        registry=registry,
    )  # fmt: skip


def write_payloads(folder: str, wanted: Sequence[tuple[str, list[tuple[str, int]], int, int, int]]) -> int:
    """Write ``NAME.VERSION`` for each (name, nodes, types, shards, versions). For the official client's environment."""
    for name, nodes, types, shards, versions in wanted:
        for version in range(versions):
            Path(folder, f"{name}.{version}").write_bytes(pickled_by_casty(nodes, types, shards, version))
    return len(wanted)
