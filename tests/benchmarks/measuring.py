"""CPU of one call as a median of several, memory now, growth: what the modules about knowing share."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from math import log
from pathlib import Path

__all__ = ["cpu_each", "cpu_median", "exponent", "resident"]


def cpu_median(function: Callable[[], object], times: int) -> float:
    """CPU milliseconds of a call: the median of `times` calls after one that nobody counts."""
    return cpu_each([function], times)[0]


def cpu_each(functions: list[Callable[[], object]], times: int) -> list[float]:
    """As `cpu_median`, of several functions called in turn, so that what disturbs one disturbs the other."""
    taken: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    gc.collect()
    for _ in range(times):
        for each, function in zip(taken, functions, strict=True):
            started = time.process_time()
            function()
            each.append(time.process_time() - started)
    return [statistics.median(each) * 1e3 for each in taken]


def exponent(sizes: list[int], costs: list[float]) -> float:
    """The power of the size with which the cost grows: the slope of a line through the upper half, on logarithmic scales."""
    upper = min(len(sizes) // 2, len(sizes) - 2)


    slope, _ = statistics.linear_regression([log(size) for size in sizes[upper:]], [log(cost) for cost in costs[upper:]])
    return slope


def resident() -> float:
    """MB that this process holds now, garbage collected; where the system does not say, the most it ever held."""
    gc.collect()
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
