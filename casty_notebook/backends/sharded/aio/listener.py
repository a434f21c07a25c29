"""`Listener`: what an actor tells a ref of ours, again and again, as an iterator; for asyncio, and for plain calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from casty_notebook.backends import listening as shared
from casty_notebook.backends.sharded.session.events import AskCancelled, AskMade
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.errors import AskTimeout, FailureReport
from casty_notebook.loops.bell import Bell
from casty_notebook.settings import checked_seconds
from casty_notebook.values.generics import R
from casty_notebook.values.refs import ActorRef

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.aio.pump import Pump

__all__ = ["Listener"]


class Listener(shared.Listener[R]):
    """See `backends.listening.Listener`.

    Attributes
    ----------
    ref
        Where the actor tells its messages.
    """

    def __init__(self, pump: Pump, listening: Listening) -> None:
        self._pump = pump
        self._listening = listening
        self.inbox = listening.inbox
        self.ref: ActorRef[R] = listening.reply_ref
        self._bell = Bell()
        self._end: asyncio.Future[Any] = pump.new_future()
        self._end.add_done_callback(self._ended)

    @property
    def label(self) -> str:
        return self._listening.label

    def open(self, now: float) -> None:
        """Send the message that makes the actor tell. Raises what an ask raises before it is sent."""
        pump, listening = self._pump, self._listening
        pump.futures[listening.id] = self._end
        pump.bells[listening.id] = self._bell.ring
        try:
            pump.feed(AskMade(listening), now)
            if listening.link is None and not self._end.done():
                pump.writer.parcel(listening.message)  # fails now, not when a route is found
        except BaseException:
            self.close()
            raise
        if self._end.done() and (error := self._end.exception()) is not None:
            raise error

    def _ended(self, end: asyncio.Future[Any]) -> None:
        self._pump.bells.pop(self._listening.id, None)
        if not end.cancelled():
            end.exception()  # it is raised where somebody waits; nobody may
        self._bell.ring()

    async def _wait(self, timeout: float | None) -> None:
        if timeout is not None:
            checked_seconds("timeout", timeout)
        try:
            await self._bell.until(lambda: bool(self.inbox) or self._end.done(), timeout)
        except TimeoutError:
            raise AskTimeout(self._silence(timeout or 0.0)) from None
        if not self.inbox and not self._end.cancelled():
            self._end.result()

    def _silence(self, waited: float) -> FailureReport:
        heard = f"{self.received:,} came before" if self.received else "none has come yet"
        cause = f"no message came within {waited:g} s; {heard}."
        told = self._pump.session.snapshot_at
        return FailureReport(
            self._listening.label, cause, "The listener is still open: wait again, or close it.",
            snapshot_age=None if told is None else self._pump.now - told, may_have_run=self._listening.may_have_run,
        )  # fmt: skip

    @property
    def closed(self) -> bool:
        return self._end.done()

    def close(self) -> None:
        """Take no more messages; what came and was not read is gone. Idempotent."""
        self.inbox.clear()
        if self._pump.futures.pop(self._listening.id, None) is not None:
            self._pump.feed(AskCancelled(self._listening.id))
        if not self._end.done():
            self._end.cancel()
