"""`Listener`: what an actor tells a ref of ours, again and again, as an iterator; for asyncio, and for plain calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casty_notebook.backends.aio import listener as shared
from casty_notebook.backends.sharded.session.events import AskCancelled, AskMade
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.values.generics import R
from casty_notebook.values.refs import ActorRef

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.aio.pump import Pump

__all__ = ["Listener"]


class Listener(shared.Listener[R]):
    """See `backends.aio.listener.Listener`.

    Attributes
    ----------
    ref
        Where the actor tells its messages.
    """

    def __init__(self, pump: Pump, listening: Listening) -> None:
        self._pump = pump
        self._listening = listening
        self.ref: ActorRef[R] = listening.reply_ref
        super().__init__(listening.label, listening.inbox, pump.new_future())

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

    def _forget(self) -> None:
        self._pump.bells.pop(self._listening.id, None)

    def _leave(self) -> None:
        if self._pump.futures.pop(self._listening.id, None) is not None:
            self._pump.feed(AskCancelled(self._listening.id))

    def _known(self) -> tuple[float | None, bool]:
        told = self._pump.session.snapshot_at
        return None if told is None else self._pump.now - told, self._listening.may_have_run
