"""Tells: CPU and rate, and what becomes of them when the receiver reads slower than we send."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from casty_notebook.demo.messages import GetCount, Increment
from tests.benchmarks.asking import cpu
from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.rounds import Row, sides_in_turn
from tests.benchmarks.sides import ENTITIES, SHARDS, Side, run_side
from tests.benchmarks.targets import Target, raw_node, real_nodes

__all__ = ["GROUP", "measure", "measure_side", "measure_slow"]

GROUP = "telling"
TELLS = {"raw node": 8000, "1 node": 3000}
OFFICIAL_TELLS = {"raw node": 3000, "1 node": 2000}
TURN = 100
"""Tells in one turn of the loop: a cell's own loop over many entities."""
SLOW = 2 * 1024 * 1024
"""Bytes a second that the slow receiver reads: about 7,000 tells."""
SLOW_SECONDS = 3.0
BACK_OFF = 0.01
"""A well-behaved sender's pause when it was refused."""


def measure(scale: float) -> Iterator[Figure]:
    """One round."""
    function = "tests.benchmarks.telling:measure_side"
    with raw_node() as target:
        yield from sides_in_turn(GROUP, function, ["floor", "ours", "ours uvloop", "Cluster", "official"], target, scale)
    with real_nodes(1, official_python()) as target:
        yield from sides_in_turn(GROUP, function, ["ours", "ours uvloop", "Cluster", "official"], target, scale)
    with raw_node(bytes_per_second=SLOW) as target:
        function = "tests.benchmarks.telling:measure_slow"
        yield from sides_in_turn(GROUP, function, ["ours", "official"], target, SLOW_SECONDS * scale)


# --- a receiver that keeps up -------------------------------------------------------------------------------------------


def measure_side(side: str, target_json: dict[str, Any], scale: float) -> list[Row]:
    """CPU and rate of one side. An ask of the last entity told waits until everything has been read."""
    target = Target.from_json(target_json)
    tells = OFFICIAL_TELLS if side == "official" else TELLS
    times = max(TURN, int(tells[target.against] * scale))
    if side == "Cluster":
        return _from_a_cell(target, times)

    async def measure_one(each: Side) -> list[Row]:
        await _tell(each, 2 * TURN)
        started, used = time.perf_counter(), cpu()
        await _tell(each, times)
        return _rows(times, time.perf_counter() - started, cpu() - used)

    return run_side(side, target, measure_one)


def _rows(times: int, seconds: float, used: float) -> list[Row]:
    return [("CPU per tell", "µs", used / times * 1e6), ("tells a second", "1/s", times / seconds)]


async def _tell(side: Side, times: int) -> None:
    for number in range(times):
        side.tell()
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)
    await asyncio.gather(*(side.ask_one(entity) for entity in ENTITIES[-1:]))


def _from_a_cell(target: Target, times: int) -> list[Row]:
    from casty_notebook import connect

    with connect(target.uri, shards={"counter": SHARDS}, name="bench") as cluster:

        def tell(times: int) -> None:
            for number in range(times):
                cluster.tell(f"counter/{ENTITIES[number % len(ENTITIES)]}", Increment(1))
            cluster.ask(f"counter/{ENTITIES[-1]}", GetCount, timeout=60)

        tell(2 * TURN)
        started, used = time.perf_counter(), cpu()
        tell(times)
        return _rows(times, time.perf_counter() - started, cpu() - used)


# --- a receiver that does not -------------------------------------------------------------------------------------------


def measure_slow(side: str, target_json: dict[str, Any], seconds: float) -> list[Row]:
    """First as fast as it goes, never looking back; then as long again with a pause after each refusal."""
    target = Target.from_json(target_json)

    async def measure_one(each: Side) -> list[Row]:
        await _tell(each, TURN)
        before = _memory()
        told, refused, _ = await _tell_for(each, seconds, pause=0.0)
        rows: list[Row] = [
            ("slow reader, careless sender: memory grown", "MB", _memory() - before),
            ("slow reader, careless sender: accepted", "1", told),
            ("slow reader, careless sender: refused (Overloaded)", "1", refused),
        ]
        if side == "official":
            return rows  # it refuses nothing, so nobody can behave
        told, _, used = await _tell_for(each, seconds, pause=BACK_OFF)
        rows.append(("slow reader, sender that waits: accepted", "1/s", told / seconds))
        rows.append(("slow reader, sender that waits: CPU", "core", used / seconds))
        rows.append(("slow reader, both: memory grown", "MB", _memory() - before))
        return rows

    return run_side(side, target, measure_one)


async def _tell_for(side: Side, seconds: float, *, pause: float) -> tuple[int, int, float]:
    """(accepted, refused, CPU seconds)."""
    from casty_notebook.errors import Overloaded

    told = refused = 0
    used, end = cpu(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        waits = pause
        try:
            for _ in range(TURN):
                side.tell()
                told += 1
            waits = 0.0
        except Overloaded:
            refused += 1
        await asyncio.sleep(waits)
    return told, refused, cpu() - used


def _memory() -> float:
    """Most memory that this process has ever held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
