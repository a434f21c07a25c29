"""The figures to reach (DESIGN section 6), from the medians of a run: reached or not, or not measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.benchmarks.figures import Results, cost_ratio

__all__ = ["ELSEWHERE", "GOALS", "HEAD", "Goal", "Verdict", "goal_table", "goals_as_json", "judge"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for one figure: of its own value, of its ratio to the floor's, or of the official one's ratio to it.

    Ratios are of costs, so of rates the other way round: "at most 3 times the floor" is a third of the floor's rate.
    """

    text: str
    of: Literal["value", "floor", "official"]
    bound: float
    group: str
    name: str
    against: str = ""
    side: str = "ours"
    floor: str = "floor"
    """The side that is the floor: raw asyncio, or "plain" Python and pandas."""
    floor_name: str | None = None
    floor_against: str | None = None
    """Where the floor is another figure, one that no node takes part in."""


RAW = "raw node"
THREE = "3 nodes"
LARGE, WIDE = "3 members, 4 × 10,000 shards", "50 members, 4 × 10,000 shards"
GOALS = (
    Goal("ask, one in flight, p50: ≤ 1.25 × floor", "floor", 1.25, "asking", "ask p50, 1 in flight", RAW),
    Goal("the same through Cluster: ≤ 2 × floor", "floor", 2, "asking", "ask p50, 1 in flight", RAW, "Cluster"),
    Goal("asks a second, 100 in flight: ≥ floor ÷ 2.5", "floor", 2.5, "asking", "asks a second, 100 in flight", RAW),
    Goal("the same: ≥ 15 × official", "official", 15, "asking", "asks a second, 100 in flight", RAW),
    Goal("client CPU per ask: ≤ 18 µs", "value", 18, "asking", "CPU per ask, 100 in flight", RAW),
    Goal("client CPU per tell: ≤ 6 µs", "value", 6, "telling", "CPU per tell", RAW),
    Goal("casty 0.30, ask, one in flight, p50: ahead of casty.Client", "official", 1, "virtual", "ask p50, 1 in flight", THREE),
    Goal("casty 0.30, asks a second, 100 in flight: ahead", "official", 1, "virtual", "asks a second, 100 in flight", THREE),
    Goal("casty 0.30, CPU per ask: ahead", "official", 1, "virtual", "CPU per ask, 100 in flight", THREE),
    Goal("casty 0.30, entering to the first table: ≤ 5 ms", "value", 5, "virtual", "entering to the first table, median", THREE),
    Goal("casty 0.30, 100,000 keys placed: ≤ 300 ms", "value", 300, "virtual", "100,000 keys placed, CPU", THREE),
    Goal("snapshot of 4 × 10,000 shards, changed: ≤ 1.1 × plain unpickling", "floor", 1.1, "snapshots",
         f"{LARGE}, changed: CPU per snapshot", RAW, floor="plain", floor_name=f"{LARGE}, reading alone, CPU", floor_against=""),
    Goal("the same of 50 members: ≤ 1.1 × plain unpickling", "floor", 1.1, "snapshots",
         f"{WIDE}, changed: CPU per snapshot", RAW, floor="plain", floor_name=f"{WIDE}, reading alone, CPU", floor_against=""),
    Goal("of 3 members, unchanged, 10 a second: ≤ 0.05 core", "value", 0.05, "snapshots",
         f"{LARGE}, unchanged: share at 10 a second", RAW),
    Goal("DataFrame of 40,000 shards: ≤ 2 × pandas from ready columns, Python lists", "floor", 2, "tables", "40,000 shards",
         floor="plain", floor_name="40,000 shards, from lists"),
    Goal("the same: from ready numpy arrays", "floor", 2, "tables", "40,000 shards", floor="plain"),
    Goal("widget update, 10,000 shards, 1 % changed: ≤ 8 KB", "value", 8, "widgets", "update, 10,000 shards, 1 % changed"),
    Goal("the same: ≤ 4 a second", "value", 4, "widgets", "updates a second, 10,000 shards, 1 % changed"),
    Goal("memory per 10,000 timed-out asks: ≤ 0.2 MB", "value", 0.2, "lasting", "memory per 10,000 timed-out asks", RAW),
    Goal("import over bare Python: ≤ 60 ms", "value", 60, "importing", "import over bare Python"),
)  # fmt: skip

ELSEWHERE = (
    ("first contact point dead, contact node killed, other node killed, only node restarted", "python -m tests.reliability"),
    ("two to ten clients on one cluster, 500 connect/close cycles", "python -m tests.reliability"),
    ("malicious pickle, zero-length frame, 4 GB length, garbage", "python -m tests.hostile.memory --table; tests/hostile"),
    ("widget: no browser long task; updates bounded", "tests/browser, tests/views"),
)
"""Goals that are promises, not costs: where they are held."""

HEAD = ["goal", "unit", "official", "floor", "ours", "ours/floor", "official/ours", "reached"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal after a run; what was not measured is None."""

    goal: Goal
    unit: str
    official: float | None
    floor: float | None
    ours: float | None
    to_floor: float | None
    """Ours by the floor's."""
    to_official: float | None
    """The official client's by ours."""

    @property
    def reached(self) -> bool | None:
        bound = self.goal.bound
        match self.goal.of:
            case "value":
                return None if self.ours is None else self.ours <= bound
            case "floor":
                return None if self.to_floor is None else self.to_floor <= bound
            case "official":
                return None if self.to_official is None else self.to_official >= bound


def judge(results: Results) -> list[Verdict]:
    """Every goal that is a measured cost."""
    return [_judge(goal, results) for goal in GOALS]


def _judge(goal: Goal, results: Results) -> Verdict:
    wanted = (goal.group, goal.name, goal.against)
    unit = next((key.unit for key in results.rounds if (key.group, key.name, key.against) == wanted), "")
    official, ours = (results.values(goal.group, goal.name, side, goal.against) for side in ("official", goal.side))
    floor_name = goal.name if goal.floor_name is None else goal.floor_name
    floor_against = goal.against if goal.floor_against is None else goal.floor_against
    floor = results.values(goal.group, floor_name, goal.floor, floor_against)
    median_official, median_floor, median_ours = (
        statistics.median(values) if values else None for values in (official, floor, ours)
    )
    return Verdict(
        goal, unit, median_official, median_floor, median_ours, cost_ratio(ours, floor, unit), cost_ratio(official, ours, unit)
    )


def goal_table(results: Results, show: Callable[[float], str]) -> list[list[str]]:
    """Rows of texts, the head first."""
    table = [HEAD]
    for verdict in judge(results):
        numbers = (verdict.official, verdict.floor, verdict.ours, verdict.to_floor, verdict.to_official)
        said = {True: "reached", False: "NOT reached", None: "not measured"}[verdict.reached]
        cells = ["" if value is None else show(value) for value in numbers]
        table.append([verdict.goal.text, verdict.unit, *cells, said])
    return table


def goals_as_json(results: Results) -> list[dict[str, Any]]:
    """The same for the JSON: for whoever plots or quotes it."""
    return [
        {
            "goal": verdict.goal.text, "unit": verdict.unit, "official": verdict.official, "floor": verdict.floor,
            "ours": verdict.ours, "to floor": verdict.to_floor, "to official": verdict.to_official,
            "reached": "not measured" if verdict.reached is None else "yes" if verdict.reached else "no",
        }
        for verdict in judge(results)
    ]  # fmt: skip
