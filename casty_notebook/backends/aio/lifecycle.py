"""How an asyncio client is entered, used from its own loop or another one, and left; the same for every backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from casty_notebook.errors import ClientClosed, FailureReport, MisuseError, NotEntered, WrongThread
from casty_notebook.loops.broadcast import Broadcast
from casty_notebook.loops.home import HomeLoop
from casty_notebook.loops.process_bound import ProcessBound

__all__ = ["Lifecycle"]


class RunningPump(Protocol):
    """The part of a backend's pump that is used here."""

    async def close(self) -> None: ...
    def cut(self) -> None: ...
    async def drain(self) -> None: ...


class Lifecycle[P: RunningPump, N](ProcessBound, ABC):
    """new --_enter--> entered --__aexit__--> left; once. Lives on the event loop that it was entered on.

    `P` is the backend's pump, which is there from entering on; `N` the picture of the cluster that is news to listeners.
    """

    def __init__(self) -> None:
        self._pump: P | None = None
        self._home: HomeLoop
        self._left = False
        self._broadcast = Broadcast[N]()

    @abstractmethod
    def _cluster(self) -> str:
        """The cluster's name, for errors."""

    def _enter(self) -> None:
        """The first step of entering.

        Raises
        ------
        MisuseError
            If it was entered before.
        """
        if self._pump is not None or self._left:
            raise MisuseError("this client was entered before; make a new one")
        self._home = HomeLoop()

    def _open_pump(self) -> P:
        """The pump of a client that is entered and not left.

        Raises
        ------
        NotEntered, ClientClosed
            If there is none.
        """
        if self._pump is None:
            name = type(self).__name__
            raise NotEntered(f"this client is not entered yet; use it inside: async with {name}(...) as client")
        if self._left:
            cause = "the client was left: its connections are closed."
            raise ClientClosed(FailureReport(f"cluster {self._cluster()}", cause, "Make a new client."))
        return self._pump

    async def __aexit__(self, *exc_info: object) -> None:
        """Let what was told leave, then close every connection; nothing of the client is left on the nodes.

        What has not left has `Settings.close_timeout` for it; what is dropped then is logged, counted.
        """
        if self._pump is not None and not self._left:
            self._left = True
            if self._home.here:
                self._broadcast.wake()
                await self._pump.close()
            else:
                await self._leave_elsewhere(self._pump)

    async def _leave_elsewhere(self, pump: P) -> None:
        """Leave from another loop than the one that was entered on; if that one does not run any more, only cut the sockets."""
        if self._home.forked:
            return  # The connections are the parent's, which goes on with them.
        try:
            self._home.hand_over(self._broadcast.wake)
            await self._home.wait_for(pump.close())
        except WrongThread:
            pump.cut()

    async def drain(self) -> None:
        """Wait until all that was told has left: nothing waits for its way, for its turn, or for room in a connection.

        Between bursts of tells, so that none is refused as `Overloaded`. What finds no way ends the wait when it is
        dropped (`Settings.tell_expiry`).

        Raises
        ------
        NotEntered, ClientClosed, WrongThread
            At once.
        """
        pump = self._open_pump()
        self._home.check_waiting()
        await (pump.drain() if self._home.here else self._home.wait_for(pump.drain()))

    async def _news(self, newest: Callable[[], N | None]) -> AsyncIterator[N]:
        """The newest picture, then each changed one; a slow reader gets the newest only. Ends when the client is left."""
        seen: N | None = None
        while not self._left:
            self._broadcast.check()
            picture = newest()
            if picture is not None and picture is not seen:
                seen = picture
                yield picture
            elif self._home.here:
                await self._broadcast.wait()
            else:
                await self._home.wait_for(self._broadcast.wait())
