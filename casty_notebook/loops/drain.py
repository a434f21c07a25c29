"""Waiting until nothing waits any more, and until no socket is open any more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

__all__ = ["Drain", "OpenSockets", "shut"]


class Drain:
    """Lets callers wait until nothing waits to be sent. Lives on one event loop.

    idle --wait--> waited for --look, nothing waits--> idle.

    Parameters
    ----------
    waits
        Whether something waits.
    """

    def __init__(self, waits: Callable[[], bool]) -> None:
        self._waits = waits
        self._done: asyncio.Future[None] | None = None
        self.wanted = False
        """Somebody is in `wait`: whoever changes what waits should `look`."""

    async def wait(self) -> None:
        """Return when nothing waits any more."""
        while self._waits():
            if self._done is None:
                self._done, self.wanted = asyncio.get_running_loop().create_future(), True
            # Shielded: all callers share the future, and one of them may be cancelled.
            await asyncio.shield(self._done)

    def look(self) -> None:
        """Something has changed: end the wait if nothing waits any more."""
        if self._done is not None and not self._waits():
            done, self._done, self.wanted = self._done, None, False
            done.set_result(None)

    def cancel(self) -> None:
        """End the wait of all callers: nothing more will be sent."""
        if self._done is not None:
            self._done.cancel()


class OpenSockets[L]:
    """The connections of a client whose sockets are open. Lives on one event loop."""

    def __init__(self) -> None:
        self._open: set[L] = set()
        self._none_left = asyncio.Event()

    def __iter__(self) -> Iterator[L]:
        return iter(tuple(self._open))

    def opened(self, link: L) -> None:
        self._open.add(link)

    def closed(self, link: L) -> None:
        self._open.discard(link)
        if not self._open:
            self._none_left.set()

    async def wait(self, timeout: float, give_up: Callable[[L], None]) -> None:
        """Wait until all are closed. No socket outlives its client: what does not flush in time is given up."""
        for patience in (timeout, 0.1):
            if not self._open:
                return
            self._none_left.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._none_left.wait()
            except TimeoutError:
                for link in self:
                    give_up(link)


def shut(transport: asyncio.BaseTransport | None) -> None:
    """End a connection on a loop that is closed, whose transports can do nothing any more."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
