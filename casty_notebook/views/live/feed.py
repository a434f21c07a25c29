"""Where a live view gets what it shows: a connection, or anything else that has moments (a recording, a test)."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.advice import Words, advice_in, words_here
from casty_notebook.backends.contract import Location
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import Problem, find_problems, in_words
from casty_notebook.topology.recording_format import Label
from casty_notebook.views.facts import Facts, Shown
from casty_notebook.views.live.glances import Glances
from casty_notebook.views.live.search import Search
from casty_notebook.views.reprs.cards import CardFacts

if TYPE_CHECKING:
    from casty_notebook.views.live.followed import Followed

__all__ = ["FORGOTTEN", "LiveSource", "Source", "card_of", "moment_at", "moments", "times_after"]

MOST_EARLIER = 200
"""Moments that a view of an open connection begins with. What is older is in `Cluster.record`."""


FORGOTTEN = "which keys were active then is not known: nobody asked the nodes in that moment, or it is too long ago"


class Source(Protocol):
    """What a live view follows. Called on the background loop, where nothing may block; the past and `report` from any thread."""

    def current(self) -> Shown:
        """Return what is true now. Called up to four times a second while somebody looks."""
        ...

    def look(self) -> None:
        """Called four times a second while somebody looks: ask the nodes what they only say when they are asked."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the loop when `current` has something new to tell; returns the way to stop that."""
        ...

    def events_after(self, last: TopologyEvent | None) -> list[TopologyEvent]:
        """List the events that came after `last` (None: all that are kept), oldest first."""
        ...

    def earlier(self) -> Iterable[Shown]:
        """Give the moments before the current one, oldest first, for the slider of a view that is opened now.

        The caller iterates over them on another thread: whatever needs the loop has to be taken before this returns.
        """
        ...

    def times(self, after: datetime.datetime | None = None) -> Sequence[datetime.datetime]:
        """List when each moment was that can be gone back to, oldest first; up to some thousands. Only those after a time."""
        ...

    def at(self, time: datetime.datetime) -> Shown | None:
        """Return what was true at a time; None if that is no longer known."""
        ...

    def where(self, target: str) -> Location:
        """Say where a target lives, as known now; an error of ours says why that cannot be said."""
        ...

    def report(self) -> str:
        """Return all that is known as one HTML page; an error of ours says why that cannot be done. May take seconds."""
        ...


