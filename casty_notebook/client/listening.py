"""`BlockingListener`: what an actor tells a ref of ours, again and again, for plain calls on any thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Self

from casty_notebook.backends.contract import Arrival, Heard
from casty_notebook.backends.inbox import message_of
from casty_notebook.errors import AskTimeout
from casty_notebook.loops.background import BackgroundLoop
from casty_notebook.values.generics import R

__all__ = ["BlockingListener"]


class BlockingListener(Generic[R]):  # noqa: UP046 - see R
    """A listener behind the background loop: a plain iterator and context manager, for one thread at a time."""

    def __init__(self, loop: BackgroundLoop, listener: Heard) -> None:
        self._loop = loop
        self._listener = listener
        self._taken: deque[Arrival] = deque()
        self.ref = listener.ref

    def get(self, timeout: float | None = None) -> R:
        """Wait for the next message, `timeout` seconds at most. Ctrl-C ends the wait and closes the listener.

        Raises
        ------
        AskTimeout
            If none came in time; the listener stays open.
        NodeUnreachable, ClientClosed
            If the listener was ended: the connection to the node was lost (unless it was opened with ``retry=True``), or the
            connection was closed. What came before can still be read.
        UndecodableMessage
            In place of a message that was refused; the listener stays open.
        MisuseError
            If the listener is closed.
        """
        message: R = message_of(self.next(timeout), self)
        return message

    def next(self, timeout: float | None = None, tick: Callable[[], None] | None = None) -> Arrival | None:
        """As `get`, with the time and the node; None if the listener is closed."""
        if not self._taken:
            with self._closed_by_ctrl_c():
                self._taken.extend(self._loop.run(self._listener.batch(timeout), tick=tick))
        return self._taken.popleft() if self._taken else None

    @contextmanager
    def _closed_by_ctrl_c(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.close()
            raise

    def messages(self, timeout: float | None = None) -> Iterator[R]:
        """The messages as they come, until none came for `timeout` seconds or the listener is closed.

        Raises
        ------
        NodeUnreachable, ClientClosed, UndecodableMessage
            As `get`.
        """
        while True:
            try:
                heard = self.next(timeout)
            except AskTimeout:
                return
            if heard is None:
                return
            yield message_of(heard, self)

    def __iter__(self) -> Iterator[R]:
        return self.messages()

    @property
    def received(self) -> int:
        """So many messages came."""
        return self._listener.received

    @property
    def dropped(self) -> int:
        """So many of them went unread, since they were not taken before `limit` newer ones came."""
        return self._listener.dropped

    @property
    def closed(self) -> bool:
        return self._listener.closed

    def close(self) -> None:
        """Take no more messages. Idempotent."""
        self._taken.clear()
        if not self._listener.closed:
            self._loop.run(self._close())

    async def _close(self) -> None:
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._listener)
