"""The event loop that a client lives on, and the way there from other threads and loops."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from casty_notebook.errors import CastyNotebookError, WrongProcess, WrongThread
from casty_notebook.loops.process_bound import ProcessBound

__all__ = ["HomeLoop", "asyncio_needed"]


class HomeLoop(ProcessBound):
    """The loop that was running when this was made. Calls made elsewhere are handed over to it, or refused before they begin."""

    __slots__ = ("_pid", "_running", "_thread", "loop")

    def __init__(self) -> None:
        asyncio_needed("entering a client", "Use casty_notebook.connect(…) for plain calls, from any thread")
        self.loop = asyncio.get_running_loop()
        self._running = asyncio._get_running_loop
        self._thread = threading.get_ident()
        self._pid = os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is called on the loop."""
        return self._running() is self.loop

    @property
    def gone(self) -> bool:
        """The loop was closed, or is that of a process which forked this one."""
        return self.loop.is_closed() or self._pid != os.getpid()

    @property
    def forked(self) -> bool:
        return self._pid != os.getpid()

    def hand_over(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function on the loop, after whatever was handed over before.

        Raises
        ------
        WrongThread, WrongProcess
            If the loop does not run: nobody knows whether it ever will.
        """
        if self.forked or not self.loop.is_running():
            raise self._refusal()
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # closed a moment ago
            raise self._refusal() from None

    def check_waiting(self) -> None:
        """Refuse to wait for the loop from a place where that cannot end.

        Raises
        ------
        WrongThread, WrongProcess
            If the loop does not run or waits for this thread, or if no loop of asyncio's is running here.
        """
        if self.here:
            return
        if self.forked or not self.loop.is_running() or threading.get_ident() == self._thread:
            raise self._refusal()
        asyncio_needed("this call", "Use casty_notebook.connect(…), whose plain calls work in any thread")

    async def wait_for[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here, on another thread's loop.

        Raises
        ------
        WrongThread, WrongProcess
            As `check_waiting`.
        """
        try:
            self.check_waiting()
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except BaseException:
            coroutine.close()
            raise
        return await asyncio.wrap_future(future)

    def check_settled(self, what: str) -> None:
        """Refuse a call that changes what the loop works with, if it is made elsewhere while the loop runs.

        Raises
        ------
        WrongThread, WrongProcess
            If the loop runs elsewhere.
        """
        if self.forked or (not self.here and self.loop.is_running()):
            raise WrongProcess(self._process()) if self.forked else WrongThread(
                f"{what} is to be called first on the event loop that the client was entered on, not on another thread"
            )

    def _process(self) -> str:
        return (
            f"this client was entered in process {self._pid}, which forked this one ({os.getpid()}): its sockets are that "
            "process's. Make a new client in this process"
        )

    def _refusal(self) -> CastyNotebookError:
        if self.forked:
            return WrongProcess(self._process())
        if self.loop.is_closed():
            seen = "the event loop that this client was entered on is closed (asyncio.run has returned?)"
            return WrongThread(f"{seen}; nothing was sent. Make a new client on this loop, or use connect(), which needs none")
        state = "is not running now" if not self.loop.is_running() else "waits for this thread"
        return WrongThread(
            f"the event loop that this client was entered on {state}; nothing was sent. Use the client there, or connect(), "
            "whose plain calls work on any thread"
        )


def asyncio_needed(what: str, instead: str) -> None:
    """Refuse to go on where no event loop of asyncio's is running: in plain code, under trio.

    Raises
    ------
    WrongThread
        Before anything is sent.
    """
    if asyncio._get_running_loop() is None or _under_trio():
        raise WrongThread(f"{what} needs a running asyncio event loop, and none is running here; nothing was sent. {instead}")


def _under_trio() -> bool:
    """Whether trio runs inside of asyncio's loop, as ``%autoawait trio`` lets it."""
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    return lowlevel is not None and bool(lowlevel.in_trio_run())
