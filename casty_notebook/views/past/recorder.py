"""Follows one backend and remembers what it saw. Lives on the background loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import Backend
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.history import History
from casty_notebook.topology.load_history import LoadHistory
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.reported import Reported
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.views.past.clock import SteadyClock

__all__ = ["Recorder"]

LOOK_EVERY = 0.25
"""Seconds between two looks at the health of our own connections, of whose changes no snapshot tells."""


class Recorder:
    """new --start--> recording --stop--> stopped.

    Attributes
    ----------
    history
        All that is remembered. Changes on the loop only; its `moments` and `latest` may be read from any thread.
    told
        What the nodes reported in those moments, where they were asked. Changes and may be read as `history`.
    seen
        The last snapshot as a moment, as it came; None before the first. What our connections say of the nodes goes on changing.
    clock
        What all this is timed by; may be asked from any thread.
    moment
        A number that grows whenever something new was seen; may be read from any thread.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.clock = SteadyClock()
        self.history = History()
        self.load_history = LoadHistory()
        self.seen: Moment | None = None
        self._reported = Reported()
        self._reports: Mapping[NodeAddress, NodeReport] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.moment = 0
        self._news = asyncio.Event()
        self._listeners: dict[object, tuple[Callable[[list[TopologyEvent]], None], Callable[[], None]]] = {}

    def start(self) -> None:
        if self._backend.topology is not None:
            self._came(self._backend.topology)
        self._unsubscribe = self._backend.on_snapshot(self._came)
        self._look_again()

    def stop(self) -> None:
        """Remember nothing more; what is remembered stays. Listeners are told that it is over, `changed` returns."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()
        for _, ended in tuple(self._listeners.values()):
            ended()
        self._listeners.clear()
        self._tell_of_news()

    def listen(self, listener: Callable[[list[TopologyEvent]], None], ended: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the loop whenever something new was seen, with the events of it, of which there may be none.

        It must be quick, and must not raise. `ended` is called when there will be no more. Returns the way to stop that.
        """
        token = object()
        self._listeners[token] = listener, ended

        def stop() -> None:
            self._listeners.pop(token, None)

        return stop

    async def changed(self, moment: int | None, within: float) -> None:
        """Wait until `moment` is no longer the given number, for `within` seconds at most. With None, wait the whole time."""
        if moment is not None and moment != self.moment:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await (self._news if moment is not None else asyncio.Event()).wait()

    def _tell_of_news(self, events: list[TopologyEvent] | None = None) -> None:
        self.moment += 1
        self._news.set()
        self._news = asyncio.Event()
        for listener, _ in tuple(self._listeners.values()):
            listener(events or [])

    def _came(self, snapshot: TopologySnapshot) -> None:
        seen = Moment(self.clock(), snapshot, self._backend.health)
        events = self.history.note(seen, self._backend.contact)
        latest = self.history.latest
        self.seen = replace(seen, ownerless=None if latest is None else latest.ownerless)
        self._tell_of_news(events)

    def look(self) -> None:
        """Note what our own connections have seen. Done every `LOOK_EVERY`, and by callers who want a history up to now."""
        if self.seen is not None:
            before = self.history.latest
            noted = replace(self.seen, time=self.clock(), health=self._backend.health)
            events = self.history.note(noted) + self._news_of_nodes(self.seen.snapshot)
            if events or self.history.latest is not before:
                self._tell_of_news(events)

    def _news_of_nodes(self, snapshot: TopologySnapshot) -> list[TopologyEvent]:
        """Events out of what nodes have reported to others, such as a table or a map. The recorder itself asks no node."""
        reports = self._backend.last_reports
        if reports is self._reports or not reports:
            return []
        self._reports = reports
        if (latest := self.history.latest) is not None:
            self.load_history.note(latest.time, reports)
        events = self._reported.note(self.clock(), reports, snapshot)
        self.history.tell(events)
        return events

    def waiting(self) -> tuple[Waiting, ...]:
        """Keys whose mailboxes grow or stand by the nodes' own word, where they were asked of late; on the loop."""
        return self._reported.waiting(self.clock())

    def _look_again(self) -> None:
        self.look()
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look_again)
