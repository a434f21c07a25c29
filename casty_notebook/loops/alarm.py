"""A timer that has the sockets read first if it comes late: a reply that arrived in time must not be reported as missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

__all__ = ["Alarm"]

LATE = 0.1
"""Seconds past its time after which something has kept the loop: the process was stopped, the machine asleep, a listener busy."""

TURNS = 2
"""Turns of the loop until what lies in the sockets is read: one in which it is read, and one to come after that."""


class Alarm:
    """off --set--> set --its time--> off, having called; --stop--> stopped, for good.

    A loop that was kept from running calls its due timers before it reads its sockets, so a late alarm lets it read them first.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._handle: asyncio.Handle | None = None
        self.at = float("inf")
        """When it calls; public for those who look often."""

    def overdue(self, now: float) -> bool:
        """Whether it is late, so that the sockets are read first."""
        return 0.0 < self.at < now - LATE

    def by(self, at: float) -> None:
        """Call at `at`, in seconds of `monotonic`, if not sooner."""
        if at >= self.at:
            return
        if self._handle is not None:
            self._handle.cancel()
        self.at = at
        # Not at a time of the loop's own clock: uvloop's stands still while it works, and counts milliseconds.
        self._handle = self._loop.call_later(at - monotonic(), self._due)

    def stop(self) -> None:
        """Never call again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.at = float("-inf")

    def _due(self) -> None:
        if self.overdue(monotonic()):
            self._handle = self._loop.call_soon(self._read_first, TURNS - 1)
        else:
            self._ring()

    def _read_first(self, turns: int) -> None:
        if turns:
            self._handle = self._loop.call_soon(self._read_first, turns - 1)
        else:
            self._ring()

    def _ring(self) -> None:
        self._handle, self.at = None, float("inf")
        self._call()
