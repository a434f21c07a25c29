"""The one file where views cross threads: scenes are made and sent on the background loop, the cell's thread only hands over.

The past is the exception: its scenes are made on the thread that opens a view.
A trait or message may be sent from any thread, also while a cell runs; what the front end sends is read only between cells.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from casty_notebook.logs import room_logger
from casty_notebook.loops.background import background_loop
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.views.facts import Shown
from casty_notebook.views.live.answers import known_times, past_moment, place_of, report_for
from casty_notebook.views.live.deltas import EventRow, Packet, Story, delta, event_row, full, reach_events
from casty_notebook.views.live.feed import Source
from casty_notebook.views.live.scene import Scene, SceneBuilder

__all__ = ["Bridge"]

log = room_logger(__name__)

INTERVAL = 0.25
"""Shortest time between two updates, and how often the nodes' health is looked at while somebody watches."""

EVENTS_TOLD = 2_000
"""Events that a page is sent when it joins; older ones are only counted."""

BEAT = 2.0
"""Seconds after which visible pages are sent a sign of life, if nothing else was sent."""

LEASE = 45.0
"""A page that has sent nothing in so many seconds of an idle kernel counts as gone. A visible page sends something every 15 s."""

MOST_PAGES = 16


class _Told(NamedTuple):
    """What the front ends know, in one piece: any thread may read it, only the loop replaces it."""

    sequence: int
    scene: Scene
    events: tuple[EventRow, ...]
    untold: int


