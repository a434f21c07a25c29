"""Looks for problems for a view that is drawn four times a second: on another thread, and not so often that it takes much time.

Where thousands of shards have moved all the time since something broke, one search can take half a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from casty_notebook.logs import room_logger
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import ASKS_WITHIN, Known, Problem, find_problems
from casty_notebook.topology.traffic import TrafficHistory

__all__ = ["Search"]

log = room_logger(__name__)

LOOK_EVERY = 1.0
SHARE = 20
"""Searching may take one part in so many of the time."""


class Search:
    """due --asked--> looking --found--> resting --some time--> due. Gives the last result until there is another."""

    def __init__(self) -> None:
        self._due = 0.0
        self._looking: asyncio.Future[tuple[tuple[Problem, ...], float]] | None = None
        self._found: tuple[Problem, ...] | None = None
        self._known: Known | None = None
        self._moments: Sequence[Moment] = ()

    def __call__(
        self, moments: Sequence[Moment], events: Iterable[TopologyEvent], now: datetime, age: float | None,
        asks: Callable[[], TrafficHistory], waiting: Sequence[Waiting] = (),
    ) -> tuple[Problem, ...] | None:  # fmt: skip
        """Return what was wrong a moment ago, as `find_problems` does, and look again if that is due. On the loop only."""
        self._take()
        if self._looking is None and time.monotonic() >= self._due:
            known, happened = self._known, tuple(events)
            self._moments = moments
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(None, _look, moments, happened, now, age, known, asks(), waiting)
        return self._found

    def _take(self) -> None:
        looking = self._looking
        if looking is None or not looking.done():
            return
        self._looking = None
        if looking.cancelled() or (error := looking.exception()) is not None:
            log.debug("looking for problems failed: %r", None if looking.cancelled() else error)
            self._due = time.monotonic() + LOOK_EVERY
            return
        self._found, taken = looking.result()
        self._known = Known.of(self._moments, self._found)
        self._due = time.monotonic() + max(LOOK_EVERY, SHARE * taken)


def _look(
    moments: Sequence[Moment], events: Sequence[TopologyEvent], now: datetime, age: float | None, known: Known | None,
    asks: TrafficHistory, waiting: Sequence[Waiting],
) -> tuple[tuple[Problem, ...], float]:
    start = time.thread_time()
    rows = asks.rows(within=ASKS_WITHIN)
    found = find_problems(moments, events, now, snapshot_age=age, known=known, asks=rows, waiting=waiting)
    return found, time.thread_time() - start
