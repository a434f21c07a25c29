"""The tables: a group at a time, and the goals. Plain text, made from what the JSON holds."""

from __future__ import annotations

import statistics
from typing import Any

from tests.benchmarks.figures import SIDES, Key, Results, cost_ratio
from tests.benchmarks.goals import ELSEWHERE, goal_table

__all__ = ["align", "number", "report"]

COUNT = "1"
"""No cost: how many is neither good nor bad."""


def report(run: dict[str, Any]) -> str:
    """Everything that is to be said of one run."""
    results = Results.from_json(run["figures"])
    machine = run["machine"]
    parts = [
        f"{run['date']}: {machine['cores']} cores {machine['architecture']} ({machine['cpu']}), {machine['os']}",
        ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
        f"Medians of {run['rounds']} rounds (smallest–largest)"
        + "; ratios, of costs and so of rates the other way round, are medians of the rounds' own"
        + _kept(run.get("calibration"))
        + (f"; shortened to {run['scale']:g}, so only a quick look" if run["scale"] != 1 else ""),
    ]
    tables: dict[str, dict[Key, dict[str, list[float]]]] = {}
    for key, sides in results.rounds.items():
        title = f"{key.group}, against {key.against}" if key.against else key.group
        tables.setdefault(title, {})[key] = sides
    parts += [f"\n{title}\n{'-' * len(title)}\n" + group_table(rows) for title, rows in tables.items()]
    parts.append("\nGoals\n-----\n" + align(goal_table(results, number)))
    parts += [f"{what}: {where}" for what, where in ELSEWHERE]
    return "\n".join(parts)


def _kept(calibration: dict[str, Any] | None) -> str:
    """How calm the machine was."""
    if not calibration:
        return ""
    rounds = ", ".join(f"{group} {said['kept']}/{said['tried']}" for group, said in calibration["rounds"].items())
    speed = f"{calibration['fastest_ms']:g}–{calibration['slowest_ms']:g} ms"
    return f"; rounds kept of those measured, by a calibration that moved by at most 10 % ({speed} in all): {rounds}"


def group_table(rows: dict[Key, dict[str, list[float]]]) -> str:
    used = [side for side in SIDES if any(side in sides for sides in rows.values())]
    used += sorted({side for sides in rows.values() for side in sides} - set(SIDES))
    table = [["", "unit", *used, "ours/floor", "official/ours"]]
    for key, sides in rows.items():
        cells = [_spread(sides[side]) if side in sides else "" for side in used]
        ours, floor, official = (sides.get(side, []) for side in ("ours", "floor", "official"))
        floor = floor or sides.get("plain", [])
        ratios = [_ratio(ours, floor, key.unit), _ratio(official, ours, key.unit)] if key.unit != COUNT else ["", ""]
        table.append([key.name, key.unit, *cells, *ratios])
    empty = [column for column in range(len(table[0])) if column > 1 and not any(row[column] for row in table[1:])]
    return align([[cell for column, cell in enumerate(row) if column not in empty] for row in table])


def _ratio(one: list[float], other: list[float], unit: str) -> str:
    ratio = cost_ratio(one, other, unit)
    return "" if ratio is None else f"{ratio:.2f}"


def _spread(values: list[float]) -> str:
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    """Three digits, or all of the integer part."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def align(table: list[list[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
