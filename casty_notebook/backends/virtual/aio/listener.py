"""`Listener`: what an actor tells a ref of ours, again and again (VIRTUAL section 9)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.backends.aio import listener as shared
from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.inbox import Inbox
from casty_notebook.backends.virtual.codec.values import ReplyTo, ValueReader
from casty_notebook.backends.virtual.session.events import AskCancelled, AskMade
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.generics import R

if TYPE_CHECKING:
    from casty_notebook.backends.virtual.aio.pump import Pump

__all__ = ["Listener"]


class Listener(shared.Listener[R]):
    """See `backends.aio.listener.Listener`. Values are kept as bytes and read when they are taken: what is dropped is never read.

    Attributes
    ----------
    ref
        The address that the actor tells its messages to. It may be put into other messages, too.
    """

    def __init__(self, pump: Pump, reader: ValueReader, settings: Settings, ref: ReplyTo, label: str, limit: int) -> None:
        self._pump = pump
        self._reader = reader
        self.ref = ref
        super().__init__(label, Inbox(limit, settings.max_buffered_bytes), pump.new_future())

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
            self._pump.listener_dropped(self.label, dropped, self.inbox.limit, first=first)
        self._bell.ring()

    def _forget(self) -> None:
        self._pump.listeners.pop(self.ref.number, None)

    def _leave(self) -> None:
        if self._pump.futures.pop(self.ref.number, None) is not None:
            self._pump.feed(AskCancelled(self.ref.number))

    def _known(self) -> tuple[float | None, bool]:
        told = self._pump.session.table_at
        return None if told is None else monotonic() - told, True

    def _take(self) -> Arrival:
        arrival = self.inbox.take()
        try:
            arrival.message = self._reader.read(arrival.message)
        except UndecodableMessage as error:
            arrival.message = error
        return arrival
