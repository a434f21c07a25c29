"""What knowing a cluster costs: reading snapshots, building tables, importing the package."""

from __future__ import annotations

import datetime
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.cluster.health import LinkState, NodeHealth
from casty_notebook.cluster.messages import Member, MemberStatus, ShardAllocation, TopologySnapshot
from casty_notebook.cluster.refs import ActorRef
from casty_notebook.codec import Codec
from casty_notebook.runtime.binding import build_registry

__all__ = ["measure_knowing", "synthetic_snapshot"]

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def synthetic_snapshot(nodes: int, types: int, shards: int) -> TopologySnapshot:
    """A cluster of `nodes` members with `types` sharded types of `shards` shards each."""
    addresses = [NodeAddress(f"10.0.{n // 250}.{n % 250}", 25520) for n in range(nodes)]
    members = frozenset(Member(a, MemberStatus.up, frozenset({"web"}), f"node-{n}") for n, a in enumerate(addresses))
    placed = {
        f"type-{t}": {s: ShardAllocation(addresses[(s * 7 + t) % nodes]) for s in range(shards)} for t in range(types)
    }
    return TopologySnapshot(members, addresses[0], placed, types * shards)


def _as_a_node_writes_it(snapshot: TopologySnapshot) -> bytes:
    """The payload as casty pickles it: one address object for each node, referred to by every shard."""
    from casty.cluster import state, topology

    nodes = {m.address: state.NodeAddress(*m.address) for m in snapshot.members}
    allocations = {
        name: {shard: state.ShardAllocation(primary=nodes[a.primary]) for shard, a in table.items()}
        for name, table in snapshot.shard_allocations.items()
    }
    members = frozenset(
        state.Member(address=nodes[m.address], status=state.MemberStatus[m.status.name], roles=m.roles, id=m.id)
        for m in snapshot.members
    )
    theirs = topology.TopologySnapshot(
        members=members, leader=nodes[snapshot.leader] if snapshot.leader else None, shard_allocations=allocations,
        allocation_epoch=snapshot.allocation_epoch,
    )  # fmt: skip
    return pickle.dumps(theirs, protocol=5)


def _median_cpu(function: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(max(rounds, 5)):
        started = time.process_time()
        function()
        taken.append(time.process_time() - started)
    return statistics.median(taken) * 1e3


def _import_time(rounds: int) -> float:
    """Milliseconds that ``import casty_notebook`` takes over bare Python."""

    def run(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    pairs = [(run("import casty_notebook"), run("pass")) for _ in range(max(rounds, 5))]
    return statistics.median(with_it - bare for with_it, bare in pairs) * 1e3


def measure_knowing(rounds: int) -> dict[str, float]:
    """Figures by name; CPU milliseconds, medians. Needs casty, to write snapshots as its nodes do."""
    from casty_notebook.tables import shards as shards_table

    codec = Codec(build_registry(lambda uri: ActorRef(ActorAddress.parse(uri))))
    figures: dict[str, float] = {"import casty_notebook over bare Python [ms]": _import_time(rounds)}
    for nodes, types, shards in ((3, 4, 100), (3, 4, 1000), (3, 4, 10_000), (50, 4, 10_000), (1000, 1, 100_000)):
        snapshot = synthetic_snapshot(nodes, types, shards)
        payload = _as_a_node_writes_it(snapshot)
        again = bytes(bytearray(payload))
        label = f"{nodes:,} members, {types} × {shards:,} shards"
        assert codec.decode(payload) == snapshot
        figures[f"snapshot of {label}: read [ms]"] = _median_cpu(lambda p=payload: codec.decode(p), rounds)  # type: ignore[misc]
        figures[f"snapshot of {label}: plain unpickling [ms]"] = _median_cpu(lambda p=payload: pickle.loads(p), rounds)  # type: ignore[misc]
        figures[f"snapshot of {label}: same bytes again [ms]"] = _median_cpu(lambda p=payload, q=again: p == q, rounds)  # type: ignore[misc]
        if (nodes, shards) == (3, 10_000):
            seen, health = codec.decode(payload), {m.address: NodeHealth(LinkState.live) for m in snapshot.members}
            figures[f"snapshot of {label}: shards as a DataFrame [ms]"] = _median_cpu(
                lambda s=seen, h=health: shards_table(s, h, cluster="bench", taken_at=NOW), rounds  # type: ignore[misc]
            )  # fmt: skip
    return figures
