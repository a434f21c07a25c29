"""What a client tells its listeners, and those who wait: each changed picture of the cluster, and what ended the session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from casty_notebook.logs import room_logger

__all__ = ["Broadcast"]

log = room_logger(__name__)


class _Listening[T]:
    """One registration of a listener. The same function may be registered more than once."""

    __slots__ = ("failed", "listener", "stopped")

    def __init__(self, listener: Callable[[T], None]) -> None:
        self.listener = listener
        self.stopped = False
        self.failed = False

    def tell(self, snapshot: T) -> None:
        """Call the listener. If it raises, that is logged once only, since it may raise at every snapshot."""
        if self.stopped:
            return
        try:
            self.listener(snapshot)
        except Exception:
            if not self.failed:
                log.exception("a listener for snapshots raised; it is told of further ones, and not complained of again")
            self.failed = True


class Broadcast[T]:
    """Lives on one event loop. Readers wait for whatever is next and look for themselves; listeners are called."""

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self._listeners: tuple[_Listening[T], ...] = ()
        self._shown: T | None = None
        self._ruin: Exception | None = None

    def listen(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Call `listener` with each changed snapshot, after those that came before it; returns the way to stop that."""
        listening = _Listening(listener)
        self._listeners = (*self._listeners, listening)

        def stop() -> None:
            listening.stopped = True
            self._listeners = tuple(each for each in self._listeners if each is not listening)

        return stop

    def publish(self, snapshot: T) -> None:
        """Tell listeners of a snapshot, unless it is the same object as the last one.

        Listeners are the user's code. The loop calls each of them later, since the snapshot is still being handled here: a
        listener that raises, asks or tells can disturb neither that nor the next listener.
        """
        if snapshot is self._shown:
            return
        self._shown = snapshot
        if self._listeners:
            loop = asyncio.get_running_loop()
            for listening in self._listeners:
                loop.call_soon(listening.tell, snapshot)
        self.wake()

    def ruined(self, error: Exception) -> None:
        """The session has ended: raise this error in everyone who waits, now or later."""
        self._ruin = error
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, most: float | None = None) -> None:
        """Wait for the next news, or for `most` seconds.

        Raises
        ------
        CastyNotebookError
            What ended the session, at once if it has ended.
        """
        self.check()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._next.wait(), most)
        self.check()

    def check(self) -> None:
        """Raise what ended the session, if it has ended."""
        if self._ruin is not None:
            raise self._ruin
