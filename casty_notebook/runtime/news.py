"""What a client tells its listeners: each changed snapshot, the end of all hope, the end of the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from casty_notebook.cluster.messages import TopologySnapshot

__all__ = ["News"]

type Listener = Callable[[TopologySnapshot], None]


class News:
    """Lives on one event loop. Readers wait for whatever is next and look for themselves; listeners are called."""

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self._listeners: set[Listener] = set()
        self._shown: TopologySnapshot | None = None
        self._ruin: Exception | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each changed snapshot; returns the way to stop that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def publish(self, snapshot: TopologySnapshot) -> None:
        """A node sent a snapshot; the same object again is no news."""
        if snapshot is self._shown:
            return
        self._shown = snapshot
        for listener in tuple(self._listeners):
            listener(snapshot)
        self.wake()

    def ruined(self, error: Exception) -> None:
        """Nothing more will come."""
        self._ruin = error
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next news.

        Raises
        ------
        CastyNotebookError
            What ended the session, at once if it has ended.
        """
        self.check()
        await self._next.wait()
        self.check()

    def check(self) -> None:
        """Raise what ended the session, if it has ended."""
        if self._ruin is not None:
            raise self._ruin
