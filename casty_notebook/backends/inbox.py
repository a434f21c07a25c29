"""The inbox of a listener: what came and waits for its reader, within bounds; the same for all backends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from casty_notebook.backends.contract import Arrival
from casty_notebook.errors import MisuseError, UndecodableMessage

__all__ = ["LIMIT", "Inbox", "checked_limit", "message_of"]

LIMIT = 1_000
"""Messages kept for a reader, where nothing else is said."""
MAX_LIMIT = 1_000_000


def checked_limit(limit: int) -> int:
    """How many messages may wait for their reader, or `MisuseError`."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MAX_LIMIT:
        raise MisuseError(f"limit must be a whole number from 1 to {MAX_LIMIT:,}, not {limit!r}")
    return limit


def message_of(heard: Arrival | None, listener: object) -> Any:
    """The message of an arrival; raises the error in its place, or `MisuseError` if the listener is closed."""
    if heard is None:
        raise MisuseError(f"{listener!r}: nothing comes any more; open another one")
    if isinstance(heard.message, UndecodableMessage):
        raise heard.message
    return heard.message


class Inbox:
    """What came and was not taken yet, oldest first; bounded by count and by bytes. Beyond that the oldest goes.

    Attributes
    ----------
    received, dropped
        Counts of what came, and of what went unread.
    """

    __slots__ = ("_arrivals", "_bytes", "_max_bytes", "dropped", "limit", "received")

    def __init__(self, limit: int, max_bytes: int) -> None:
        self.limit = limit
        self._max_bytes = max_bytes
        self._arrivals: deque[Arrival] = deque()
        self._bytes = 0
        self.received = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self._arrivals)

    def put(self, arrival: Arrival) -> int:
        """Keep a message; return how many older ones went for it."""
        self.received += 1
        self._bytes += arrival.size
        self._arrivals.append(arrival)
        before = self.dropped
        # The newest stays, however long it is: a frame has a bound of its own.
        while len(self._arrivals) > self.limit or (self._bytes > self._max_bytes and len(self._arrivals) > 1):
            self.take()
            self.dropped += 1
        return self.dropped - before

    def take(self) -> Arrival:
        """The oldest message; `IndexError` if there is none."""
        arrival = self._arrivals.popleft()
        self._bytes -= arrival.size
        return arrival

    def clear(self) -> None:
        """Forget what waits."""
        self._arrivals.clear()
        self._bytes = 0
