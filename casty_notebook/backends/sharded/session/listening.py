"""Asks that more than one message may come to: subscriptions, streams, whatever an actor tells a given ref again and again."""

from __future__ import annotations

from collections import deque
from typing import Any

from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.sharded.session.state import FOREVER, Ask
from casty_notebook.backends.sharded.session.targets import Target
from casty_notebook.printable import printable
from casty_notebook.values.refs import ReplyRef

__all__ = ["Listening"]


class Listening(Ask):
    """waiting --transmit--> sent --message--> sent --loss | cancel | close--> gone; waiting --deadline | failure--> gone.

    It is an ask in all but two things: what comes does not end it, and its deadline is only that of leaving. So whatever holds
    for asks on their way, through lost links and closing, holds for it.

    Attributes
    ----------
    inbox
        What came and was not taken yet, oldest first; bounded by count and by bytes. Beyond that the oldest goes.
    received, dropped
        Counts of what came, and of what went unread.
    """

    __slots__ = ("_held", "_max_bytes", "dropped", "inbox", "limit", "received")

    def __init__(
        self, ask_id: str, target: Target, message: Any, reply_ref: ReplyRef, started: float, deadline: float, *,
        limit: int, max_bytes: int, retry: bool = False, label: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ask_id, target, message, reply_ref, started, deadline, retry=retry, label=label)
        self.limit = limit
        self.inbox: deque[Arrival] = deque()
        self.received = 0
        self.dropped = 0
        self._held = 0
        self._max_bytes = max_bytes

    def put(self, arrival: Arrival) -> int:
        """Keep a message; return how many older ones went for it."""
        self.received += 1
        self._held += arrival.size
        self.inbox.append(arrival)
        before = self.dropped
        # The newest stays, however long it is: a frame has a bound of its own.
        while len(self.inbox) > self.limit or (self._held > self._max_bytes and len(self.inbox) > 1):
            self.take()
            self.dropped += 1
        return self.dropped - before

    def take(self) -> Arrival:
        """The oldest message; `IndexError` if there is none."""
        arrival = self.inbox.popleft()
        self._held -= arrival.size
        return arrival

    def overdue(self) -> bool:
        if not self.may_have_run:
            return True
        self.deadline = FOREVER
        return False

    def __repr__(self) -> str:
        return printable(f"<Listening to {self.label}>")
