"""One question to one or many targets, again and again, until it is stopped. Lives on the background loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from casty_notebook.backends.contract import AnyTarget, Backend, label
from casty_notebook.client.fan_out import AskOne
from casty_notebook.client.watched import Point, Series
from casty_notebook.errors import AskFailed, CastyNotebookError, ClientClosed, MisuseError
from casty_notebook.logs import room_logger
from casty_notebook.printable import printable
from casty_notebook.settings import checked_seconds

__all__ = ["Pace", "Watching"]

log = room_logger(__name__)

MOST_TARGETS = 100
MOST_POINTS = 50_000
"""Of all targets together, at 0.5 KB each or less."""
MOST_OFTEN = 200
"""Asks a second of one watch: what is wanted of more is a measurement (`sample`, `ask_many`), not a view."""
FIRST_ANSWERS = 1.0
"""Seconds that `start` waits for the first answers: it can then raise what will never work, and the first picture has values."""
LONGEST_CAUSE = 500

type Reading = tuple[Any, float | None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and for how long.

    Attributes
    ----------
    every
        Seconds from one ask of a target to the next; no second one leaves while the first is open.
    seconds
        Seconds after which it stops by itself; None if it does not.
    keep
        Points kept of each target.
    """

    every: float
    seconds: float | None
    keep: int

    @classmethod
    def of(cls, targets: int, every: float, seconds: float | None, keep: int) -> Pace:
        """Check what a user gave."""
        every = checked_seconds("every", every, most=3600)
        if not 0 < targets <= MOST_TARGETS:
            raise MisuseError(f"a watch has from 1 to {MOST_TARGETS} targets, not {targets:,}; ask_many asks many at once")
        if targets / every > MOST_OFTEN:
            raise MisuseError(
                f"{targets:,} targets every {every:g} s are {targets / every:,.0f} asks a second, and a watch makes at most "
                f"{MOST_OFTEN}; sample() and ask_many() measure"
            )
        if isinstance(keep, bool) or not isinstance(keep, int) or not 1 < keep <= MOST_POINTS:
            raise MisuseError(f"keep must be a whole number from 2 to {MOST_POINTS:,}, not {keep!r}")
        lasting = seconds if seconds is None else checked_seconds("seconds", seconds)
        return cls(every, lasting, min(keep, MOST_POINTS // targets))


class Watching:
    """new --start--> asking --stop | its time is up | the connection closes--> stopped.

    Parameters
    ----------
    ask
        Ask what a route leads to.
    read
        Turns a reply into what is kept of it and drawn. It may raise, since nodes may send anything.

    Attributes
    ----------
    series
        One for each target, in the order given; may be read from any thread.
    ended
        Why it stopped; empty while it has not.
    """

    def __init__(
        self,
        backend: Backend,
        targets: Sequence[AnyTarget],
        ask: AskOne,
        read: Callable[[Any], Reading],
        pace: Pace,
        *,
        force: bool = False,
    ) -> None:
        self._backend = backend
        self._targets = targets
        self._ask = ask
        self._read = read
        self._force = force
        self.pace = pace
        self.series = [Series(label(target), pace.keep) for target in targets]
        self.ended = ""
        self.ended_at: datetime | None = None
        self.listener: Callable[[], None] | None = None
        """Called on the loop after each point, and when it has stopped."""
        self.at_end: Callable[[], object] | None = None
        """Called once, on the loop, when it has stopped: whoever would stop it at the connection's end can forget it."""
        self._tasks: list[asyncio.Task[None]] = []
        self._first: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin; returns with the first answers, or after a second.

        Raises
        ------
        MisuseError
            If it can never work as written. An error of the user's own code is raised as it is.
        """
        loop = asyncio.get_running_loop()
        for target in self._targets:
            self._backend.route(target, force=self._force)
        self._first = [loop.create_future() for _ in self.series]
        self._tasks = [loop.create_task(self._follow(place)) for place in range(len(self.series))]
        if self.pace.seconds is not None:
            self._timer = loop.call_later(self.pace.seconds, self.stop, f"it was to last {self.pace.seconds:g} s")
        try:
            done, _ = await asyncio.wait(self._first, timeout=FIRST_ANSWERS, return_when=asyncio.FIRST_EXCEPTION)
            for first in done:
                first.result()
        except BaseException:
            self.stop("it could not begin")
            raise
        finally:
            for first in self._first:
                first.cancel()

    def stop(self, why: str) -> None:
        """Ask no more; what is open is given up. Idempotent."""
        if self.ended:
            return
        self.ended, self.ended_at = why, datetime.now(UTC)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self.at_end is not None:
            self.at_end()
        self._tell()

    async def _follow(self, place: int) -> None:
        series, target, first = self.series[place], self._targets[place], self._first[place]
        while not self.ended:
            began = monotonic()
            try:
                await self._look(series, target, began)
            except Exception as error:
                if not first.done():
                    first.set_exception(error)
                    return
                series.add(Point(datetime.now(UTC), None, None, monotonic() - began, None, _in_words(error)))
                if isinstance(error, ClientClosed):
                    self.stop("the connection was closed")
            if not first.done():
                first.set_result(None)
            self._tell()
            await asyncio.sleep(max(0.0, began + self.pace.every - monotonic()))

    async def _look(self, series: Series, target: AnyTarget, began: float) -> None:
        """One ask. What the cluster did not answer is a point; what can never be answered is raised."""
        route = self._backend.route(target, force=self._force)
        try:
            reply = await self._ask(route)
        except ClientClosed:
            raise
        except AskFailed as failure:
            series.add(Point(datetime.now(UTC), None, None, monotonic() - began, self._node(route), _in_words(failure)))
            return
        latency = monotonic() - began
        value, number = self._read(reply)
        series.add(Point(datetime.now(UTC), value, number, latency, self._node(route)), reply)

    def _node(self, route: Any) -> str | None:
        return self._backend.node_name(self._backend.spot(route)[0])

    def _tell(self) -> None:
        if self.listener is None:
            return
        try:
            self.listener()
        except Exception:  # a view's fault is its own
            log.exception("a view of a watch failed")


def _in_words(error: Exception) -> str:
    cause = error.report.headline() if isinstance(error, AskFailed) else str(error)
    kind = type(error).__name__
    text = f"{kind}: {cause}" if isinstance(error, CastyNotebookError) else printable(f"{kind}: {cause}")
    return text if len(text) <= LONGEST_CAUSE else text[: LONGEST_CAUSE - 1] + "…"
