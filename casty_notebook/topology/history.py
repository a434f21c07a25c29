"""What the topology was: a bounded ring of moments, and what happened between them. Time is given, never read."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from sys import getsizeof

from casty_notebook.address import NodeAddress
from casty_notebook.topology.events import TopologyEvent, diff, reach_changes
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.owned_once import OwnedOnce
from casty_notebook.topology.sharing import share
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["History"]

MAX_MOMENTS = 5_000
MAX_BYTES = 32 * 1024 * 1024
"""Room for the last 800 moments or more of a cluster of 4 types × 10,000 shards that changes all the time."""
MAX_EVENTS = 10_000
MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Room for 10,000 events whose texts are as long as names may be; ordinary ones take a sixth of it."""


class History:
    """empty --note--> following --note--> following. Forgets the oldest beyond its bounds, but never the newest.

    A moment that shows nothing new is not kept. Events are kept longer than the snapshots that they were found in.
    """

    def __init__(
        self, *, max_moments: int = MAX_MOMENTS, max_bytes: int = MAX_BYTES, max_events: int = MAX_EVENTS,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:  # fmt: skip
        self._max_moments, self._max_bytes = max_moments, max_bytes
        self._max_event_bytes = max_event_bytes
        self._moments: deque[Moment] = deque()
        self._sizes: deque[int] = deque()
        self._last: TopologySnapshot | None = None
        self._owned_once = OwnedOnce()
        self._settled: dict[NodeAddress, NodeHealth] = {}
        """Our last certain view of each node: while a node is dialled again, whether it is reached is not known."""
        self.events: deque[TopologyEvent] = deque()
        self._max_events = max_events
        self._events_size = 0
        self.size = 0
        """About how many bytes the moments take."""
        self.forgotten = 0
        """How many moments were dropped because of the bounds."""

    @classmethod
    def restored(cls, moments: Iterable[Moment], events: Iterable[TopologyEvent]) -> History:
        """Return a history of moments and events that were kept elsewhere, oldest first, all of them."""
        history = cls(max_moments=10**9, max_bytes=10**12, max_events=10**9, max_event_bytes=10**12)
        for moment in moments:
            latest = history.latest
            history._append(replace(moment, snapshot=share(moment.snapshot, latest.snapshot if latest is not None else None)))
        history._keep(events)
        return history

    def note(self, moment: Moment, teller: NodeAddress | None = None) -> list[TopologyEvent]:
        """Remember a moment. Returns what happened since the last one. `teller` is the node whose word the snapshot is.

        A clock that went backwards is not believed: moments stay in order.
        """
        before, snapshot = self.latest, moment.snapshot
        time = moment.time if before is None else max(before.time, moment.time)
        seen = {node: view if view.retry_in is None else replace(view, retry_in=None) for node, view in moment.health.items()}
        old = before.snapshot if before is not None else None
        kept = old if old is not None and snapshot is self._last else share(snapshot, old)
        events = diff(old, kept, time, teller)
        if before is not None:
            events += reach_changes(self._settled or before.health, seen, snapshot.members, time)
        self._settled = {node: self._settled.get(node, view) if view.reachable is None else view for node, view in seen.items()}
        self._last = snapshot
        self._keep(events)
        noted = Moment(time, kept, seen)
        if before is None or not noted.shows_the_same(before):
            self._append(noted)
        return events

    def tell(self, events: Iterable[TopologyEvent]) -> None:
        """Remember events that are no difference between two moments."""
        self._keep(events)

    def _keep(self, events: Iterable[TopologyEvent]) -> None:
        for event in events:
            self.events.append(event)
            self._events_size += _event_size(event)
        while len(self.events) > self._max_events or (self._events_size > self._max_event_bytes and len(self.events) > 1):
            self._events_size -= _event_size(self.events.popleft())

    def _append(self, moment: Moment) -> None:
        ownerless = self._owned_once.note(moment.snapshot.columns)
        if moment.ownerless is None:  # a moment out of a recording has it already, and knows of times before this history
            moment = replace(moment, ownerless=ownerless)
        size = moment.size(self.latest)
        self._moments.append(moment)
        self._sizes.append(size)
        self.size += size
        while len(self._moments) > 1 and (len(self._moments) > self._max_moments or self.size > self._max_bytes):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop the oldest moment. The next one may share parts that only the oldest was charged for, so it is charged in full."""
        self._moments.popleft()
        self.size -= self._sizes.popleft()
        self.forgotten += 1
        whole = self._moments[0].size(None)
        self.size += whole - self._sizes[0]
        self._sizes[0] = whole

    # --- looking back -------------------------------------------------------------------------------------------------

    @property
    def latest(self) -> Moment | None:
        """The newest moment."""
        return self._moments[-1] if self._moments else None

    @property
    def moments(self) -> Sequence[Moment]:
        """All moments, oldest first; a copy."""
        return tuple(self._moments)

    def at(self, time: datetime) -> Moment | None:
        """Return what was true at that time: the last one not after it. None if that is no longer, or not yet, known."""
        moments = self.moments
        place = bisect_right(moments, time, key=lambda moment: moment.time)
        return moments[place - 1] if place else None

    def diff(self, first: datetime, second: datetime) -> list[TopologyEvent]:
        """List what changed from one time to another, as if nothing had been between; backwards too.

        Nothing is said about a time before the first moment: it counts as that one.
        """
        if not self._moments:
            return []
        start, end = (self.at(time) or self._moments[0] for time in (first, second))
        if start is end:
            return []
        after = end.snapshot
        return diff(start.snapshot, after, end.time) + reach_changes(start.health, end.health, after.members, end.time)

    def until(self, time: datetime) -> History:
        """Return the history as it was at that time."""
        return History.restored(
            (moment for moment in self.moments if moment.time <= time),
            (event for event in tuple(self.events) if event.time <= time),
        )


def _event_size(event: TopologyEvent) -> int:
    return 200 + sum(map(getsizeof, (event.subject, event.before, event.after, event.says)))
