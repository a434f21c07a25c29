"""How the cost of knowing a cluster grows with its nodes and with its shards, from synthetic snapshots.

For each step: the CPU at every size, and the power of the size with which it grows (1 is linear), fitted to the upper half of
the sizes. The shards are of one type; a hundredth of them has moved between two snapshots.
"""

from __future__ import annotations

import datetime
import pickle
import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.measuring import exponent
from tests.benchmarks.processes import run_fresh

if TYPE_CHECKING:
    from casty_notebook.topology.snapshot import TopologySnapshot

GROUP = "growing"
NODES = (3, 10, 30, 100, 300, 1_000)
SHARDS = (100, 1_000, 10_000, 100_000)
CURVES = {
    "nodes": [(nodes, 10_000) for nodes in NODES],
    "shards": [(10, shards) for shards in SHARDS],
}
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
STEPS = ("read", "adopt in a session", "diff", "note in the history", "shards table", "members table", "update of a live view")


def measure(scale: float) -> Iterator[Figure]:
    """One round; below a scale of 0.5 the two largest sizes of each curve are left out."""
    for what, sizes in CURVES.items():
        chosen = sizes if scale >= 0.5 else sizes[:-2]
        curve = [run_fresh(f"{__name__}:costs", nodes, shards, max(3, round(7 * scale))) for nodes, shards in chosen]
        grown = [max(size) if what == "shards" else size[0] for size in chosen]
        for side, name in (("plain", "unpickling"), *(("ours", step) for step in STEPS)):
            costs = [point[name] for point in curve]
            for (nodes, shards), cost in zip(chosen, costs, strict=True):
                yield Figure(GROUP, f"{name}, {nodes:,} nodes, {shards:,} shards", "", side, "ms", cost)
            yield Figure(GROUP, f"{name}, growth with {what}, exponent", "", side, "1", exponent(grown, costs))


def costs(nodes: int, shards: int, times: int) -> dict[str, float]:
    """CPU milliseconds of every step for a snapshot of that size; small ones are repeated until they can be timed."""
    from tests.benchmarks.measuring import cpu_median
    from tests.benchmarks.reading import codec, decoded
    from tests.benchmarks.synthetic import addresses, pickled_by_casty

    payload = pickled_by_casty(addresses(nodes), 1, shards, 1)
    before, after = decoded(nodes, 1, shards, 0), decoded(nodes, 1, shards, 1)
    _check(before, after, nodes, shards)
    steps: dict[str, Callable[[], object]] = {
        "unpickling": lambda: pickle.loads(payload), "read": lambda: codec().decode(payload),
        **_session_steps(before, after), **_view_steps(before, after),
    }  # fmt: skip
    return {name: cpu_median(_repeated(step, repeats := _repeats(step)), times) / repeats for name, step in steps.items()}


def _check(before: TopologySnapshot, after: TopologySnapshot, nodes: int, shards: int) -> None:
    was, now = before.shard_allocations["type-0"], after.shard_allocations["type-0"]
    moved = sum(was[shard].primary != now[shard].primary for shard in now)
    assert (len(after.members), len(now), moved) == (nodes, shards, shards // 100)


def _repeats(step: Callable[[], object]) -> int:
    """So many calls take 10 ms."""
    step()
    started = time.process_time()
    step()
    return max(1, round(0.01 / max(time.process_time() - started, 1e-5)))


def _repeated(step: Callable[[], object], times: int) -> Callable[[], None]:
    def all_of_them() -> None:
        for _ in range(times):
            step()

    return all_of_them


def _session_steps(before: TopologySnapshot, after: TopologySnapshot) -> dict[str, Callable[[], object]]:
    """Each call goes on to the other of the two snapshots, so that there is always something new."""
    from casty_notebook.topology.events import diff
    from casty_notebook.topology.history import History
    from casty_notebook.topology.moment import Moment

    assert diff(before, after, NOW)
    history, turn = History(), 0
    adopt = _adopting(before, after)

    def note() -> None:
        nonlocal turn
        turn += 1
        assert history.note(Moment(NOW + datetime.timedelta(seconds=turn), (before, after)[turn % 2])) or turn == 1

    return {"adopt in a session": adopt, "diff": lambda: diff(before, after, NOW), "note in the history": note}


def _adopting(before: TopologySnapshot, after: TopologySnapshot) -> Callable[[], object]:
    """A session that is subscribed, whose link to every member is open, and which uses the type."""
    from casty_notebook import NodeAddress, Settings
    from casty_notebook.backends.sharded.session.events import Dial, LinkOpened, Publish, Received, Tick, TypeUsed
    from casty_notebook.backends.sharded.session.session import Session
    from casty_notebook.backends.sharded.session.subscription import SUBSCRIPTION_PATH

    session = Session(
        "bench", (NodeAddress("10.0.0.0", 25520),), lambda: NodeAddress("239.1.2.3", 4), 0.0, Settings(), names=lambda: "name"
    )
    link, now, turn = 0, 0.0, 0

    def settle(event: Any) -> None:
        """Open every link that is wanted."""
        nonlocal link
        waiting = [event]
        while waiting:
            for effect in session.handle(waiting.pop(), now):
                if isinstance(effect, Dial):
                    link = link or effect.link
                    waiting.append(LinkOpened(effect.link, effect.address))

    def push(snapshot: TopologySnapshot) -> Received:
        return Received(link, SUBSCRIPTION_PATH, "bench", "casty.cluster.topology.TopologySnapshot", snapshot, ("pickle", None))

    settle(Tick())
    settle(push(before))
    session.handle(TypeUsed("type-0", len(before.shard_allocations["type-0"])), 0.0)

    def adopt() -> None:
        nonlocal turn
        turn += 1
        wanted = (before, after)[turn % 2]
        effects = session.handle(push(wanted), now)
        assert session.snapshot is wanted
        assert any(isinstance(effect, Publish) for effect in effects)

    return adopt


def _view_steps(before: TopologySnapshot, after: TopologySnapshot) -> dict[str, Callable[[], object]]:
    from casty_notebook import tables
    from casty_notebook.topology.events import diff
    from casty_notebook.topology.health import LinkState, NodeHealth
    from casty_notebook.topology.moment import Moment
    from casty_notebook.topology.recording_format import Label
    from casty_notebook.views.facts import Facts, Shown
    from casty_notebook.views.live.deltas import delta, event_row
    from casty_notebook.views.live.scene import SceneBuilder

    chance = random.Random(3)
    health = {member.address: NodeHealth(LinkState.live, chance.uniform(0.001, 0.002)) for member in after.members}
    facts = Facts(Label("bench", "bench", "casty://bench@10.0.0.0:25520"), NOW)
    moments = [Moment(NOW, each, health) for each in (before, after)]
    builder, turn = SceneBuilder(), 0
    scene = builder.build(Shown(moments[0], facts))
    rows = [event_row(event) for event in diff(before, after, NOW)]

    def update() -> None:
        nonlocal scene, turn
        turn += 1
        drawn = builder.build(Shown(moments[turn % 2], facts))
        packet = delta(scene, drawn, turn, rows)
        assert packet is not None
        assert "types" in packet.head
        assert packet.size > 0  # written as JSON
        scene = drawn

    return {
        "shards table": lambda: tables.shards(moments[1], cluster="bench"),
        "members table": lambda: tables.members(moments[1], cluster="bench"),
        "update of a live view": update,
    }
