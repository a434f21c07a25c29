"""Where a watch crosses threads: its points are sent to pages on the background loop, and what pages say is handed over to it."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Sequence
from typing import Any

from casty_notebook.client.watched import Point, Series
from casty_notebook.client.watching import Watching
from casty_notebook.logs import room_logger
from casty_notebook.loops.background import background_loop
from casty_notebook.printable import printable
from casty_notebook.views.watch.shown import spoken

__all__ = ["WatchBridge"]

log = room_logger(__name__)

INTERVAL = 0.25
"""Shortest time between two messages to the pages."""
MOST_DRAWN = 300
"""Points of a target that a page is given and keeps."""
LEASE = 600.0
"""A page that has sent nothing in so many seconds of an idle kernel counts as gone. Pages send something every 15 s, hidden ones
every minute."""
ABANDONED = 60.0
"""Seconds without a page after which a watch that had one stops: its output was deleted, or its notebook closed for good."""
MOST_PAGES = 16


class WatchBridge:
    """unseen --a page looks--> seen --all pages gone for long--> the watch is stopped.

    Only visible pages are sent points; one that becomes visible is sent all. A watch that no page ever showed (in a terminal, in
    a script) goes on without one.

    Parameters
    ----------
    send
        Sends one message to all pages; called on the loop.
    idle_since
        Since when (`time.monotonic`) the kernel reads what pages send; None while a cell keeps it from that.
    """

    def __init__(
        self, watching: Watching, send: Callable[[dict[str, Any]], None], idle_since: Callable[[], float | None], title: str
    ) -> None:
        self._loop = background_loop()
        self._watching = watching
        self._send = send
        self._idle_since = idle_since
        self._title = title
        self._pages: dict[str, tuple[float, bool]] = {}
        self._alone_since: float | None = None
        self._told = [0] * len(watching.series)
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = 0.0
        self._closed = False
        watching.listener = self._changed

    # --- from any thread ------------------------------------------------------------------------------------------

    def full_state(self) -> dict[str, Any]:
        """All that a page that joins late needs."""
        return self._packet("full", [0] * len(self._told))

    def hear(self, content: object) -> None:
        """Hand a message of a page over to the loop."""
        if not self._closed:
            self._loop.soon(self._hear, content)

    def close(self) -> None:
        """Tell nobody any more."""
        self._closed = True

    # --- on the loop ----------------------------------------------------------------------------------------------

    def _hear(self, content: object) -> None:
        """``{"kind": "look", "page": id, "visible": bool, "full": bool}``, ``{"kind": "gone"}`` and ``{"kind": "stop"}``."""
        if not isinstance(content, dict):
            return
        kind, page = content.get("kind"), str(content.get("page", ""))[:64]
        if kind == "stop":
            self._watching.stop("it was stopped in the notebook")
        elif kind == "gone":
            self._pages.pop(page, None)
        elif kind == "look":
            self._pages.pop(page, None)
            while len(self._pages) >= MOST_PAGES:
                del self._pages[next(iter(self._pages))]
            self._pages[page] = time.monotonic(), bool(content.get("visible"))
            self._alone_since = None
            if content.get("full"):
                self._update(full=True)
            self._emit({"kind": "here", "page": page})
        if not self._pages and self._alone_since is None and kind == "gone":
            self._alone_since = time.monotonic()

    def _changed(self) -> None:
        self._look_who_is_there()
        if not any(visible for _, visible in self._pages.values()):
            return
        wait = self._sent_at + INTERVAL - time.monotonic()
        if wait <= 0 or self._watching.ended:
            self._update()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._update)

    def _look_who_is_there(self) -> None:
        idle_since, now = self._idle_since(), time.monotonic()
        if idle_since is None or self._watching.ended:
            return
        if self._pages and idle_since < now - LEASE:
            self._pages = {page: seen for page, seen in self._pages.items() if seen[0] >= now - LEASE}
            self._alone_since = None if self._pages else now
        if self._alone_since is not None and now - max(self._alone_since, idle_since) > ABANDONED:
            self._watching.stop("no page shows it any more")

    def _update(self, *, full: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sent_at = time.monotonic()
        packet = self.full_state() if full else self._packet("points", self._told)
        self._told = [row["asked"] for row in packet["rows"]]
        self._emit(packet)

    def _packet(self, kind: str, told: Sequence[int]) -> dict[str, Any]:
        watching = self._watching
        ended = None if watching.ended_at is None else _milliseconds(watching.ended_at)
        rows = [_row(series, after) for series, after in zip(watching.series, told, strict=True)]
        packet = {"kind": kind, "rows": rows, "ended": watching.ended, "endedAt": ended}
        return {**packet, "title": self._title, "every": watching.pace.every} if kind == "full" else packet

    def _emit(self, packet: dict[str, Any]) -> None:
        if self._closed:
            return
        try:
            self._send(packet)
        except Exception:
            # The kernel's own sockets end before we do at exit. A view that cannot be told must not end the loop's work.
            log.debug("a watch's view could not be told", exc_info=True)


def _milliseconds(time: datetime.datetime) -> int:
    return round(time.timestamp() * 1000)


def _row(series: Series, after: int) -> dict[str, Any]:
    answered = series.answered
    points = series.since(after)[-MOST_DRAWN:]
    return {
        "target": printable(series.target),
        "asked": series.asked,
        "failed": series.failed,
        "value": None if answered is None else spoken(answered.value),
        "before": None if series.changed_at is None else spoken(series.before),
        "changedAt": None if series.changed_at is None else _milliseconds(series.changed_at),
        "points": [_point(point) for point in points],
    }


def _point(point: Point) -> list[Any]:
    """Time, number, milliseconds, node, text of a value that is no number, and why there is none."""
    text = None if point.error is not None or point.number is not None else spoken(point.value)
    error = None if point.error is None else printable(point.error)
    node = None if point.node is None else printable(point.node)
    return [_milliseconds(point.time), point.number, float(f"{point.latency * 1000:.3g}"), node, text, error]
