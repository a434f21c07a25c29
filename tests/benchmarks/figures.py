"""What is measured: one figure of one side in one round, and all of them with their medians."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["RATE", "SIDES", "Figure", "Key", "Results", "cost_ratio"]

RATE = "1/s"
"""The unit of what is better when it is more."""
SIDES = ("floor", "plain", "ours", "ours uvloop", "Cluster", "official")
"""In the order of the tables' columns."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one side in one round."""

    group: str
    """ "asking", "telling", "snapshots", …"""
    name: str
    """ "ask p50, 1 in flight"; stable over versions, it is the key in the JSON."""
    against: str
    """ "raw node", "1 node", "3 nodes", or "" where no node is involved."""
    side: str
    """ "floor", "ours", "ours uvloop", "Cluster", "official", "plain"."""
    unit: str
    """ "µs", "1/s", "ms", "MB", "KB", "core", "s", "1"."""
    value: float


class Key(NamedTuple):
    """What one row of a table is about."""

    group: str
    against: str
    name: str
    unit: str


@dataclass
class Results:
    """All figures of a run, by row and side, each with all its rounds."""

    rounds: dict[Key, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, figure: Figure) -> None:
        key = Key(figure.group, figure.against, figure.name, figure.unit)
        self.rounds.setdefault(key, {}).setdefault(figure.side, []).append(figure.value)

    def median(self, group: str, name: str, side: str, against: str = "") -> float | None:
        """The median of one figure, or None if it was not measured."""
        values = self.values(group, name, side, against)
        return statistics.median(values) if values else None

    def values(self, group: str, name: str, side: str, against: str = "") -> list[float]:
        """One figure in each round; empty if it was not measured."""
        for key, sides in self.rounds.items():
            if (key.group, key.name, key.against) == (group, name, against):
                return sides.get(side, [])
        return []

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "group": key.group, "against": key.against, "name": key.name, "side": side, "unit": key.unit,
                "median": _rounded(statistics.median(values)), "rounds": [_rounded(value) for value in values],
            }
            for key, sides in self.rounds.items()
            for side, values in sides.items()
        ]  # fmt: skip

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> Results:
        results = cls()
        for figure in _figures(rows):
            results.add(figure)
        return results


def cost_ratio(one: list[float], other: list[float], unit: str) -> float | None:
    """How many times the cost of the other; of rates, that is the other way round. None if there is nothing to compare.

    The median of the rounds' own ratios, where both have all rounds: in a round both were measured shortly after each other,
    so that what else the machine did meanwhile is in neither.
    """
    if unit == RATE:
        one, other = other, one
    if not one or not all(other):
        return None
    if len(one) == len(other):
        return statistics.median(a / b for a, b in zip(one, other, strict=True))
    return statistics.median(one) / statistics.median(other) if other else None


def _figures(rows: list[dict[str, Any]]) -> Iterator[Figure]:
    for row in rows:
        for value in row["rounds"]:
            yield Figure(row["group"], row["name"], row["against"], row["side"], row["unit"], value)


def _rounded(value: float) -> float:
    """Five digits: more than any measurement here has, and a JSON that can be read."""
    return float(f"{value:.5g}")
