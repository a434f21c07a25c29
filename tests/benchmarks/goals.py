"""The figures to reach (DESIGN section 6), from the medians of a run."""

from __future__ import annotations

from tests.benchmarks.figures import Results

__all__ = ["goal_table"]


def goal_table(results: Results) -> list[list[str]]:
    return [["goal", "official", "floor", "ours", "ratio", "reached"]]
