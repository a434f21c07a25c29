"""Asks and tells against the raw node: latency, rate, CPU."""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections.abc import Iterator

from casty_notebook import NodeAddress
from tests.benchmarks.clients import SIDES, Side

__all__ = ["measure_side"]


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _one_in_flight(side: Side, times: int) -> list[float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await side.ask()
        taken.append(time.perf_counter() - started)
    return taken


async def _in_flight(side: Side, width: int, times: int) -> tuple[float, float]:
    """(asks a second, CPU seconds an ask) with `width` asks in flight."""
    numbers: Iterator[int] = iter(range(times))

    async def worker() -> None:
        for _ in numbers:
            await side.ask()

    started, used = time.perf_counter(), cpu()
    await asyncio.gather(*(worker() for _ in range(width)))
    return times / (time.perf_counter() - started), (cpu() - used) / times


async def _tells(side: Side, times: int) -> float:
    """CPU seconds a tell, the writing to the socket included: an ask at the end waits until all were read."""
    assert side.tell is not None
    used = cpu()
    for number in range(times):
        side.tell()
        if number % 100 == 99:
            await asyncio.sleep(0)
    await side.ask()
    return (cpu() - used) / times


async def _measure(name: str, node: NodeAddress, scale: float) -> dict[str, float]:
    async with SIDES[name](node) as side:
        await _one_in_flight(side, 100)
        taken = await _one_in_flight(side, int(1500 * scale))
        figures = {
            "ask p50, one in flight [µs]": statistics.median(taken) * 1e6,
            "ask p99, one in flight [µs]": statistics.quantiles(taken, n=100)[98] * 1e6,
        }
        if name == "cluster":
            return figures
        for width in (1, 10, 100, 1000):
            rate, used = await _in_flight(side, width, int((1500 if name == "peer" else 4000) * scale))
            figures[f"asks per second, {width} in flight"] = rate
            if width == 100:
                figures["client CPU per ask [µs]"] = used * 1e6
        figures["client CPU per tell [µs]"] = await _tells(side, int(4000 * scale)) * 1e6
        return figures


def measure_side(name: str, node: NodeAddress, scale: float = 1.0) -> dict[str, float]:
    """All figures of one side, in one round."""
    return asyncio.run(_measure(name, node, scale))
