"""Asks: latency, rate, CPU; against a node that costs nothing, and against real ones."""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from casty_notebook.demo.messages import GetCount
from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import cpu_of
from tests.benchmarks.rounds import Row, sides_in_turn
from tests.benchmarks.sides import ENTITIES, SHARDS, Side, run_side
from tests.benchmarks.targets import Target, raw_node, real_nodes

__all__ = ["GROUP", "cpu", "in_flight", "measure", "measure_side"]

GROUP = "asking"
WIDTHS = (1, 10, 100, 1000)
ASKS = {"raw node": 4000, "1 node": 1200, "3 nodes": 1200}
OFFICIAL_ASKS = {"raw node": 1500, "1 node": 800, "3 nodes": 800}
"""At each width. The official client is slow enough to be measured by fewer."""
WARM_UP = 200


def measure(scale: float) -> Iterator[Figure]:
    """One round of every side against every target."""
    function = "tests.benchmarks.asking:measure_side"
    with raw_node() as target:
        yield from sides_in_turn(GROUP, function, ["floor", "ours", "ours uvloop", "Cluster", "official"], target, scale)
    with real_nodes(1, official_python()) as target:
        yield from sides_in_turn(GROUP, function, ["floor", "ours", "ours uvloop", "Cluster", "official"], target, scale)
    with real_nodes(3, official_python()) as target:
        yield from sides_in_turn(GROUP, function, ["ours", "ours uvloop", "Cluster", "official"], target, scale)


def measure_side(side: str, target_json: dict[str, Any], scale: float) -> list[Row]:
    """All figures of one side, in one round."""
    target = Target.from_json(target_json)
    asks = OFFICIAL_ASKS if side == "official" else ASKS
    times = max(100, int(asks[target.against] * scale))
    if side == "Cluster":
        return _from_a_cell(target, times)

    async def measure_one(each: Side) -> list[Row]:
        return await _figures(each, target, times)

    return run_side(side, target, measure_one)


def cpu() -> float:
    """CPU seconds of this process so far, all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _latency(taken: list[float]) -> list[Row]:
    return [
        ("ask p50, 1 in flight", "µs", statistics.median(taken) * 1e6),
        ("ask p99, 1 in flight", "µs", statistics.quantiles(taken, n=100)[98] * 1e6),
    ]


def _rates(width: int, times: int, seconds: float, used: float) -> list[Row]:
    return [
        (f"asks a second, {width:,} in flight", "1/s", times / seconds),
        (f"CPU per ask, {width:,} in flight", "µs", used / times * 1e6),
    ]


# --- on an event loop ---------------------------------------------------------------------------------------------------


async def _figures(side: Side, target: Target, times: int) -> list[Row]:
    await in_flight(side.ask, 10, WARM_UP)
    rows: list[Row] = _latency(await _one_in_flight(side.ask, times))
    for width in WIDTHS:
        server = cpu_of(target.pids[0])
        rows += _rates(width, times, *await in_flight(side.ask, width, times))
        if (target.against, width) == ("raw node", 100):
            # Well below our own: then it is the client that is measured.
            rows.append(("CPU of the node per ask, 100 in flight", "µs", (cpu_of(target.pids[0]) - server) / times * 1e6))
    return rows


async def _one_in_flight(ask: Callable[[], Awaitable[Any]], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - started)
    return taken


async def in_flight(ask: Callable[[], Awaitable[Any]], width: int, times: int) -> tuple[float, float]:
    """Seconds, and CPU seconds, of so many asks with `width` of them on their way at one time."""
    numbers = iter(range(times))

    async def worker() -> None:
        for _ in numbers:
            await ask()

    started, used = time.perf_counter(), cpu()
    await asyncio.gather(*(worker() for _ in range(width)))
    return time.perf_counter() - started, cpu() - used


# --- from a cell --------------------------------------------------------------------------------------------------------


def _from_a_cell(target: Target, times: int) -> list[Row]:
    """Blocking calls from this thread, which runs no event loop: what a cell pays. More than one at a time are `answers`."""
    from casty_notebook import connect

    with connect(target.uri, shards={"counter": SHARDS}, name="bench") as cluster:
        everybody = [f"counter/{entity}" for entity in ENTITIES]
        cluster.answers(everybody * (WARM_UP // len(everybody)), GetCount, timeout=60, progress=False)
        taken = []
        used = cpu()
        for number in range(times):
            entity = everybody[number % len(everybody)]
            started = time.perf_counter()
            cluster.ask(entity, GetCount, timeout=60)
            taken.append(time.perf_counter() - started)
        rows = [*_latency(taken), *_rates(1, times, sum(taken), cpu() - used)]
        targets = (everybody * (times // len(everybody) + 1))[:times]
        for width in WIDTHS[1:]:
            started, used = time.perf_counter(), cpu()
            answers = cluster.answers(targets, GetCount, timeout=60, concurrency=width, progress=False)
            assert all(answer.error is None for answer in answers)
            rows += _rates(width, times, time.perf_counter() - started, cpu() - used)
        return rows
