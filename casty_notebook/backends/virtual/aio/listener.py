"""`Listener`: what an actor tells a ref of ours, again and again (VIRTUAL section 9)."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends import listening as shared
from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.listening import Inbox
from casty_notebook.backends.virtual.codec.values import ReplyTo, ValueReader
from casty_notebook.backends.virtual.session.events import AskCancelled, AskMade
from casty_notebook.errors import AskTimeout, FailureReport, UndecodableMessage
from casty_notebook.loops.bell import Bell
from casty_notebook.settings import Settings, checked_seconds
from casty_notebook.values.generics import R

if TYPE_CHECKING:
    from casty_notebook.backends.virtual.aio.pump import Pump

__all__ = ["Listener"]


class Listener(shared.Listener[R]):
    """See `backends.listening.Listener`. Values are kept as bytes and read when they are taken: what is dropped costs no reading.

    Attributes
    ----------
    ref
        Where the actor tells its messages. It may be put into other messages, too.
    """

    def __init__(self, pump: Pump, reader: ValueReader, settings: Settings, ref: ReplyTo, label: str, limit: int) -> None:
        self._pump = pump
        self._reader = reader
        self.ref = ref
        self._label = label
        self.inbox = Inbox(limit, settings.max_buffered_bytes)
        self._bell = Bell()
        self._end: asyncio.Future[Any] = pump.new_future()
        self._end.add_done_callback(self._ended)

    @property
    def label(self) -> str:
        return self._label

    def open(self, asked: AskMade) -> None:
        """Send the message that makes the actor tell. Raises what an ask raises before it is sent."""
        pump, number = self._pump, self.ref.number
        pump.futures[number] = self._end
        pump.listeners[number] = self._came
        pump.feed(asked)
        if self._end.done() and (error := self._end.exception()) is not None:
            raise error

    def _came(self, data: bytes, node: NodeAddress | None) -> None:
        first = not self.inbox.dropped
        if dropped := self.inbox.put(Arrival(monotonic(), node, data, len(data))):
            self._pump.listener_dropped(self._label, dropped, self.inbox.limit, first=first)
        self._bell.ring()

    def _ended(self, end: asyncio.Future[Any]) -> None:
        self._pump.listeners.pop(self.ref.number, None)
        if not end.cancelled():
            end.exception()  # it is raised where somebody waits; nobody may
        self._bell.ring()

    def _take(self) -> Arrival:
        arrival = self.inbox.take()
        try:
            arrival.message = self._reader.read(arrival.message)
        except UndecodableMessage as error:
            arrival.message = error
        return arrival

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
        told = self._pump.session.table_at
        return FailureReport(
            self._label, cause, "The listener is still open: wait again, or close it.",
            snapshot_age=None if told is None else monotonic() - told, may_have_run=True,
        )  # fmt: skip

    @property
    def closed(self) -> bool:
        return self._end.done()

    def close(self) -> None:
        """Take no more messages; what came and was not read is gone. Idempotent."""
        self.inbox.clear()
        if self._pump.futures.pop(self.ref.number, None) is not None:
            self._pump.feed(AskCancelled(self.ref.number))
        if not self._end.done():
            self._end.cancel()
