"""Which problems have just appeared: of each look at them only what was not there before. Time is given, never read."""

from __future__ import annotations

from collections.abc import Iterable

from casty_notebook.topology.problems import Problem

__all__ = ["Appearing"]

AGAIN = 60.0
"""Seconds that a problem must have been gone before it appears anew: one that comes and goes is one."""


class Appearing:
    """unseen --note--> known --note, without it for `AGAIN` seconds--> unseen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] | None = None

    def note(self, problems: Iterable[Problem], now: float) -> list[Problem]:
        """Return those that have appeared since the last look; none at the first, since somebody has just looked."""
        problems = list(problems)
        first, before = self._seen is None, self._seen or {}
        known = {key: at for key, at in before.items() if now - at < AGAIN}
        new = [] if first else [each for each in problems if (each.kind, each.subject) not in known]
        self._seen = {**known, **{(each.kind, each.subject): now for each in problems}}
        return new
