"""Follows one backend and remembers what it saw. Lives on the background loop."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable

from casty_notebook.backends.contract import Backend
from casty_notebook.topology.history import History
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.views.clock import SteadyClock

__all__ = ["Recorder"]

LOOK_EVERY = 0.25
"""Seconds between two looks at the health of our own connections, of whose changes no snapshot tells."""


class Recorder:
    """new --start--> recording --stop--> stopped.

    Attributes
    ----------
    history
        All that is remembered. Changes on the loop only; its `records` and `latest` may be read from any thread.
    seen, seen_at
        The last snapshot and when it came.
    clock
        What all this is timed by; may be asked from any thread.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.clock = SteadyClock()
        self.history = History()
        self.seen: TopologySnapshot | None = None
        self.seen_at: datetime.datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        if self._backend.topology is not None:
            self._came(self._backend.topology)
        self._unsubscribe = self._backend.on_snapshot(self._came)
        self._look_again()

    def stop(self) -> None:
        """Remember nothing more. What is remembered stays."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()

    def _came(self, snapshot: TopologySnapshot) -> None:
        self.seen, self.seen_at = snapshot, self.clock()
        self.history.note(self.seen_at, snapshot, self._backend.health)

    def _look_again(self) -> None:
        if self.seen is not None:
            self.history.note(self.clock(), self.seen, self._backend.health)
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look_again)
