"""One connection as bytes: what came in, what is to go out, and the credit for both (VIRTUAL section 2)."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.wire.frames import (
    VERSION,
    FrameReader,
    FrameType,
    encode_data,
    encode_pong,
    encode_window,
)
from casty_notebook.backends.virtual.wire.hello import Hello, Refusal, decode_ack, decode_reject
from casty_notebook.errors import ProtocolError

__all__ = ["Accepted", "Connection", "Leaving", "Message", "Rejected"]

HELLO_STREAM = 1
STREAM = 3
"""The stream of everything after the hello."""
_STREAMS = 8
"""Streams that a node may open; casty 0.30 has two."""
_BESIDES = 256
"""Bytes of memory that a waiting message takes besides its own, about."""
_SURROUND = 1024
"""Bytes by which a whole message may exceed the limit, which counts its body alone: room for the service's name."""
_FRAME = struct.Struct(">BBHIIIB")
"""The head of a data frame that holds one whole message: the frame's, the message's length, that of its service's name."""
_DATA, _WINDOW, _PING, _GOODBYE = FrameType.DATA, FrameType.WINDOW, FrameType.PING, FrameType.GOODBYE


@dataclass(frozen=True, slots=True)
class Accepted:
    """The node took the hello."""

    node: NodeAddress
    incarnation: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """The node refused the hello, and hangs up."""

    refusal: Refusal


@dataclass(slots=True)
class Message:
    """A whole message of a service (``membership``, ``actors``, ``replies``), its body unread."""

    service: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Leaving:
    """The node said goodbye: it reads nothing new."""


type Event = Accepted | Rejected | Message | Leaving


