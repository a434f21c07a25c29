"""Names to addresses: look-ups in threads of their own, so that slow ones keep nobody waiting but themselves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from dataclasses import dataclass
from time import monotonic

from casty_notebook.net.endpoint_probe import DialFailed, os_reason

__all__ = ["Found", "Resolver"]

type Found = tuple[tuple[int, str], ...]
"""Family and literal of each address of a name."""

MOST = 32
"""Look-ups at the same time. Each holds a thread, and one that fails slowly holds it for seconds."""
MOST_DOUBTFUL = MOST // 2
"""How many of them may be for names that failed last time. So there are always threads left for the other names."""
QUEUED = 4
"""So many times its timeout a look-up may wait for a thread, behind others that fail slowly."""
MOST_REMEMBERED = 4096
"""Names that failed last time."""


@dataclass(eq=False, slots=True)
class _Lookup:
    host: str
    doubtful: bool
    loop: asyncio.AbstractEventLoop
    found: asyncio.Future[Found]
    begun: float | None = None
    """When a thread took it."""


class Resolver:
    """waiting --a thread is free--> looked up --found | failed--> gone; one look-up per name at a time.

    Threads live as long as there is something to look up, and are daemons, so that none keeps the interpreter from ending. The
    loop's own executor is not used: it has few threads, by the number of processors, for all that is run there.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._asked: dict[str, _Lookup] = {}
        self._failed: dict[str, None] = {}
        self._lock = threading.Lock()
        self._waiting: deque[_Lookup] = deque()
        self._doubtful: deque[_Lookup] = deque()
        self._threads = 0
        self._busy_with_doubtful = 0

    async def look_up(self, host: str) -> Found:
        """The addresses of a name, in the order that the system prefers.

        Raises
        ------
        DialFailed
            If it does not resolve, or its look-up takes too long.
        """
        loop = asyncio.get_running_loop()
        lookup = self._asked.get(host)
        if lookup is None or lookup.loop is not loop:
            lookup = self._begin(host, loop)
        try:
            found = await self._answer(lookup)
        except TimeoutError:
            self._remember_failure(host)
            raise DialFailed(f"the name {host} got no answer from the resolver within {self._timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            self._remember_failure(host)
            reason = os_reason(error) if isinstance(error, OSError) else str(error)
            raise DialFailed(f"the name {host} does not resolve: {reason}") from None
        self._failed.pop(host, None)
        return found

    async def _answer(self, lookup: _Lookup) -> Found:
        """Wait for an answer as long as the resolver may take. Waiting for a thread does not count, up to `QUEUED` timeouts."""
        for _ in range(1 + QUEUED):
            left = self._timeout if lookup.begun is None else lookup.begun + self._timeout - monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, left)):
                    return await asyncio.shield(lookup.found)
            if lookup.begun is not None and monotonic() - lookup.begun >= self._timeout:
                break
        raise TimeoutError

    def _begin(self, host: str, loop: asyncio.AbstractEventLoop) -> _Lookup:
        lookup = _Lookup(host, host in self._failed, loop, loop.create_future())
        self._asked[host] = lookup
        lookup.found.add_done_callback(lambda _: self._asked.pop(host, None) if self._asked.get(host) is lookup else None)
        # The exception is looked at here, since asyncio complains of one that nobody has seen, and nobody may wait any more.
        lookup.found.add_done_callback(lambda done: done.cancelled() or done.exception())
        with self._lock:
            (self._doubtful if lookup.doubtful else self._waiting).append(lookup)
            if self._threads < MOST:
                self._add_thread(lookup)
        return lookup

    def _add_thread(self, lookup: _Lookup) -> None:
        try:
            threading.Thread(target=self._work, name="casty-notebook look-up", daemon=True).start()
        except RuntimeError as error:  # the system has none left
            if not self._threads:
                (self._doubtful if lookup.doubtful else self._waiting).remove(lookup)
                lookup.found.set_exception(OSError(str(error)))
        else:
            self._threads += 1

    def _remember_failure(self, host: str) -> None:
        self._failed[host] = None
        if len(self._failed) > MOST_REMEMBERED:
            del self._failed[next(iter(self._failed))]

    def _work(self) -> None:
        while (lookup := self._next()) is not None:
            found: Found | Exception
            lookup.begun = monotonic()
            try:
                entries = socket.getaddrinfo(lookup.host, None, type=socket.SOCK_STREAM)
                found = tuple(dict.fromkeys((int(entry[0]), str(entry[4][0])) for entry in entries))
            except Exception as error:
                found = error
            if lookup.doubtful:
                with self._lock:
                    self._busy_with_doubtful -= 1
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                lookup.loop.call_soon_threadsafe(_tell, lookup.found, found)

    def _next(self) -> _Lookup | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._doubtful and self._busy_with_doubtful < MOST_DOUBTFUL:
                self._busy_with_doubtful += 1
                return self._doubtful.popleft()
            self._threads -= 1
            return None


def _tell(future: asyncio.Future[Found], found: Found | Exception) -> None:
    if future.done():
        return
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)
