"""The observer must not load the cluster: CPU of real nodes with none, one and ten notebooks attached, idle and under load."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import cpu_of, held
from tests.benchmarks.rounds import python_of
from tests.benchmarks.sides import SHARDS, Side, run_side
from tests.benchmarks.targets import Target, real_nodes

__all__ = ["GROUP", "attach", "load", "measure"]

GROUP = "observing"
SECONDS = 3.0
NOTEBOOKS = (0, 1, 10)
LOAD = 200
"""Asks a second, by a client of its own: moderate for three nodes."""
SETTLED = 1.0
"""Seconds from the last client's first snapshot until its arrival no longer costs anything."""


def measure(scale: float) -> Iterator[Figure]:
    """One round. Each notebook is a process with a `Cluster`, as a kernel is; the official client is there alone.

    Only one official client can be: a second evicts the first.
    """
    with real_nodes(3, official_python()) as target:
        for side, notebooks in (*(("ours", number) for number in NOTEBOOKS), ("official", 1)):
            with _attached(target, side, notebooks):
                yield from _cost(target, side, f"idle, {notebooks} attached", scale)
                with held("tests.benchmarks.observing:load", target.as_json(), LOAD):
                    yield from _cost(target, side, f"{LOAD} asks a second, {notebooks} attached", scale)


@contextmanager
def _attached(target: Target, side: str, number: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(held("tests.benchmarks.observing:attach", side, target.as_json(), python=python_of(side)))
        yield


def _cost(target: Target, side: str, described: str, scale: float) -> Iterator[Figure]:
    time.sleep(SETTLED * min(scale, 1.0))
    used = _node_cpu(target, SECONDS * scale)
    yield Figure(GROUP, f"CPU of a node, {described}", target.against, side, "core", sum(used) / len(used))
    yield Figure(GROUP, f"CPU of the busiest node, {described}", target.against, side, "core", max(used))


def _node_cpu(target: Target, seconds: float) -> list[float]:
    """The share of a core that each node uses."""
    started, before = time.perf_counter(), [cpu_of(pid) for pid in target.pids]
    time.sleep(seconds)
    after, took = [cpu_of(pid) for pid in target.pids], time.perf_counter() - started
    return [(late - early) / took for early, late in zip(before, after, strict=True)]


# --- in processes of their own ------------------------------------------------------------------------------------------


def attach(side: str, target_json: dict[str, Any]) -> None:
    """Be attached until stdin ends."""
    target = Target.from_json(target_json)
    if side == "official":
        run_side(side, target, _stay)
        return
    from casty_notebook import connect

    with connect(target.uri, shards={"counter": SHARDS}, name="bench"):
        print("attached", flush=True)
        sys.stdin.read()


async def _stay(_side: Side) -> None:
    print("attached", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def load(target_json: dict[str, Any], rate: int) -> None:
    """Ask so many times a second, evenly, until stdin ends."""

    async def ask_steadily(side: Side) -> None:
        print("asking", flush=True)
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(None, sys.stdin.read)
        asked: set[asyncio.Task[Any]] = set()
        due = loop.time()
        while not ended.done():
            task = loop.create_task(side.ask())
            asked.add(task)
            task.add_done_callback(asked.discard)
            due += 1 / rate
            await asyncio.sleep(due - loop.time())
        await asyncio.gather(*asked)

    run_side("ours", Target.from_json(target_json), ask_steadily)
