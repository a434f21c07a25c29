"""What came of a scenario: a row of the report, with the evidence that the tests look at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["NEVER", "Outcome", "table"]

NEVER = math.inf


@dataclass(slots=True)
class Outcome:
    """One row. Times are seconds; `NEVER` where it did not happen while the scenario ran.

    Attributes
    ----------
    tried, failed
        Asks. Which ones is said by the scenario: those that a client can be blamed for.
    gap
        Longest time without a successful ask among them.
    recovery
        From the moment when recovery was possible (said by the scenario) to the moment when all was well again.
    errors
        Every error that an ask of the scenario ended with, also of asks that are not counted.
    facts
        What else was measured, by name.
    """

    scenario: str
    client: str
    tried: int = 0
    failed: int = 0
    gap: float | None = None
    recovery: float | None = None
    errors: list[BaseException] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def recovered_after(self) -> float:
        """`recovery` of a scenario that measures it."""
        assert self.recovery is not None, f"{self.scenario} measures no recovery"
        return self.recovery

    def cells(self) -> tuple[str, ...]:
        facts = ", ".join(f"{name} {_seconds(value)}" for name, value in self.facts.items() if not name.startswith("_"))
        return (
            self.scenario, self.client, str(self.tried), str(self.failed), _seconds(self.gap), _seconds(self.recovery), facts,
        )  # fmt: skip


def _seconds(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return "never" if value == NEVER else f"{value:.2f} s"


HEADS = ("scenario", "client", "tried", "failed", "longest gap", "recovery", "also")


def table(outcomes: Iterable[Outcome]) -> str:
    """The report as a Markdown table that is readable as it stands."""
    rows: list[Sequence[str]] = [HEADS, *(outcome.cells() for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    widths[-1] = len(HEADS[-1])
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
