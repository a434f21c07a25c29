"""One connection as bytes: what came in, what is to go out, and the credit for both (VIRTUAL section 2)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.wire.frames import FrameReader, FrameType, encode_data, encode_pong, encode_window
from casty_notebook.backends.virtual.wire.hello import Hello, Refusal, decode_ack, decode_reject
from casty_notebook.errors import ProtocolError

__all__ = ["Accepted", "Connection", "Leaving", "Message", "Rejected"]

HELLO_STREAM = 1
STREAM = 3
"""All that follows the hello."""
_STREAMS = 8
"""Streams that a node may open; casty 0.30 has two."""
_SURROUND = 1024
"""Bytes by which a message may be longer than its limit: the service's name and its own length."""
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


@dataclass(frozen=True, slots=True)
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
    after either call. Credit is given for all that is read, at once: a client that does not read makes a node hold its answers.
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
        self.open = False
        self.closed = False
        """The node refused the hello: nothing more is read."""
        self.heard_anything = False
        self._out: list[bytes] = []
        self._write(HELLO_STREAM, _framed(b"hello", hello.encode()))

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, service: bytes, body: bytes) -> bool:
        """Queue one message. Returns False, and keeps nothing of it, if too much waits for the node's credit already.

        Raises
        ------
        ValueError
            If it is longer than the cluster's limit for one message.
        """
        size = len(body)
        if size > self._limits.message:
            raise ValueError(f"{size:,} bytes; the cluster's limit for one message is {self._limits.message:,}")
        if self._pending and self.queued + size > self._max_queued:
            return False
        self._write(STREAM, _framed(service, body))
        return True

    def _write(self, stream: int, data: bytes) -> None:
        size = len(data)
        if not self._pending and size <= self._credit[stream] and size <= self._limits.frame:
            self._credit[stream] -= size
            self._out.append(encode_data(stream, data))
            return
        self._pending.append(memoryview(data))
        self.queued += size
        self._drain()

    def _drain(self) -> None:
        """Cut what waits into frames as far as there is credit. Only `STREAM` ever waits: a hello is shorter than any window."""
        pending = self._pending
        while pending and self._credit[STREAM] > 0:
            head = pending[0]
            size = min(len(head), self._credit[STREAM], self._limits.frame)
            self._out.append(encode_data(STREAM, bytes(head[:size])))
            self._credit[STREAM] -= size
            self.queued -= size
            if size == len(head):
                pending.popleft()
            else:
                pending[0] = head[size:]

    def data_to_send(self) -> bytes:
        """All bytes that are to be written now."""
        out, self._out = self._out, []
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
        read: dict[int, int] = {}
        for kind, stream, size, body in self._reader.receive(data):
            if kind == _DATA:
                read[stream] = read.get(stream, 0) + size
                self._data(stream, body, events)
            elif kind == _WINDOW:
                # Credit without end does no harm: what we send is bounded by what we have.
                if stream in self._credit:
                    self._credit[stream] += size
                    self._drain()
            elif kind == _PING:
                self._out.append(encode_pong())
            elif kind == _GOODBYE and self.open:
                events.append(Leaving())
        for stream, size in read.items():
            self._out.append(encode_window(stream, size))
        return events

    def _data(self, stream: int, body: bytes, events: list[Event]) -> None:
        held = self._incoming.get(stream)
        if held is None:
            if len(self._incoming) >= _STREAMS:
                raise ProtocolError(f"data came on more than {_STREAMS} streams; casty 0.30 has two")
            held = self._incoming[stream] = bytearray()
        if not held and len(body) >= 4 and len(body) == 4 + int.from_bytes(body[:4]):
            # As nearly always: one frame, one message.
            self._message(stream, body[4:], events)
            return
        held += body
        at = 0
        while len(held) - at >= 4:
            size = int.from_bytes(held[at : at + 4])
            if size > self._limits.message + _SURROUND:
                raise ProtocolError(f"a message of {size:,} bytes came; the cluster's limit is {self._limits.message:,}")
            if len(held) - at < 4 + size:
                break
            self._message(stream, bytes(held[at + 4 : at + 4 + size]), events)
            at += 4 + size
        if at:
            del held[:at]

    def _message(self, stream: int, data: bytes, events: list[Event]) -> None:
        length = data[0] if data else 0
        service, body = data[1 : 1 + length], data[1 + length :]
        if not length or len(service) < length:
            raise ProtocolError(f"a message came without the name of its service: {data[:24].hex(' ')}")
        if stream != HELLO_STREAM:
            if not self.open:
                raise ProtocolError(f"a message of {service[:40]!r} came before the hello was answered")
            events.append(Message(service, body))
        elif service == b"hello-ack" and not self.open:
            node, incarnation = decode_ack(body)
            self.open = True
            events.append(Accepted(node, incarnation))
        elif service == b"hello-reject" and not self.open:
            self.closed = True
            events.append(Rejected(decode_reject(body)))
        else:
            raise ProtocolError(f"{service[:40]!r} came on the stream of the hello")


def _framed(service: bytes, body: bytes) -> bytes:
    return b"".join(((1 + len(service) + len(body)).to_bytes(4), bytes((len(service),)), service, body))
