"""What the live view sends and costs: one full state, then updates while 1 % of the shards move.

Counted is what `TopologyWidget` hands to the kernel: the head as JSON and the buffers, with the rows of the timeline that such
an update brings. "scattered": every moved shard goes from some node to some other, so that nearly each is a row of its own;
"from one node": as when a node hands over a part of what it has, one row for each of its heirs.
How often a view is told is counted while its snapshots change 20 times a second.
"""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import run_fresh

if TYPE_CHECKING:
    from casty_notebook import NodeAddress
    from casty_notebook.topology.snapshot import TopologySnapshot
    from casty_notebook.views.facts import Shown
    from casty_notebook.views.live.deltas import Packet

GROUP = "widgets"
NODES, SHARDS, MOVED = 50, 10_000, 100
MOVES = ("scattered", "from one node")
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def measure(scale: float) -> Iterator[Figure]:
    """One round, in a process of its own."""
    what = f"{SHARDS:,} shards on {NODES} nodes"
    size, cost = run_fresh(f"{__name__}:full_state", max(3, round(20 * scale)))
    yield Figure(GROUP, f"full state, {what}, size", "", "ours", "KB", size)
    yield Figure(GROUP, f"full state, {what}, CPU", "", "ours", "ms", cost)
    for moves in MOVES:
        label = f"update, {SHARDS:,} shards, 1 % changed" + ("" if moves == MOVES[0] else f" {moves}")
        sizes, without, cost, nothing = run_fresh(f"{__name__}:updates", moves, max(5, round(40 * scale)))
        yield Figure(GROUP, label, "", "ours", "KB", sizes)
        yield Figure(GROUP, f"{label}, without the timeline's rows", "", "ours", "KB", without)
        yield Figure(GROUP, f"{label}, CPU", "", "ours", "ms", cost)
    rate = run_fresh(f"{__name__}:updates_a_second", max(0.5, 3 * scale))
    yield Figure(GROUP, f"updates a second, {SHARDS:,} shards, 1 % changed", "", "ours", "1/s", rate)
    yield Figure(GROUP, f"look at an unchanged snapshot, {what}, CPU", "", "ours", "ms", nothing)


class Moving:
    """A cluster whose snapshots come one after another."""

    def __init__(self) -> None:
        from casty_notebook import NodeAddress
        from casty_notebook.topology.health import LinkState, NodeHealth
        from casty_notebook.topology.snapshot import Member, MemberStatus, ShardAllocation
        from tests.benchmarks.synthetic import addresses

        self._chance = random.Random(3)
        self.nodes: list[NodeAddress] = [NodeAddress(*node) for node in addresses(NODES)]
        self.members = frozenset(Member(a, MemberStatus.up, frozenset({"web"}), f"node-{n}") for n, a in enumerate(self.nodes))
        self._owned = [ShardAllocation(address) for address in self.nodes]
        self._shards = {shard: self._chance.choice(self._owned) for shard in range(SHARDS)}
        self._live = LinkState.live, NodeHealth
        self.epoch = 0

    def snapshot(self) -> TopologySnapshot:
        from casty_notebook.topology.snapshot import TopologySnapshot

        return TopologySnapshot(self.members, self.nodes[0], {"counter": dict(self._shards)}, self.epoch)

    def move(self, moves: str) -> None:
        """Move 1 % of the shards; always to another node than before."""
        self.epoch += 1
        held = self._owned[self.epoch % NODES]
        source = list(self._shards) if moves == "scattered" else [s for s, a in self._shards.items() if a is held]
        for shard in self._chance.sample(source, min(MOVED, len(source))):
            heirs = [a for a in (self._owned if moves == "scattered" else self._owned[:5]) if a is not self._shards[shard]]
            self._shards[shard] = self._chance.choice(heirs)

    def health(self) -> dict[NodeAddress, object]:
        state, made = self._live
        return {node: made(state, 0.001 * self._chance.uniform(0.9, 1.1)) for node in self.nodes}


def _moment(moving: Moving, snapshot: TopologySnapshot) -> Shown:
    from casty_notebook.topology.moment import Moment
    from casty_notebook.topology.recording_format import Label
    from casty_notebook.views.facts import Facts, Shown

    time = START + datetime.timedelta(seconds=moving.epoch / 4)
    label = Label("bench", "bench", "casty://bench@10.0.0.0:25520", {"counter": SHARDS})
    return Shown(Moment(time, snapshot, moving.health()), Facts(label, time, age=0.1))  # type: ignore[arg-type]


def _written(packet: Packet) -> float:
    """KB, by writing it as the kernel does."""
    size = len(json.dumps(packet.head).encode()) + sum(map(len, packet.buffers))
    assert size == packet.size
    return size / 1000


def full_state(times: int) -> tuple[float, float]:
    """KB and CPU milliseconds of all that a page is given that joins."""
    from casty_notebook.views.live.deltas import full
    from casty_notebook.views.live.scene import SceneBuilder
    from tests.benchmarks.measuring import cpu_median

    moving = Moving()
    moment = _moment(moving, moving.snapshot())
    size = _written(full(SceneBuilder().build(moment), 1, []))
    cost = cpu_median(lambda: _written(full(SceneBuilder().build(moment), 1, [])), times)
    return size, cost


def updates(moves: str, times: int) -> tuple[float, float, float, float]:
    """Medians: KB of an update, KB without its events, CPU of an update, CPU of a look that finds nothing new."""
    import statistics
    import time

    from casty_notebook.topology.events import diff
    from casty_notebook.views.live.deltas import delta, event_row
    from casty_notebook.views.live.scene import SceneBuilder

    moving, builder = Moving(), SceneBuilder()
    before = moving.snapshot()
    scene = builder.build(_moment(moving, before))
    sizes, bare, spent, idle = [], [], [], []
    for number in range(times):
        moving.move(moves)
        after = moving.snapshot()
        moment = _moment(moving, after)
        told = diff(before, after, moment.facts.time)
        started = time.process_time()
        drawn = builder.build(moment)
        packet = delta(scene, drawn, number + 2, [event_row(event) for event in told])
        assert packet is not None
        sizes.append(_written(packet))
        spent.append(time.process_time() - started)
        without = delta(scene, drawn, number + 2, [])
        assert without is not None
        bare.append(_written(without))
        assert without.head["types"][0]["count"] >= MOVED // 2
        started = time.process_time()
        assert delta(drawn, builder.build(moment), number + 3, []) is None
        idle.append(time.process_time() - started)
        scene, before = drawn, after
    return statistics.median(sizes), statistics.median(bare), statistics.median(spent) * 1e3, statistics.median(idle) * 1e3


def updates_a_second(seconds: float) -> float:
    """Updates that a watched view is sent."""
    import time

    from casty_notebook.views.live.bridge import Bridge
    from tests.views.scenery import WrittenSource

    moving = Moving()
    source = WrittenSource(_moment(moving, moving.snapshot()))
    told: list[float] = []

    def hear(head: dict[str, object], _buffers: list[bytes]) -> None:
        if head["kind"] == "delta":
            told.append(time.perf_counter())

    bridge = Bridge(source, hear, time.monotonic)
    bridge.hear({"kind": "look", "page": "1", "visible": True})
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        moving.move(MOVES[0])
        source.write(_moment(moving, moving.snapshot()))
        time.sleep(0.05)
    bridge.stop()
    return (len(told) - 1) / (told[-1] - told[0])
