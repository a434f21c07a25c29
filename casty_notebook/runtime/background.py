"""The background event loop: one daemon thread per process, started on first use (DESIGN section 2.12)."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from casty_notebook.errors import WrongThread

__all__ = ["BackgroundLoop", "background_loop"]

POLL = 0.2
"""Windows does not interrupt a lock's wait for Ctrl-C, so there it is waited for in slices."""


LOOP = "CASTY_NOTEBOOK_LOOP"
"""Environment variable: ``asyncio`` keeps to asyncio's own loop where uvloop is installed."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's where it is installed (extra ``fast``), else asyncio's own."""
    if os.environ.get(LOOP) != "asyncio":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return loop
    return asyncio.new_event_loop()


class BackgroundLoop:
    """An event loop on a daemon thread of its own, and the way to run coroutines there from any other thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = new_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="casty-notebook-loop", daemon=True)
        self._thread.start()
        started.wait()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(started.set)
        self._loop.run_forever()

    def submit[T](self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run[T](
        self, coroutine: Coroutine[Any, Any, T], *, tick: Callable[[], None] | None = None, every: float = POLL
    ) -> T:
        """Run a coroutine on the loop and wait for it. Ctrl-C cancels it.

        Parameters
        ----------
        tick
            Called on the calling thread every so many seconds while it waits: progress is shown from there.

        Raises
        ------
        WrongThread
            On the loop's own thread, where waiting for the loop can never end.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise WrongThread(
                "a blocking call on casty_notebook's own loop thread (inside a listener?) would wait for itself for ever; "
                "use the awaitable form, for example ask_async, or another thread"
            )
        future = self.submit(coroutine)
        try:
            while True:
                try:
                    return future.result(every if tick is not None or sys.platform == "win32" else None)
                except TimeoutError:
                    if future.done():
                        raise
                if tick is not None:
                    tick()
        except BaseException:
            # The coroutine would otherwise go on after Ctrl-C, as dask's sync() found out.
            future.cancel()
            raise

    def soon(self, function: Any, *args: Any) -> None:
        """Call a plain function on the loop, without waiting."""
        self._loop.call_soon_threadsafe(function, *args)


_lock = threading.Lock()
_background: BackgroundLoop | None = None
_orphans: list[BackgroundLoop] = []
"""Loops of a parent process, whose threads a fork does not take along: held, since uvloop complains of a loop that goes while
it runs."""


def background_loop() -> BackgroundLoop:
    """The process's loop; a forked child gets one of its own, since threads do not survive a fork."""
    global _background
    with _lock:
        if _background is None or _background.pid != os.getpid():
            if _background is not None:
                _orphans.append(_background)
            _background = BackgroundLoop()
        return _background
