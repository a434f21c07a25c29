"""What is remembered as a source for the live view, which then has its whole past to go through."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.history import History
from casty_notebook.topology.recording_format import Label
from casty_notebook.views.live.feed import Moment, moments, times_after

__all__ = ["RecordedSource"]

MOST_EARLIER = 500
"""Moments that a view of a recording begins with; it asks for the others when somebody goes to them."""


class RecordedSource:
    """A history of which nothing is going on."""

    def __init__(self, history: History, label: Label) -> None:
        self._records = history.records
        self._events = tuple(history.events)
        self._label = label

    def current(self) -> Moment:
        return list(moments(self._records[-1:], self._label))[-1]

    def earlier(self) -> Iterable[Moment]:
        return moments(self._records[-1 - MOST_EARLIER : -1], self._label)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002  nothing will ever change
        return lambda: None

    def times(self, after: datetime.datetime | None = None) -> Sequence[datetime.datetime]:
        return times_after(self._records, after)

    def at(self, time: datetime.datetime) -> Moment | None:
        place = bisect_right(self._records, time, key=lambda record: record.time)
        return next(moments([self._records[place - 1]], self._label)) if place else None

    def events_after(self, last: TopologyEvent | None) -> list[TopologyEvent]:
        return list(self._events) if last is None else []
