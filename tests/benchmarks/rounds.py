"""One round: a measuring function called for each side in turn, in a process of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import run_fresh
from tests.benchmarks.targets import Target

__all__ = ["Row", "python_of", "sides_in_turn"]

type Row = tuple[str, str, float]
"""Name, unit, value: what a side's process hands back."""


def python_of(side: str) -> str | None:
    """The interpreter for a side; None for this one."""
    return str(official_python()) if side == "official" else None


def sides_in_turn(
    group: str, function: str, sides: Iterable[str], target: Target, *arguments: Any, timeout: float = 120.0
) -> Iterator[Figure]:
    """The figures of each side. The official client comes last by custom: nodes go on dialling it when it has gone."""
    for side in sides:
        if side.endswith("uvloop") and importlib.util.find_spec("uvloop") is None:
            continue
        rows = run_fresh(function, side, target.as_json(), *arguments, python=python_of(side), timeout=timeout)
        for name, unit, value in rows:
            yield Figure(group, name, target.against, side, unit, value)