class LiveSource:
    """An open connection as a source. Its advice is worded for where it is made (magics, plain calls), since it is read there."""

    def __init__(self, cluster: Followed) -> None:
        self._words = words_here()
        self._told: tuple[Sequence[Problem] | None, Sequence[Problem] | None] = (None, None)
        self._cluster = cluster
        self._search = Search()
        self._glances = Glances(cluster.backend)

    def current(self) -> Shown:
        cluster, backend = self._cluster, self._cluster.backend
        closed = cluster.closed
        facts = Facts(
            self._label, cluster.clock, age=None if closed else backend.snapshot_age, closed=closed, colour=cluster.colour,
            read_only=cluster.read_only,
        )  # fmt: skip
        if not closed:
            hint = advice_in(self._words, self._glances.hint(backend.kind))
            facts = replace(facts, reports=backend.last_reports, activity_hint=hint)
        latest = cluster.latest_moment
        if latest is None:
            return Shown(None, facts)
        past = cluster.recent_moments, cluster.recent_events
        wrong = () if closed else self._search(*past, cluster.clock, facts.age, lambda: backend.traffic, cluster.recent_waiting)
        facts = replace(facts, time=facts.time if closed else latest.time, problems=self._said(wrong))
        # The backend's last snapshot equals the one in the history in all that is shown. Only its epoch may be a newer one.
        health = {} if closed else _as_noted(latest.health, backend.health)
        return Shown(replace(latest, snapshot=backend.topology or latest.snapshot, health=health), facts)

    def _said(self, wrong: Sequence[Problem] | None) -> Sequence[Problem] | None:
        """What was found, in words. The same object until something else is found."""
        if wrong is not self._told[0]:
            self._told = wrong, None if wrong is None else in_words(wrong, self._words)
        return self._told[1]

    def look(self) -> None:
        if not self._cluster.closed:
            self._glances.look()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._cluster.backend.on_snapshot(lambda _snapshot: callback())

    def events_after(self, last: TopologyEvent | None) -> list[TopologyEvent]:
        newer: list[TopologyEvent] = []
        for event in reversed(self._cluster.recent_events):
            if event is last:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def earlier(self) -> Iterable[Shown]:
        cluster = self._cluster
        return map(self._told_then, moments(cluster.recent_moments[-1 - MOST_EARLIER : -1], self._label, recorded=False))

    def times(self, after: datetime.datetime | None = None) -> Sequence[datetime.datetime]:
        return times_after(self._cluster.recent_moments, after)

    def at(self, time: datetime.datetime) -> Shown | None:
        cluster = self._cluster
        then = moment_at(
            time, cluster.recent_moments, cluster.recent_events, cluster.clock, self._label, recorded=False, words=self._words
        )
        return None if then is None else self._told_then(then)

    def _told_then(self, then: Shown) -> Shown:
        """Add to a moment what the nodes reported then. If they report now and did not then, a hint says so."""
        cluster = self._cluster
        reports = {} if then.moment is None else cluster.told_in(then.moment)
        if reports:
            return then._replace(facts=replace(then.facts, reports=reports))
        if not cluster.backend.last_reports:
            return then
        return then._replace(facts=replace(then.facts, activity_hint=FORGOTTEN))

    def where(self, target: str) -> Location:
        return self._cluster.backend.where(target)

    def report(self) -> str:
        return self._cluster.report_page()

    @property
    def _label(self) -> Label:
        cluster = self._cluster
        return Label(cluster.name, cluster.system_name, cluster.uri, cluster.backend.shard_counts)


def _as_noted(noted: Mapping[NodeAddress, NodeHealth], now: Mapping[NodeAddress, NodeHealth]) -> dict[NodeAddress, NodeHealth]:
    """The health that the history has noted, with the round trips of now where nothing else has changed.

    So a view shows no state of a node that it could not go back to.
    """
    return {
        address: view
        if (view := now.get(address)) is not None and (view.state, view.reason) == (then.state, then.reason)
        else then
        for address, then in noted.items()
    }


def card_of(shown: Shown) -> CardFacts:
    """Return the facts of the card that a view would show."""
    return CardFacts.gather(*shown)


def times_after(past: Sequence[Moment], after: datetime.datetime | None) -> list[datetime.datetime]:
    """When the moments were that came after a time; all of them without one."""
    first = 0 if after is None else bisect_right(past, after, key=lambda each: each.time)
    return [each.time for each in past[first:]]


def moment_at(
    time: datetime.datetime, past: Sequence[Moment], events: Iterable[TopologyEvent], now: datetime.datetime, label: Label,
    *, recorded: bool = True, words: Words = MappingProxyType({}),
) -> Shown | None:  # fmt: skip
    """Unpack what was true at a time, with what was wrong by the end of that moment; None if it is before all of them."""
    place = bisect_right(past, time, key=lambda each: each.time)
    if not place:
        return None
    end = past[place].time if place < len(past) else now
    shown = next(moments(past[place - 1 : place], label, recorded=recorded))
    wrong = in_words(find_problems(past[:place], [event for event in events if event.time < end], end), words)
    return shown._replace(facts=replace(shown.facts, problems=wrong))


def moments(past: Sequence[Moment], label: Label, *, recorded: bool = True) -> Iterator[Shown]:
    """Give the moments one after another; what did not change between two is the same object."""
    for each in past:
        yield Shown(each, Facts(label, each.time, recorded=recorded))
