"""A recorded history as a source for the live view, which shows its last moment and can go back through all of it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence

from casty_notebook.backends.contract import Location
from casty_notebook.errors import MisuseError
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.history import History
from casty_notebook.topology.recording_format import Label
from casty_notebook.views.facts import Shown
from casty_notebook.views.live.feed import moment_at, moments, times_after

__all__ = ["RecordedSource"]

MOST_EARLIER = 500
"""Moments that a view of a recording begins with; it asks for the others when somebody goes to them."""


class RecordedSource:
    """A history to which nothing is added any more."""

    def __init__(self, history: History, label: Label, report: Callable[[], str]) -> None:
        self._moments = history.moments
        self._events = tuple(history.events)
        self._label = label
        self.report = report

    def current(self) -> Shown:
        shown = self.at(self._moments[-1].time)
        return shown if shown is not None else next(moments(self._moments[-1:], self._label))

    def earlier(self) -> Iterable[Shown]:
        return moments(self._moments[-1 - MOST_EARLIER : -1], self._label)

    def look(self) -> None:
        """Nobody is there to be asked."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002  nothing will ever change
        return lambda: None

    def times(self, after: datetime.datetime | None = None) -> Sequence[datetime.datetime]:
        return times_after(self._moments, after)

    def at(self, time: datetime.datetime) -> Shown | None:
        return moment_at(time, self._moments, self._events, self._moments[-1].time, self._label)

    def where(self, target: str) -> Location:
        raise MisuseError(f"a recording cannot say where {target} is: only a connection knows how entities are placed")

    def events_after(self, last: TopologyEvent | None) -> list[TopologyEvent]:
        return list(self._events) if last is None else []