class Bridge:
    """hidden --visible page--> watching --last page hidden, silent or gone--> hidden; either --stop--> stopped.

    While hidden nothing is made and nothing sent. While watching, at most one update every `INTERVAL`, made of the newest
    moment, and none while nothing changed.

    Parameters
    ----------
    source
        Asked on the loop only. Its past is gone through here, before anything else.
    send
        Sends one message to all front ends; called on the loop, never after `stop` has returned.
    idle_since
        Since when (`time.monotonic`) the kernel reads what pages send; None while a cell keeps it from that.
    """

    def __init__(
        self, source: Source, send: Callable[[dict[str, Any], list[bytes]], None], idle_since: Callable[[], float | None]
    ) -> None:
        self._loop = background_loop()
        self._source = source
        self._send = send
        self._idle_since = idle_since
        self._builder = SceneBuilder()
        self._pages: dict[str, float] = {}
        self._recent: deque[EventRow] = deque(maxlen=EVENTS_TOLD)
        self._untold = 0
        self._reach: dict[str, str] = {}
        self._last_event: TopologyEvent | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = 0.0
        self._said_at = 0.0
        self._sending = threading.RLock()
        self._stopped = False
        self.story: Sequence[Packet] = ()
        """What went before the first scene: sent once to each page, never changed."""
        story = Story()
        for moment in self._loop.run(self._earlier()):  # There may be thousands: on the loop, they would hold up everything.
            story.add(self._builder.build(moment))
        self.story = story.packets
        self._told = self._loop.run(self._start(story.sequence + 1))

    async def _earlier(self) -> Iterable[Shown]:
        return self._source.earlier()

    async def _start(self, sequence: int) -> _Told:
        scene = self._builder.build(self._source.current())
        self._keep(self._new_events())
        self._unsubscribe = self._source.subscribe(self._changed)
        return _Told(sequence, scene, tuple(self._recent), self._untold)

    # --- from any thread ----------------------------------------------------------------------------------------------

    def full_state(self) -> Packet:
        """Return what a late joiner needs: the last scene told, so that the next delta fits."""
        told = self._told
        return full(told.scene, told.sequence, told.events, told.untold)

    @property
    def scene(self) -> Scene:
        """The last scene told."""
        return self._told.scene

    def shown(self) -> Shown:
        """Ask the source; waits for the loop."""

        async def ask() -> Shown:
            return self._source.current()

        return self._loop.run(ask())

    def hear(self, content: object) -> None:
        """Hand a message of a front end over to the loop."""
        if not self._stopped:
            self._loop.soon(self._hear, content)

    def stop(self) -> None:
        """Send nothing any more. Never waits for the loop, since the garbage collector may call this on the loop itself."""
        with self._sending:
            if self._stopped:
                return
            self._stopped = True
        self._loop.soon(self._rest)

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        self._unsubscribe()
        self._pages.clear()
        self._set_timer(None)

    def _hear(self, content: object) -> None:
        """A page says ``{"kind": "look", "page": id, "visible": bool, "full": bool, "times": bool}``, or asks for the past.

        ``{"kind": "past", "page": id, "time": milliseconds}`` is answered with one moment; a page asks for one at a time.
        ``{"kind": "find", "page": id, "target": text}`` is answered with the placement that the target belongs to,
        ``{"kind": "report", "page": id}`` with a page that tells all that is known.
        """
        if self._stopped or not isinstance(content, dict):
            return
        page = str(content.get("page", ""))[:64]
        if content.get("kind") == "look":
            self._look(page, content)
        elif content.get("kind") == "past":
            self._aside(page, past_moment, content.get("time"))
        elif content.get("kind") == "report":
            self._aside(page, report_for, None)
        elif content.get("kind") == "find":
            head, buffers = place_of(self._source, content.get("target"))
            self._emit(Packet({**head, "page": page}, buffers))

    def _aside(self, page: str, answer: Callable[[Source, object], Packet], asked: object) -> None:
        """Answer a page from another thread: to unpack a moment and search it for problems takes too long for the loop."""

        def tell(done: asyncio.Future[Packet]) -> None:
            if done.cancelled() or (error := done.exception()) is not None:
                log.debug("a page got no answer: %r", None if done.cancelled() else error)
            else:
                head, buffers = done.result()
                self._emit(Packet({**head, "page": page}, buffers))

        asyncio.get_running_loop().run_in_executor(None, answer, self._source, asked).add_done_callback(tell)

    def _look(self, page: str, content: dict[str, Any]) -> None:
        """A page looks. It asks for `full` if it missed something, and for `times` if it does not know the earlier moments.

        It is told what is new in any case. The answer says which edition and sequence the page must have seen before it, as all
        is sent in order by one thread: a page that has not seen them knows that it missed something.
        """
        self._pages.pop(page, None)
        if not content.get("visible"):
            return
        while len(self._pages) >= MOST_PAGES:
            del self._pages[next(iter(self._pages))]
        self._pages[page] = time.monotonic()
        self._source.look()
        self._update()
        if content.get("full"):
            self._emit(self.full_state())
        told = self._told
        here = {"kind": "here", "page": page, "edition": told.scene.edition, "sequence": told.sequence}
        if content.get("times"):
            here["times"] = known_times(self._source)
        self._emit(Packet({**here, "age": self._source.current().facts.age}, []))
        if self._timer is None:
            self._set_timer(INTERVAL)

    def _changed(self) -> None:
        if self._pages and time.monotonic() - self._sent_at >= INTERVAL:
            self._update()

    def _tick(self) -> None:
        self._drop_silent_pages()
        self._set_timer(INTERVAL if self._pages else None)
        if self._pages:
            self._source.look()
            self._update()
            self._beat()

    def _beat(self) -> None:
        """Sent by the loop, so also while a cell runs: a page that hears nothing knows that the kernel is gone."""
        if time.monotonic() - self._said_at >= BEAT:
            self._emit(Packet({"kind": "beat", "age": self._source.current().facts.age}, []))

    def _set_timer(self, delay: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay is None else asyncio.get_running_loop().call_later(delay, self._tick)

    def _drop_silent_pages(self) -> None:
        idle_since = self._idle_since()
        if idle_since is None:
            return
        latest = time.monotonic() - LEASE
        if idle_since < latest:
            self._pages = {page: heard for page, heard in self._pages.items() if heard >= latest}

    def _update(self) -> None:
        """Tell what changed since the last scene told, unless that is too soon."""
        if self._stopped or time.monotonic() - self._sent_at < INTERVAL:
            return
        sequence, before, *_ = self._told
        scene = self._builder.build(self._source.current())
        events = [*self._new_events(), *self._own_view(before, scene)]
        same = before.edition == scene.edition
        packet = delta(before, scene, sequence + 1, events) if same else full(scene, sequence + 1, events, self._untold)
        if packet is None:
            return
        if between := known_times(self._source, before.time, scene.time):
            packet.head["between"] = between  # Moments that came and went since the last update: they can be asked for.
        self._keep(events)
        self._told = _Told(sequence + 1, scene, tuple(self._recent), self._untold)
        self._sent_at = time.monotonic()
        self._emit(packet)

    def _new_events(self) -> list[EventRow]:
        new = self._source.events_after(self._last_event)
        if new:
            self._last_event = new[-1]
        rows = [event_row(event) for event in new]
        return [row for row in rows if self._is_news(row)]

    def _keep(self, events: Sequence[EventRow]) -> None:
        self._untold += max(0, len(self._recent) + len(events) - EVENTS_TOLD)
        self._recent.extend(events)

    def _own_view(self, before: Scene, after: Scene) -> list[EventRow]:
        return [row for row in reach_events(before, after) if self._is_news(row)]

    def _is_news(self, row: EventRow) -> bool:
        """Whether an event was not told yet: a lost or returned node may come from the source and from our own look at it."""
        _, kind, subject, *_ = row
        if kind not in (Change.lost, Change.reached_again):
            return True
        known = self._reach.get(subject) == kind
        self._reach[subject] = kind
        return not known

    def _emit(self, packet: Packet) -> None:
        with self._sending:
            if self._stopped:
                return
            self._said_at = time.monotonic()
            try:
                self._send(packet.head, packet.buffers)
            except Exception:
                # The kernel's own sockets end before we do at exit. A view that cannot be told must not end the loop's work.
                log.debug("a live view could not be told", exc_info=True)
