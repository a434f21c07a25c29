"""How fast the machine is at the moment: a fixed piece of pure Python, timed before and after what is measured.

On a shared machine a round may have had less of it than the next one. A round in which the piece's time moved says more of the
neighbours than of us, and is thrown away.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MOVED", "Calm", "calibrate"]

MOVED = 0.10
"""Share by which the calibration may move within a round that is kept."""
_STEPS = 60_000
"""Steps of one timing: some milliseconds, longer than a slice of the scheduler's."""
_TIMES = 15


def _piece() -> int:
    table: dict[int, int] = {}
    for number in range(_STEPS):
        table[number & 1023] = table.get(number & 511, 0) + number
    return len(table)


def calibrate() -> float:
    """Seconds for the fixed piece of Python, the median of some."""
    taken = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        _piece()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


@dataclass
class Calm:
    """Which rounds of which group were calm enough to be kept."""

    clock: Callable[[], float] = calibrate
    kept: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tried: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    fastest: float = float("inf")
    slowest: float = 0.0

    def was_calm(self, group: str, before: float, after: float) -> bool:
        """Count a round, and say whether it is kept."""
        self.fastest, self.slowest = min(self.fastest, before, after), max(self.slowest, before, after)
        self.tried[group] += 1
        calm = abs(after - before) <= MOVED * min(before, after)
        self.kept[group] += calm
        return calm

    def as_json(self) -> dict[str, Any]:
        return {
            "fastest_ms": round(self.fastest * 1e3, 3), "slowest_ms": round(self.slowest * 1e3, 3),
            "rounds": {group: {"kept": self.kept[group], "tried": tried} for group, tried in self.tried.items()},
        }  # fmt: skip
