"""Waiting for and reading what comes to a listener; the same for every backend."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Generic, Self

from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.inbox import Inbox, message_of
from casty_notebook.errors import AskTimeout, FailureReport
from casty_notebook.loops.bell import Bell
from casty_notebook.printable import printable
from casty_notebook.settings import checked_seconds
from casty_notebook.values.generics import R

__all__ = ["Listener"]


class Listener(ABC, Generic[R]):  # noqa: UP046 - see R
    """open --close | the client is left | its node is lost--> closed. Lives on the client's loop.

    An async iterator and an async context manager. The iteration ends when the listener is closed by its owner; it raises
    when it was ended by anything else. The actor is not told that nobody listens any more: tell it what it takes for that.

    Parameters
    ----------
    label
        Whom it listens to.
    end
        A future that is done when nothing comes any more: cancelled by the owner, or with the error that ended the listener.

    Attributes
    ----------
    inbox
        What came and was not read yet.
    """

    def __init__(self, label: str, inbox: Inbox, end: asyncio.Future[Any]) -> None:
        self.label = label
        self.inbox = inbox
        self._bell = Bell()
        self._end = end
        end.add_done_callback(self._ended)

    def _ended(self, end: asyncio.Future[Any]) -> None:
        self._forget()
        if not end.cancelled():
            end.exception()  # marks it as seen, or asyncio would complain if nobody waits for the listener
        self._bell.ring()

    @abstractmethod
    def _forget(self) -> None:
        """It has ended: remove it from wherever messages for it arrive."""

    @abstractmethod
    def _leave(self) -> None:
        """Its owner has closed it: have the client stop it, if it has not ended."""

    @abstractmethod
    def _known(self) -> tuple[float | None, bool]:
        """For errors: how many seconds old the picture of the cluster is, and whether its message may have been executed."""

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
        """As `get`, with time and node. None if the listener is closed; a refused message has the error in its place."""
        await self._wait(timeout)
        return self._take() if self.inbox else None

    async def batch(self, timeout: float | None = None) -> list[Arrival]:
        """Wait for one at least, and take all that came; none if the listener is closed."""
        await self._wait(timeout)
        return [self._take() for _ in range(len(self.inbox))]

    def _take(self) -> Arrival:
        return self.inbox.take()

    async def _wait(self, timeout: float | None) -> None:
        """Until something is there, or it is closed; raises `AskTimeout`, or what has ended it."""
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
        age, may_have_run = self._known()
        return FailureReport(
            self.label, cause, "The listener is still open: wait again, or close it.", snapshot_age=age, may_have_run=may_have_run
        )

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
        return self.inbox.received

    @property
    def dropped(self) -> int:
        """So many of them went unread, since they were not taken before `limit` newer ones came."""
        return self.inbox.dropped

    @property
    def waiting(self) -> int:
        """So many are there to be read."""
        return len(self.inbox)

    @property
    def closed(self) -> bool:
        """Nothing comes any more."""
        return self._end.done()

    # --- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more messages; what came and was not read is gone. Idempotent."""
        self.inbox.clear()
        self._leave()
        if not self._end.done():
            self._end.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.waiting:,} waiting"
        counts = f"{self.received:,} received, {self.dropped:,} dropped"
        return printable(f"<Listener to {self.label}: {counts}, {state}>")
