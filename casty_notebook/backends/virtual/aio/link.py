"""One TCP connection to one node: bytes in, bytes out, the hello's deadline."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from time import monotonic
from typing import Protocol, cast

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.wire import Accepted, Connection, Hello, Leaving, Message, Rejected
from casty_notebook.errors import ProtocolError
from casty_notebook.loops.alarm import Alarm
from casty_notebook.loops.drain import shut
from casty_notebook.settings import Settings

__all__ = ["LinkOwner", "LinkProtocol"]

HELLO_TIMEOUT = 1.5
"""Seconds for the answer to a hello. A node answers in about 1 ms; a user is to hear of a silent one within two seconds."""
READ_FIRST, READ_MOST = 16 * 1024, 256 * 1024
"""Bytes of the buffer that a socket is read into, at first and at most: it grows when a read fills it, as long answers do."""
AT_ONCE = 64 * 1024
"""Bytes of messages that are handled before other tasks have their turn of the loop: as much as six hundred short answers, or
one table of some hundred members. That is 10 ms of work, with all that follows from them."""
BESIDES = 64
"""Bytes added to the length of each message when `AT_ONCE` is counted: handling even the shortest takes some time."""
HEARD_EVERY = 0.25
"""The owner is told that bytes came at most once in so many seconds: it judges silence in whole seconds."""


class LinkOwner(Protocol):
    """Who is told what happens on a link."""

    def link_opened(self, link: LinkProtocol, event: Accepted) -> None: ...
    def link_refused(self, link: LinkProtocol, event: Rejected) -> None: ...
    def link_leaving(self, link: LinkProtocol) -> None: ...
    def link_heard(self, link: LinkProtocol) -> None: ...
    def messages_came(self, link: LinkProtocol, messages: list[Message]) -> None: ...
    def link_ended(self, link: LinkProtocol, reason: str, *, silent: bool = False) -> None: ...
    def link_flushed(self) -> None: ...
    def socket_opened(self, link: LinkProtocol) -> None: ...
    def socket_closed(self, link: LinkProtocol) -> None: ...


class LinkProtocol(asyncio.Protocol, asyncio.BufferedProtocol):
    """connecting --made--> greeting --accepted--> open --lost | hang_up--> ended; greeting --rejected--> ended.

    As a `BufferedProtocol` it lets asyncio read sockets into a buffer of ours, which is cheaper (the link of sharded clusters
    says why). SSH channels and uvloop do not know such protocols and call `data_received`.
    """

    def __init__(
        self, link_id: int, dialled: NodeAddress, hello: Hello, settings: Settings, owner: LinkOwner, *, secure: bool,
        known: bool = False,
    ) -> None:  # fmt: skip
        self.id = link_id
        self.dialled = dialled
        self.node: NodeAddress | None = None
        self._connection = Connection(hello, settings.max_buffered_bytes)
        self._owner = owner
        self._secure = secure
        self._known = known
        self._transport: asyncio.Transport | None = None
        self._greeting: Alarm | None = None
        self._loop = asyncio.get_running_loop()
        self._room = memoryview(bytearray(READ_FIRST))
        self._flush_due = False
        self._paused = False
        self._heard_at = 0.0
        self._unread: deque[Message] = deque()
        """Messages that came and wait for a later turn of the loop; reading from the socket is paused meanwhile."""
        self._unread_end: str | None = None
        """Why the connection has ended, to be said once all of `_unread` is handled."""
        self._held_back = False
        self.ended = False

    # --- asyncio's calls -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._owner.socket_opened(self)
        if self.ended:
            self._transport.abort()
            return
        self._greeting = Alarm(self._loop, self._greeting_late)
        self._greeting.by(monotonic() + HELLO_TIMEOUT)
        self._flush()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        room = self._room
        if nbytes == len(room) < READ_MOST:
            self._room = memoryview(bytearray(4 * len(room)))
        self.data_received(bytes(room[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self.ended or self._unread_end is not None:
            return
        try:
            events = self._connection.receive(data)
        except ProtocolError as error:
            self._fail(str(error))
            return
        if self.node is not None and (now := monotonic()) - self._heard_at >= HEARD_EVERY:
            self._heard_at = now
            self._owner.link_heard(self)
        messages: list[Message] = []
        for event in events:
            if type(event) is Message:
                messages.append(event)
            elif type(event) is Leaving:
                self._owner.link_leaving(self)
            else:
                self._answered(cast(Accepted | Rejected, event))
        if messages and not self.ended:
            if len(data) <= AT_ONCE and not self._unread:
                self._owner.messages_came(self, messages)
            else:
                self._take_in_turns(messages)
        # Callers that just got replies may ask again in this turn of the loop; written at its end, all leaves in one packet.
        self._flush_soon()

    def _take_in_turns(self, messages: list[Message]) -> None:
        """Handle `AT_ONCE` bytes of messages now and the rest in later turns of the loop, so that other tasks run in between."""
        more = bool(self._unread)
        self._unread += messages  # behind those that wait: some transports deliver one more piece after a pause
        if not more:
            self._take_turn()

    def _take_turn(self) -> None:
        if self.ended:
            self._unread.clear()
            return
        unread, taken, size = self._unread, [], 0
        while unread and size < AT_ONCE:
            taken.append(unread.popleft())
            size += len(taken[-1].body) + BESIDES
        # Scheduled before the messages are handed over, so that the rest is handled even if a listener raises.
        if unread:
            self._loop.call_soon(self._take_turn)
        if self._unread_end is None and self._transport is not None and self._held_back is not bool(unread):
            self._held_back = bool(unread)
            (self._transport.pause_reading if self._held_back else self._transport.resume_reading)()
        try:
            self._owner.messages_came(self, taken)
        finally:
            if self._unread_end is not None and not unread:
                self._fail(self._unread_end)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.socket_closed(self)
        if self.ended:
            return
        if self.node is not None:
            self._fail(f"connection lost: {exc}" if exc is not None else "the node closed the connection")
        elif self._secure:
            # Under TLS 1.3 a refused certificate shows only after the handshake looked done.
            alert = f" ({exc.reason})" if isinstance(exc, ssl.SSLError) and exc.reason else ""
            self._fail(f"closed the connection right after the TLS handshake{alert}: it probably rejected our client certificate")
        elif exc is not None:
            self._fail(f"connection lost during the hello: {exc}")
        else:
            who = "a node that is stopping or starting" if self._known else "a casty before 0.30, or no casty node"
            self._fail(f"closed the connection without answering the hello: {who}")

    # --- the hello -------------------------------------------------------------------------------------------------

    def _answered(self, event: Accepted | Rejected) -> None:
        if self._greeting is not None:
            self._greeting.stop()
        if isinstance(event, Accepted):
            self.node = event.node
            self._owner.link_opened(self, event)
        else:
            self._stop()
            if self._transport is not None:
                self._transport.abort()
            self._owner.link_refused(self, event)

    def _greeting_late(self) -> None:
        what = "answered something else" if self._connection.heard_anything else "said nothing"
        who = "its process hangs or stands still" if self._known else "a casty of 0.15 to 0.21, or a node that hangs"
        self._fail(f"no answer to the hello within {HELLO_TIMEOUT:g} s; it {what}: {who}", silent=True)

    # --- sending ---------------------------------------------------------------------------------------------------

    def send(self, service: bytes, body: bytes, *, urgent: bool = False) -> bool:
        """Take one message. Returns False if too much waits for the node, unless it is `urgent`, which goes ahead of what waits.

        Raises
        ------
        ValueError
            If it is longer than the cluster's limit for one message.
        """
        if self.ended or not self._connection.send(service, body, urgent=urgent):
            return False
        if not self._flush_due:
            self._flush_soon()
        return True

    def _flush_soon(self) -> None:
        """Write all that is sent in this turn of the loop at once, at its end."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._transport is not None and not self.ended and not self._paused and self._unread_end is None:
            data = self._connection.data_to_send()
            if data:
                self._transport.write(data)
                self._owner.link_flushed()

    @property
    def behind(self) -> bool:
        """The node reads more slowly than we send."""
        return self._paused or self._connection.queued > 0

    @property
    def unsent(self) -> int:
        """Bytes of messages that wait for the node's credit or for room in its socket, without those that the transport holds."""
        return self._connection.unsent if self.node is not None else 0

    # --- ending ----------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Flush, then close; nothing is reported any more."""
        if not self.ended:
            self._paused = False  # write all the same: the transport keeps what its socket does not take, and that is bounded
            self._flush()
            self._stop()
            if self._transport is not None:
                self._transport.close()

    def abort(self) -> None:
        """Close without flushing; nothing is reported any more."""
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    def cut(self) -> None:
        """End the connection on a loop that is closed, whose transports can do nothing any more."""
        self._stop()
        shut(self._transport)

    def _stop(self) -> None:
        self.ended = True
        if self._greeting is not None:
            self._greeting.stop()

    def _fail(self, reason: str, *, silent: bool = False) -> None:
        if self.ended:
            return
        if self._unread:
            # Messages that came before the end are handled first; `_take_turn` reports the end after them.
            self._unread_end = self._unread_end or reason
            if self._transport is not None:
                self._transport.abort()
            return
        self.abort()
        self._owner.link_ended(self, reason, silent=silent)
