"""The time of what is remembered: the wall clock's, and a steady clock's beside it where somebody sets that back."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

__all__ = ["SteadyClock"]


def _wall() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class SteadyClock:
    """Tells the wall clock's time, but never an earlier one than before.

    A wall clock that is set back by an hour would stop the order of moments, and "thirty seconds ago", for that hour. Until it
    has caught up, what a steady clock says has passed is added to what was told last; every mark on one time scale.
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
        """How far it is ahead of the wall clock: what that was set back by."""
        return self() - self._wall()
