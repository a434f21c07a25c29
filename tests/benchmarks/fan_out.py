"""Ten thousand asks at once, as `ask_many` makes them in one line: all entities, a hundred in flight."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from casty_notebook.demo.messages import GetCount
from tests.benchmarks.asking import cpu, in_flight
from tests.benchmarks.figures import Figure
from tests.benchmarks.rounds import Row, sides_in_turn
from tests.benchmarks.sides import SHARDS, Side, run_side
from tests.benchmarks.targets import Target, raw_node

__all__ = ["GROUP", "measure", "measure_side"]

GROUP = "fan-out"
ASKS = 10_000
IN_FLIGHT = 100


def measure(scale: float) -> Iterator[Figure]:
    """One round. `Cluster` is ``ask_many``, whose result is a DataFrame; the others collect their replies in a loop."""
    asks = max(IN_FLIGHT, int(ASKS * scale))
    with raw_node() as target:
        function = "tests.benchmarks.fan_out:measure_side"
        yield from sides_in_turn(GROUP, function, ["floor", "ours", "ours uvloop", "Cluster", "official"], target, asks)


def measure_side(side: str, target_json: dict[str, Any], asks: int) -> list[Row]:
    """Seconds and CPU for all of them. Named for 10,000 whatever the scale, to which it is set in proportion."""
    target = Target.from_json(target_json)
    if side == "Cluster":
        return _ask_many(target, asks)

    async def measure_one(each: Side) -> list[Row]:
        await in_flight(each.ask, 10, IN_FLIGHT)
        return _rows(asks, *await in_flight(each.ask, IN_FLIGHT, asks))

    return run_side(side, target, measure_one)


def _ask_many(target: Target, asks: int) -> list[Row]:
    from casty_notebook import connect

    with connect(target.uri, shards={"counter": SHARDS}, name="bench") as cluster:
        cluster.ask_many(f"counter/user-{{1..{IN_FLIGHT}}}", GetCount, progress=False)  # imports pandas
        started, used = time.perf_counter(), cpu()
        table = cluster.ask_many(f"counter/user-{{1..{asks}}}", GetCount, timeout=60, concurrency=IN_FLIGHT, progress=False)
        rows = _rows(asks, time.perf_counter() - started, cpu() - used)
        assert len(table) == asks
        assert table.error.isna().all()
        return rows


def _rows(asks: int, seconds: float, used: float) -> list[Row]:
    share = ASKS / asks
    return [("10,000 asks", "s", seconds * share), ("10,000 asks: CPU", "s", used * share)]
