"""The background event loop: one daemon thread per process, started on first use (DESIGN section 2.12)."""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from casty_notebook.errors import CastyNotebookError, ClientClosed, FailureReport, WrongProcess, WrongThread
from casty_notebook.logs import room_logger
from casty_notebook.loops.process_bound import ProcessBound

__all__ = ["BackgroundLoop", "background_loop"]

log = room_logger(__name__)

POLL = 0.2
"""A blocking call waits for its result so many seconds at a time, and Python raises a Ctrl-C between two waits. Windows never
interrupts a wait; elsewhere it is not interrupted if Ctrl-C came just before it began, or was delivered to another thread.
"""


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


class BackgroundLoop(ProcessBound):
    """running --its thread ends | fork, in the child | the interpreter ends--> gone.

    An event loop on a daemon thread of its own, and the way to run coroutines there from any other thread.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop
        self._failed: BaseException | None = None
        self._ended = False
        self._waited_for: set[concurrent.futures.Future[Any]] = set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="casty-notebook-loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # in an exit handler: "can't start new thread at interpreter shutdown"
            raise _closed(f"no background loop can be started: {error}.") from None
        started.wait()
        if self._failed is not None:
            raise _closed(f"no background loop can be started: {self._failed}.") from self._failed

    def _run(self, started: threading.Event) -> None:
        """Run the loop for as long as it can run.

        The code of users runs here, too: their listeners, their message functions. `SystemExit` and `KeyboardInterrupt` out
        of it end ``run_forever``, which can be entered again with nothing lost; so can one that somebody stopped.
        """
        try:
            # Made on this thread: on the main thread a signal's handler may raise in the middle of it.
            self._loop = new_loop()
        except BaseException as error:
            self._ended, self._failed = True, error
            started.set()
            return
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(started.set)
        try:
            while not self._ended:
                try:
                    self._loop.run_forever()
                except (SystemExit, KeyboardInterrupt) as error:
                    log.warning("%s was raised on the background loop, which goes on", type(error).__name__, exc_info=error)
        except BaseException:
            # Not the error of a callback: the loop itself does not work any more (its sockets were closed, memory is short).
            log.exception("the background loop has ended; new connections get another one")
        finally:
            self._ended = True
            started.set()
            for future in tuple(self._waited_for):
                with suppress(concurrent.futures.InvalidStateError):
                    future.set_exception(self._why())

    def forked(self) -> None:
        """Note that this is a forked child's copy: its thread did not come along, its sockets are the parent's."""
        self._ended = True
        if threading.current_thread() is self._thread:
            self._loop.stop()

    @property
    def gone(self) -> bool:
        """Nothing will run here any more. When the interpreter ends its daemon threads stop without a sign."""
        return self._ended or sys.is_finalizing()

    @property
    def own(self) -> bool:
        """Whether it was made in this process, not in the one that forked it."""
        return self.pid == os.getpid()

    def _why(self) -> CastyNotebookError:
        if not self.own:
            return WrongProcess(
                f"this connection was made in process {self.pid}, which forked this one ({os.getpid()}): its sockets and its "
                "background thread stayed there. Call connect() again in this process"
            )
        if sys.is_finalizing():
            return _closed("the interpreter is ending, and the background loop with it.")
        return _closed("the background loop that it lived on has ended.")

    @property
    def here(self) -> bool:
        """Whether the caller is on the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the loop, behind what was handed over before; nobody waits for it.

        Raises
        ------
        WrongProcess, ClientClosed
            If the loop is gone.
        """
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # closed a moment ago
            raise self._why() from None

    def submit[T](self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop.

        Raises
        ------
        WrongProcess, ClientClosed
            If the loop is gone. Whoever waits when it ends is told the same.
        """
        if self.gone:
            coroutine.close()
            raise self._why()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._waited_for.add(future)
        future.add_done_callback(self._waited_for.discard)
        try:
            self._loop.call_soon_threadsafe(self._start, coroutine, future)
        except RuntimeError:  # closed a moment ago
            coroutine.close()
            raise self._why() from None
        if self._ended:
            with suppress(concurrent.futures.InvalidStateError):
                future.set_exception(self._why())
        return future

    def _start[T](self, coroutine: Coroutine[Any, Any, T], future: concurrent.futures.Future[T]) -> None:
        """Start the coroutine in this turn of the loop, and hand out its result in the very turn in which it ends.

        `asyncio.run_coroutine_threadsafe` does each of them a turn later, and these turns are what a blocking ask would cost
        beside its round trip.
        """
        if future.cancelled():  # by a Ctrl-C before anything was begun
            coroutine.close()
            return
        task = asyncio.Task(_carried(coroutine, future), loop=self._loop, eager_start=True)
        if not task.done():
            future.add_done_callback(partial(self._given_up, task))

    def _given_up(self, task: asyncio.Task[None], future: concurrent.futures.Future[Any]) -> None:
        """If nobody waits for the result any more (Ctrl-C cancelled the future), cancel the task."""
        if future.cancelled():
            self.soon(task.cancel)

    def run[T](
        self, coroutine: Coroutine[Any, Any, T], *, tick: Callable[[], None] | None = None, every: float = POLL,
        within: float | None = None,
    ) -> T:  # fmt: skip
        """Run a coroutine on the loop and wait for it. Ctrl-C cancels it.

        Parameters
        ----------
        tick
            Called on the calling thread every so many seconds while it waits: progress is shown from there.
        within
            Seconds after which it is given up, for what must end also where a listener keeps the loop from everything else.

        Raises
        ------
        WrongThread
            On the loop's own thread, where waiting for the loop can never end.
        WrongProcess, ClientClosed
            If the loop is gone.
        TimeoutError
            If it was given up.
        """
        if threading.current_thread() is self._thread and not self.gone:
            coroutine.close()
            raise WrongThread(
                "a blocking call on casty_notebook's own loop thread (inside a listener?) would wait for itself for ever; "
                "use the awaitable form, for example ask_async, or another thread"
            )
        future = self.submit(coroutine)
        until = math.inf if within is None else monotonic() + within
        try:
            while True:
                try:
                    return future.result(min(every, max(0.0, until - monotonic())))
                except TimeoutError:
                    if future.done() or monotonic() >= until:
                        raise
                if tick is not None:
                    tick()
        except BaseException as error:
            # The coroutine would otherwise go on after Ctrl-C, as dask's sync() found out.
            future.cancel()
            if isinstance(error, KeyboardInterrupt):
                error._render_traceback_ = partial(_shown, error)  # type: ignore[attr-defined]
            raise

    def soon(self, function: Any, *args: Any) -> None:
        """Call a plain function on the loop, without waiting; nothing if the loop is gone."""
        if not self.gone:
            self._loop.call_soon_threadsafe(function, *args)


