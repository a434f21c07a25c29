"""Many asks at once: a row for each target, whatever happened to it, also when Ctrl-C ends them early."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from casty_notebook.backends.contract import AnyTarget, Backend, Route, label
from casty_notebook.errors import CastyNotebookError, Interrupted, MisuseError, ReadOnly
from casty_notebook.logs import room_logger
from casty_notebook.settings import checked_count
from casty_notebook.values.targets import MAX_TARGETS

__all__ = ["Answer", "AskOne", "FanOut"]

log = room_logger(__name__)

_KINDS = 5
"""Kinds of failures that a line has room for; the table has all of them."""

type AskOne = Callable[[Route], Awaitable[Any]]
"""Ask what a route leads to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of a fan-out: a reply or an error, never neither.

    Attributes
    ----------
    latency
        Seconds from asking to the reply or the failure; None if it was not asked any more.
    started
        Seconds from the beginning of the whole to asking.
    """

    target: str
    node: str | None
    shard: int | None
    reply: Any
    latency: float | None
    error: CastyNotebookError | None
    started: float | None = None


class FanOut:
    """waiting --run--> running --all answered | stop--> ended. Lives on the client's loop, but for its counts.

    Parameters
    ----------
    concurrency
        Asks on their way at one time.
    every
        Seconds between the beginnings of two asks; the next one begins on time even if earlier ones are still out, so that
        a slow reply does not hide those that would have been slow after it.

    Attributes
    ----------
    total, done, failed
        How far it is; may be read from any thread.
    """

    def __init__(
        self, backend: Backend, ask: AskOne, targets: Sequence[AnyTarget], *, concurrency: int, every: float = 0.0
    ) -> None:
        concurrency = checked_count("concurrency", concurrency)
        if len(targets) > MAX_TARGETS:
            raise MisuseError(f"{len(targets):,} targets are more than {MAX_TARGETS:,} for one call; ask them in several")
        self._backend = backend
        self._ask = ask
        self._targets = targets
        self._every = every
        self._concurrency = min(concurrency, len(targets))
        self._rows: list[Answer | None] = [None] * len(targets)
        self._asked_at: dict[int, float] = {}
        self._began = 0.0
        self.total = len(targets)
        self.done = 0
        self.failed = 0
        self._task: asyncio.Task[Any] | None = None
        self._complained = False
        self.on_answer: Callable[[int, Answer], None] | None = None

    async def run(self) -> None:
        """Ask them all.

        Raises
        ------
        ReadOnly
            At the first target: it would be the same for all. An error that is not this package's own is raised, too: only
            the user's code can cause one.
        """
        self._task = asyncio.current_task()
        self._began = monotonic()
        places = iter(range(self.total))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(self._work(places))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def stop(self) -> None:
        """Give up what has not arrived; returns when nothing of it is under way any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self, places: Iterator[int]) -> None:
        for place in places:
            row = await self._answer(place)
            self._rows[place] = row
            self.done += 1
            self.failed += row.error is not None
            if self.on_answer is not None:
                self._tell(self.on_answer, place, row)

    def _tell(self, on_answer: Callable[[int, Answer], None], place: int, row: Answer) -> None:
        """Call the listener. If it raises, no answer is lost; that is logged once, since it may raise at every answer."""
        try:
            on_answer(place, row)
        except BaseException as error:
            if not self._complained:
                log.exception("on_answer raised %s; the asks go on", type(error).__name__)
            self._complained = True

    async def _answer(self, place: int) -> Answer:
        target = self._targets[place]
        now = monotonic
        while (early := self._began + place * self._every - now()) > 0:  # noqa: ASYNC110 - uvloop wakes up to half a ms early
            await asyncio.sleep(early)
        began = self._asked_at[place] = now()
        reply: Any = None
        error: CastyNotebookError | None = None
        node: str | None = None
        shard: int | None = None
        try:
            route = self._backend.route(target)
            try:
                reply = await self._ask(route)
            finally:
                address, shard, _ = self._backend.spot(route)
                node = self._backend.node_name(address)
        except ReadOnly:
            raise
        except CastyNotebookError as failure:
            # The traceback would keep its frames alive for as long as the row, and all the other rows with them.
            error = failure.with_traceback(None)
        del self._asked_at[place]
        return Answer(label(target), node, shard, reply, now() - began, error, began - self._began)

    @property
    def rows(self) -> list[Answer]:
        """One row for each target, in the order given; those that were given up say so."""
        return [row if row is not None else self._given_up(place) for place, row in enumerate(self._rows)]

    @property
    def summary(self) -> str:
        """How it ended, in one line: what failed by kind, the most frequent first, with the first of it."""
        failures = [row for row in self._rows if row is not None and row.error is not None]
        kinds = Counter(type(row.error).__name__ for row in failures).most_common(_KINDS)
        said = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
        first = f"; the first is {failures[0].target}" if failures else ""
        return f"{self.done - self.failed:,} of {self.total:,} answered, {self.failed:,} failed ({said}){first}"

    def _given_up(self, place: int) -> Answer:
        if place in self._asked_at:
            error = Interrupted("no reply had come when it was interrupted; it may have been executed")
        else:
            error = Interrupted("it was interrupted before this one was asked")
        return Answer(label(self._targets[place]), None, None, None, None, error)
