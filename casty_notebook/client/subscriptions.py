"""`Subscription`: a user's function that is called with what happens, on a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Self

from casty_notebook.logs import room_logger
from casty_notebook.printable import printable

__all__ = ["Subscription"]

log = room_logger(__name__)

LIMIT = 1_000
"""Calls that may wait for a slow function. Beyond it the oldest is dropped and counted: a queue without end would only hide
that the function does not keep up, and would tell it of times long past."""


class Subscription:
    """waiting --offer--> calling --returned | raised--> waiting; --stop--> stopped.

    The function may take its time, ask, and wait: neither the background loop nor another subscription notices. What it raises
    is logged once, and the calls go on. A context manager, which stops it.

    Parameters
    ----------
    function
        Called with one thing at a time, in order.
    name
        What the log calls it.
    """

    def __init__(self, function: Callable[[Any], object], name: str) -> None:
        self._function = function
        self._name = name
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._on_stop: Callable[[], object] = _nothing
        self.stopped = False
        self.called = 0
        """How often the function was called."""
        self.failed = 0
        """How often it raised."""
        self.dropped = 0
        """How many calls were left out because the function was too slow (see `LIMIT`)."""

    def offer(self, happened: Iterable[Any]) -> None:
        """Take what the function is to be called with. From any thread; never waits for the function."""
        with self._changed:
            if self.stopped:
                return
            for each in happened:
                if len(self._waiting) >= LIMIT:
                    self._waiting.popleft()
                    self.dropped += 1
                    if self.dropped == 1:
                        log.warning("%s is slower than what it is called with; the oldest is dropped", self._name)
                self._waiting.append(each)
            if self._thread is None and self._waiting:
                self._thread = threading.Thread(target=self._run, name=f"casty-notebook {self._name}", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stopped_by(self, on_stop: Callable[[], object]) -> Self:
        """Call `on_stop` when it is stopped, which is to end whatever calls `offer`."""
        self._on_stop = on_stop
        return self

    def stop(self) -> None:
        """Call the function no more. Does not wait for a call that is running, which may itself have called this. Idempotent."""
        with self._changed:
            if self.stopped:
                return
            self.stopped = True
            self._waiting.clear()
            self._changed.notify()
        self._on_stop()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self.stopped:
                    self._changed.wait()
                if self.stopped:
                    return
                happened = self._waiting.popleft()
            self._call(happened)

    def _call(self, happened: Any) -> None:
        self.called += 1
        try:
            self._function(happened)
        except BaseException as error:  # its thread is ours: there is nobody whom SystemExit could end
            self.failed += 1
            if self.failed == 1:
                kind = type(error).__name__
                log.exception("%s raised %s; it is called again, and is not logged again", self._name, kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self.stopped else "waiting"
        counts = f"called {self.called:,} times"
        counts += f", raised {self.failed:,} times" if self.failed else ""
        counts += f", {self.dropped:,} dropped" if self.dropped else ""
        return printable(f"<Subscription of {self._name}: {state}, {counts}>")


def _nothing() -> None:
    """Stand in for `on_stop` where none is given."""
