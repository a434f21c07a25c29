"""Asks that more than one message may come to: subscriptions, streams, whatever an actor tells a given ref again and again."""

from __future__ import annotations

from typing import Any

from casty_notebook.backends.inbox import Inbox
from casty_notebook.backends.sharded.session.state import FOREVER, Ask
from casty_notebook.backends.sharded.session.targets import Target
from casty_notebook.printable import printable
from casty_notebook.values.refs import ReplyRef

__all__ = ["Listening"]


class Listening(Ask):
    """waiting --transmit--> sent --message--> sent --loss | cancel | close--> gone; waiting --deadline | failure--> gone.

    It is an ask that differs in two things: a message that comes does not end it, and its deadline only bounds how long it may
    wait to be sent. Lost links and closing are handled as for any ask that was sent.

    Attributes
    ----------
    inbox
        What came and was not taken yet.
    """

    __slots__ = ("inbox",)

    def __init__(
        self, ask_id: str, target: Target, message: Any, reply_ref: ReplyRef, started: float, deadline: float, *,
        limit: int, max_bytes: int, retry: bool = False, label: str = "",
    ) -> None:  # fmt: skip
        super().__init__(ask_id, target, message, reply_ref, started, deadline, retry=retry, label=label)
        self.inbox = Inbox(limit, max_bytes)

    def overdue(self) -> bool:
        """Only a listener whose message has not left ends at its deadline; one whose message has left has none any more."""
        if not self.may_have_run:
            return True
        self.deadline = FOREVER
        return False

    def __repr__(self) -> str:
        return printable(f"<Listening to {self.label}>")
