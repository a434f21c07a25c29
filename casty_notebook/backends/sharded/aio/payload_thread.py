"""Long payloads are read beside the loop: in a thread of the client's own, one after the other.

The interpreter takes turns between threads every few milliseconds, so the loop stands still for no longer than that, as
long as no single call into C takes longer. What is read there is bounded like everything else (see `values.limits.work`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from casty_notebook.logs import room_logger

__all__ = ["PayloadThread"]

log = room_logger(__name__)

type _Job = tuple[Callable[[], Any], Callable[[Any], None]]


class PayloadThread:
    """idle --first job--> working --close--> closed. Its methods are called on the loop.

    The thread is a daemon, so that a process can end without waiting for a payload that nobody will look at.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Run `job` on the thread, then `done` on the loop with what it returned or raised."""
        if self._closed:
            return
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="casty-notebook-payloads", daemon=True)
            thread.start()  # raises where no thread is to be had; the next payload tries again
            self._thread = thread
        self._jobs.put((job, done))

    def close(self) -> None:
        """Do nothing more. What is being read is forgotten."""
        self._closed = True
        self._jobs.put(None)

    def _run(self) -> None:
        while (entry := self._jobs.get()) is not None and not self._closed:
            job, done = entry
            try:
                result = job()
            except Exception as error:
                result = error
            with suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._finish, done, result)
            # What was read is not to be kept until the next job comes.
            del entry, job, done, result

    def _finish(self, done: Callable[[Any], None], result: Any) -> None:
        if not self._closed:
            done(result)
