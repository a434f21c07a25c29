"""Where a live view gets what it shows: a connection, or anything else that has moments (a recording, a test)."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import Location
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.history import Record
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.problems import Problem, find_problems
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.views.live.glances import Glances
from casty_notebook.views.live.search import Search
from casty_notebook.views.reprs.cards import CardFacts

if TYPE_CHECKING:
    from casty_notebook.views.live.followed import Followed

__all__ = ["Facts", "LiveSource", "Moment", "Source", "card_of", "moment_at", "moments", "times_after"]

MOST_EARLIER = 200
"""Moments that a view of an open connection begins with. What is older is in `Cluster.record`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the snapshot and our own view of the nodes.

    Attributes
    ----------
    time
        When all this is or was true.
    age
        Seconds since a node last sent a snapshot, changed or not; None before the first and for a recording.
    closed
        The connection was closed: nothing will change any more.
    recorded
        This is no connection at all.
    shard_counts
        Shards of each type, where somebody told us.
    ownerless
        By type, how many shards had an owner once and have none now.
    problems
        What is wrong; None where nobody has looked.
    reports, activity_hint
        What the nodes say that they are at, and how to get that where they do not; nothing of a moment before.
    colour, read_only
        How the connection was marked; not said again of a moment before.
    """

    name: str
    uri: str
    system: str
    time: datetime.datetime
    age: float | None = None
    closed: bool = False
    recorded: bool = False
    shard_counts: Mapping[str, int] = field(default_factory=dict)
    ownerless: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[Problem] | None = None
    reports: Mapping[NodeAddress, NodeReport] = field(default_factory=dict)
    activity_hint: str = ""
    colour: str | None = None
    read_only: bool = False


class Moment(NamedTuple):
    """All that a view shows, at one time."""

    snapshot: TopologySnapshot | None
    health: Mapping[NodeAddress, NodeHealth]
    facts: Facts


class Source(Protocol):
    """What a live view follows. Called on the background loop, where nothing may block; the past and `report` from any thread."""

    def current(self) -> Moment:
        """Return what is true now. Called up to four times a second while somebody looks."""
        ...

    def look(self) -> None:
        """Somebody looks, now and four times a second as long as that is so: ask what nobody says unasked."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the loop when `current` has something new to tell; returns the way to stop that."""
        ...

    def events_after(self, last: TopologyEvent | None) -> list[TopologyEvent]:
        """List the events that came after `last` (None: all that are kept), oldest first."""
        ...

    def earlier(self) -> Iterable[Moment]:
        """Give the moments before the current one, oldest first, for the slider of a view that is opened now.

        They are gone through in the thread that opens the view, so what that needs is taken here.
        """
        ...

    def times(self, after: datetime.datetime | None = None) -> Sequence[datetime.datetime]:
        """List when each moment was that can be gone back to, oldest first; up to some thousands. Only those after a time."""
        ...

    def at(self, time: datetime.datetime) -> Moment | None:
        """Return what was true at a time; None if that is no longer known."""
        ...

    def where(self, target: str) -> Location:
        """Say where a target lives, as known now; an error of ours says why that cannot be said."""
        ...

    def report(self) -> str:
        """Return all that is known as one HTML page; an error of ours says why that cannot be done. May take seconds."""
        ...


class LiveSource:
    """An open connection as a source."""

    def __init__(self, cluster: Followed) -> None:
        self._cluster = cluster
        self._search = Search()
        self._glances = Glances(cluster.backend)

    def current(self) -> Moment:
        cluster, backend = self._cluster, self._cluster.backend
        closed = cluster.closed
        facts = Facts(
            cluster.name, cluster.uri, cluster.system_name, cluster.clock,
            age=None if closed else backend.snapshot_age, closed=closed, shard_counts=backend.shard_counts,
            colour=cluster.colour, read_only=cluster.read_only,
        )  # fmt: skip
        if not closed:
            facts = replace(facts, reports=backend.last_reports, activity_hint=self._glances.hint(backend.kind))
        latest = cluster.latest_record
        if latest is None:
            return Moment(backend.topology, {} if closed else backend.health, facts)
        past = cluster.recent_records, cluster.recent_events
        wrong = () if closed else self._search(*past, cluster.clock, facts.age, lambda: backend.traffic, cluster.recent_waiting)
        facts = replace(
            facts, ownerless=latest.ownerless or {}, time=facts.time if closed else latest.time, problems=wrong
        )  # fmt: skip
        return Moment(backend.topology, {} if closed else _as_noted(latest.health, backend.health), facts)

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

    def earlier(self) -> Iterable[Moment]:
        cluster = self._cluster
        return moments(cluster.recent_records[-1 - MOST_EARLIER : -1], self._label, recorded=False)

    def times(self, after: datetime.datetime | None = None) -> Sequence[datetime.datetime]:
        return times_after(self._cluster.recent_records, after)

    def at(self, time: datetime.datetime) -> Moment | None:
        cluster = self._cluster
        return moment_at(time, cluster.recent_records, cluster.recent_events, cluster.clock, self._label, recorded=False)

    def where(self, target: str) -> Location:
        return self._cluster.backend.where(target)

    def report(self) -> str:
        return self._cluster.report_page()

    @property
    def _label(self) -> Label:
        cluster = self._cluster
        return Label(cluster.name, cluster.system_name, cluster.uri, cluster.backend.shard_counts)


def _as_noted(noted: Mapping[NodeAddress, NodeHealth], now: Mapping[NodeAddress, NodeHealth]) -> dict[NodeAddress, NodeHealth]:
    """What the history knows of the nodes, with the round trips of now: what a view shows is a moment that it can go back to."""
    return {
        address: view
        if (view := now.get(address)) is not None and (view.state, view.reason) == (then.state, then.reason)
        else then
        for address, then in noted.items()
    }


def card_of(moment: Moment) -> CardFacts:
    """Return the facts of the card that a moment would show."""
    snapshot, health, facts = moment
    return CardFacts.gather(
        name=facts.name, uri=facts.uri, system=facts.system, closed=facts.closed, snapshot=snapshot, health=health,
        shard_counts=facts.shard_counts, snapshot_age=facts.age, ownerless=facts.ownerless,
        recorded=facts.recorded, colour=facts.colour, read_only=facts.read_only,
    )  # fmt: skip


def times_after(records: Sequence[Record], after: datetime.datetime | None) -> list[datetime.datetime]:
    """When the records were that came after a time; all of them without one."""
    first = 0 if after is None else bisect_right(records, after, key=lambda record: record.time)
    return [record.time for record in records[first:]]


def moment_at(
    time: datetime.datetime, records: Sequence[Record], events: Iterable[TopologyEvent], now: datetime.datetime, label: Label,
    *, recorded: bool = True,
) -> Moment | None:  # fmt: skip
    """Unpack what was true at a time, with what was wrong by the end of that moment; None if it is before all records."""
    place = bisect_right(records, time, key=lambda record: record.time)
    if not place:
        return None
    end = records[place].time if place < len(records) else now
    moment = next(moments(records[place - 1 : place], label, recorded=recorded))
    wrong = find_problems(records[:place], [event for event in events if event.time < end], end)
    return moment._replace(facts=replace(moment.facts, problems=wrong))


def moments(records: Sequence[Record], label: Label, *, recorded: bool = True) -> Iterator[Moment]:
    """Give the records one after another; what did not change between two is the same object."""
    for record in records:
        facts = Facts(label.name, label.uri, label.system, record.time, recorded=recorded, shard_counts=label.shard_counts)
        facts = replace(facts, ownerless=record.ownerless or {})
        yield Moment(record.snapshot, record.health, facts)