class Connection:
    """greeting --hello-ack--> open --goodbye--> leaving; greeting --hello-reject--> closed.

    A node that says goodbye answers what it was asked before, and reads nothing new.

    Bytes that came are given to `receive`, which returns what they say; what is to be written is taken from `data_to_send`
    after either call. Credit is granted for all that is read, since a node without credit holds its answers back. Nothing grows
    here for a node that does not read: the credit it is owed is one number per stream, and what waits for it is bounded.
    """

    def __init__(self, hello: Hello, max_queued: int) -> None:
        self._limits = hello.limits
        self._reader = FrameReader(hello.limits.frame)
        self._incoming: dict[int, bytearray] = {}
        self._credit = {HELLO_STREAM: hello.limits.window, STREAM: hello.limits.window}
        self._pending: deque[memoryview] = deque()
        self._max_queued = max_queued
        self.queued = 0
        """Bytes that wait for credit."""
        self._owed: dict[int, int] = {}
        """Credit that is to be given, by stream."""
        self._pong_due = False
        self.open = self.leaving = False
        self.closed = False
        """The node refused the hello: nothing more is read."""
        self.heard_anything = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._write(HELLO_STREAM, b"hello", hello.encode())

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, service: bytes, body: bytes, *, urgent: bool = False) -> bool:
        """Queue one message. Returns False, and keeps nothing of it, if too much waits for the node's credit already.

        Parameters
        ----------
        urgent
            Take it however much waits, and send it ahead of that. For short messages of which only one waits at a time.

        Raises
        ------
        ValueError
            If it is longer than the cluster's limit for one message.
        """
        size = len(body)
        if size > self._limits.message:
            raise ValueError(f"{size:,} bytes; the cluster's limit for one message is {self._limits.message:,}")
        waiting = self.queued + self._out_bytes + len(self._pending) * _BESIDES
        if waiting and waiting + size > self._max_queued and not urgent:
            return False
        self._write(STREAM, service, body, urgent=urgent)
        return True

    def _write(self, stream: int, service: bytes, body: bytes, *, urgent: bool = False) -> None:
        named = 1 + len(service) + len(body)
        size = 4 + named
        if not self._pending and size <= self._credit[stream] and size <= self._limits.frame:
            self._credit[stream] -= size
            frame = _FRAME.pack(VERSION, _DATA, 0, stream, size, named, len(service)) + service + body
            self._out.append(frame)
            self._out_bytes += len(frame)
            return
        message = memoryview(b"".join((named.to_bytes(4), bytes((len(service),)), service, body)))
        if urgent:
            # Behind a message whose first part has left: its other parts must follow without anything in between.
            begun = bool(self._pending) and self._pending[0].nbytes < memoryview(self._pending[0].obj).nbytes
            self._pending.insert(int(begun), message)
        else:
            self._pending.append(message)
        self.queued += size
        self._drain()

    def _drain(self) -> None:
        """Cut what waits into frames as far as there is credit. Only `STREAM` ever waits: a hello is shorter than any window."""
        pending = self._pending
        while pending and self._credit[STREAM] > 0:
            head = pending[0]
            size = min(len(head), self._credit[STREAM], self._limits.frame)
            frame = encode_data(STREAM, bytes(head[:size]))
            self._out.append(frame)
            self._out_bytes += len(frame)
            self._credit[STREAM] -= size
            self.queued -= size
            if size == len(head):
                pending.popleft()
            else:
                pending[0] = head[size:]

    @property
    def unsent(self) -> int:
        """Bytes of messages that were taken and not yet given away by `data_to_send`."""
        return self.queued + self._out_bytes

    def data_to_send(self) -> bytes:
        """All bytes that are to be written now."""
        out = self._out
        if self._owed:
            out += [encode_window(stream, size) for stream, size in self._owed.items()]
            self._owed.clear()
        if self._pong_due:
            self._pong_due = False
            out.append(encode_pong())
        if not out:
            return b""
        self._out, self._out_bytes = [], 0
        return out[0] if len(out) == 1 else b"".join(out)

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes that came; return what they say, in order.

        Raises
        ------
        ProtocolError
            For bytes outside the protocol or its bounds; the connection is of no use then.
        """
        if self.closed:
            return []
        self.heard_anything = True
        events: list[Event] = []
        owed = self._owed
        for kind, stream, size, body in self._reader.receive(data):
            if kind == _DATA:
                if size:
                    owed[stream] = owed.get(stream, 0) + size
                    self._data(stream, body, events)
            elif kind == _WINDOW:
                # Credit needs no bound: it lets us send no more than we have.
                if stream in self._credit:
                    self._credit[stream] += size
                    self._drain()
            elif kind == _PING:
                # One pong is enough for all pings of a moment: it says that we are there.
                self._pong_due = True
            elif kind == _GOODBYE and self.open and not self.leaving:
                self.leaving = True
                events.append(Leaving())
        return events

    def _data(self, stream: int, body: bytes, events: list[Event]) -> None:
        held = self._incoming.get(stream)
        if held is None:
            if len(self._incoming) >= _STREAMS:
                raise ProtocolError(f"data came on more than {_STREAMS} streams; casty 0.30 has two")
            held = self._incoming[stream] = bytearray()
        if held:
            held += body
            if len(self._incoming) > 1:
                self._check_held()
            at = self._messages(stream, held, events)
            if at:
                del held[:at]
        else:
            # The usual case: nothing is left over, and the frame holds whole messages.
            at = self._messages(stream, body, events)
            if at < len(body):
                held += body[at:]

    def _check_held(self) -> None:
        """Bound the unfinished messages of all streams together to about one, as a node uses a single stream after the hello."""
        held = sum(map(len, self._incoming.values()))
        if held > self._limits.message + self._limits.frame + 2 * _SURROUND:
            raise ProtocolError(f"{held:,} bytes of messages that do not end came on {len(self._incoming)} streams")

    def _messages(self, stream: int, data: bytes | bytearray, events: list[Event]) -> int:
        """Read the messages that are whole; returns where they end."""
        most = self._limits.message + _SURROUND
        at, end = 0, len(data)
        while end - at >= 4:
            size = int.from_bytes(data[at : at + 4])
            if size > most:
                raise ProtocolError(f"a message of {size:,} bytes came; the cluster's limit is {self._limits.message:,}")
            stop = at + 4 + size
            if stop > end:
                break
            length = data[at + 4] if size else 0
            start = at + 5 + length
            if not length or start > stop:
                raise ProtocolError(f"a message came without the name of its service: {bytes(data[at + 4 : at + 28]).hex(' ')}")
            service, body = bytes(data[at + 5 : start]), bytes(data[start:stop])
            if self.open and stream != HELLO_STREAM:
                events.append(Message(service, body))
            else:
                self._greeted(stream, service, body, events)
            at = stop
        return at

    def _greeted(self, stream: int, service: bytes, body: bytes, events: list[Event]) -> None:
        """What came on the stream of the hello, or before its answer."""
        if self.closed:
            return  # the node has refused the hello, and hangs up
        if stream != HELLO_STREAM:
            raise ProtocolError(f"a message of {service[:40]!r} came before the hello was answered")
        if service == b"hello-ack" and not self.open:
            node, incarnation = decode_ack(body)
            self.open = True
            events.append(Accepted(node, incarnation))
        elif service == b"hello-reject" and not self.open:
            self.closed = True
            events.append(Rejected(decode_reject(body)))
        else:
            raise ProtocolError(f"{service[:40]!r} came on the stream of the hello")

