"""The time that remembered moments are given: that of the wall clock, but never set back."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

__all__ = ["SteadyClock"]


def _wall() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class SteadyClock:
    """Tells the wall clock's time, but never an earlier one than before.

    If a wall clock is set back by an hour, moments would be out of order for that hour, and "thirty seconds ago" be wrong. Until
    the wall clock has caught up, what a steady clock measures is added to the last time told, so that all is on one time scale.
    """

    def __init__(
        self, wall: Callable[[], datetime.datetime] = _wall, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._steady = wall, steady
        self._told = wall(), steady()

    def __call__(self) -> datetime.datetime:
        """Return the time."""
        wall, steady = self._wall(), self._steady()
        last, then = self._told
        now = wall if wall >= last else last + datetime.timedelta(seconds=max(0.0, steady - then))
        self._told = now, steady
        return now

    @property
    def ahead(self) -> datetime.timedelta:
        """How far it is ahead of the wall clock, because that was set back."""
        return self() - self._wall()
