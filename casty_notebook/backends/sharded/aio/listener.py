"""`Listener`: what an actor tells a ref of ours, again and again, as an iterator; for asyncio, and for plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, Self

from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.listening import message_of
from casty_notebook.backends.sharded.session.events import AskCancelled, AskMade
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.errors import AskTimeout, FailureReport
from casty_notebook.printable import printable
from casty_notebook.settings import checked_seconds
from casty_notebook.values.generics import R
from casty_notebook.values.refs import ActorRef

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.aio.pump import Pump

__all__ = ["Listener"]

class Listener(Generic[R]):  # noqa: UP046 - see R
    """open --close | the client is left | its node is lost--> closed. Lives on the client's loop.

    An async iterator and an async context manager. The iteration ends when the listener is closed by its owner; it raises
    when it was ended by anything else. The actor is not told that nobody listens any more: tell it what it takes for that.

    Attributes
    ----------
    ref
        Where the actor tells its messages.
    """

    def __init__(self, pump: Pump, listening: Listening) -> None:
        self._pump = pump
        self._listening = listening
        self.ref: ActorRef[R] = listening.reply_ref
        self._bell = asyncio.Event()
        self._end: asyncio.Future[Any] = pump.new_future()
        self._end.add_done_callback(self._ended)

    def open(self, now: float) -> None:
        """Send the message that makes the actor tell. Raises what an ask raises before it is sent."""
        pump, listening = self._pump, self._listening
        pump.futures[listening.id] = self._end
        pump.bells[listening.id] = self._bell.set
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
        self._bell.set()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def get(self, timeout: float | None = None) -> R:
        """Wait for the next message, `timeout` seconds at most.

        Raises
        ------
        AskTimeout
            If none came in time; the listener stays open.
        NodeUnreachable, ClientClosed
            If the listener was ended: the connection to the node was lost (unless it was opened with ``retry=True``), or the
            client was left. What came before can still be read.
        UndecodableMessage
            In place of a message that was refused; the listener stays open.
        MisuseError
            If the listener is closed.
        """
        message: R = message_of(await self.next(timeout), self)
        return message

    async def next(self, timeout: float | None = None) -> Arrival | None:
        """As `get`, with the time and the node; None if the listener is closed. A refused message is the error that says so."""
        await self._wait(timeout)
        return self._listening.take() if self._listening.inbox else None

    async def batch(self, timeout: float | None = None) -> list[Arrival]:
        """Wait for one at least, and take all that came; none if the listener is closed."""
        await self._wait(timeout)
        return [self._listening.take() for _ in range(len(self._listening.inbox))]

    async def _wait(self, timeout: float | None) -> None:
        if timeout is not None:
            checked_seconds("timeout", timeout)
        try:
            async with asyncio.timeout(timeout):
                while not self._listening.inbox:
                    if self._end.cancelled():
                        return
                    if self._end.done():
                        self._end.result()
                    self._bell.clear()
                    await self._bell.wait()
        except TimeoutError:
            raise AskTimeout(self._silence(timeout or 0.0)) from None

    def _silence(self, waited: float) -> FailureReport:
        heard = f"{self.received:,} came before" if self.received else "none has come yet"
        cause = f"no message came within {waited:g} s; {heard}."
        told = self._pump.session.snapshot_at
        return FailureReport(
            self._listening.label, cause, "The listener is still open: wait again, or close it.",
            snapshot_age=None if told is None else self._pump.now - told, may_have_run=self._listening.may_have_run,
        )  # fmt: skip

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        heard = await self.next()
        if heard is None:
            raise StopAsyncIteration
        message: R = message_of(heard, self)
        return message

    # --- what it knows -----------------------------------------------------------------------------------------------

    @property
    def received(self) -> int:
        """So many messages came."""
        return self._listening.received

    @property
    def dropped(self) -> int:
        """So many of them went unread, since they were not taken before `limit` newer ones came."""
        return self._listening.dropped

    @property
    def waiting(self) -> int:
        """So many are there to be read."""
        return len(self._listening.inbox)

    @property
    def closed(self) -> bool:
        return self._end.done()

    # --- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more messages; what came and was not read is gone. Idempotent."""
        self._listening.inbox.clear()
        if self._pump.futures.pop(self._listening.id, None) is not None:
            self._pump.feed(AskCancelled(self._listening.id))
        if not self._end.done():
            self._end.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.waiting:,} waiting"
        counts = f"{self.received:,} received, {self.dropped:,} dropped"
        return printable(f"<Listener to {self._listening.label}: {counts}, {state}>")