def _shown(error: KeyboardInterrupt) -> list[str]:
    """What IPython shows of a Ctrl-C: where the user's code was, and not how we wait."""
    from casty_notebook.tracebacks import rendered

    return rendered(error)


async def _carried[T](coroutine: Coroutine[Any, Any, T], future: concurrent.futures.Future[T]) -> None:
    """Run a coroutine and put its result or error into the future that another thread waits for, a `SystemExit` as well."""
    try:
        result = await coroutine
    except asyncio.CancelledError:
        future.cancel()
        future.set_running_or_notify_cancel()
        raise
    except BaseException as error:
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
    else:
        if future.set_running_or_notify_cancel():
            future.set_result(result)


def _closed(cause: str) -> ClientClosed:
    return ClientClosed(FailureReport("casty_notebook", cause, "Close connections before that: with connect(…) as cluster."))


_lock = threading.Lock()
_background: BackgroundLoop | None = None
_orphans: list[BackgroundLoop] = []
"""Loops of parent processes, whose threads do not exist after a fork. They are kept for ever: uvloop complains if a running loop
is deleted, and closing one would take its sockets out of the epoll instance that it shares with the parent's."""


def background_loop() -> BackgroundLoop:
    """The process's loop; a new one if the last has ended, and in a forked child, since threads do not survive a fork."""
    global _background
    with _lock:
        if _background is None or _background.gone:
            _background = BackgroundLoop()
        return _background


def _forked() -> None:
    """In the child: renew the lock, which a thread that does not exist here may have held, and give up the parent's loop."""
    global _lock, _background
    _lock = threading.Lock()
    if _background is not None:
        _background.forked()
        _orphans.append(_background)
        _background = None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
