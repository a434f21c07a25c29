"""One TCP connection to one node: handshake, frames in, frames out, and a strict account of what never reached the socket."""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from typing import Protocol, cast

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.state import Outgoing
from casty_notebook.backends.sharded.wire import HANDSHAKE, FrameReader, decode_handshake, encode_handshake
from casty_notebook.errors import ProtocolError
from casty_notebook.loops.alarm import Alarm
from casty_notebook.loops.drain import shut
from casty_notebook.recognition import explain_first_bytes
from casty_notebook.settings import Settings

__all__ = ["LinkOwner", "LinkProtocol"]

READ_FIRST, READ_MOST = 16 * 1024, 256 * 1024
"""Bytes of the buffer that a socket is read into; it grows for one that fills it, as snapshots of large clusters do."""
WRITE_CHUNK = 256 * 1024
"""Bytes given to the transport at once; what a lost link may have half sent is bounded by this and the socket's buffer."""

BESIDES = 1024
"""Bytes of memory that a waiting frame takes besides its own, about: its envelope and its entry in the queue."""


class LinkOwner(Protocol):
    """Who is told what happens on a link."""

    def link_connected(self, link: LinkProtocol) -> None: ...
    def link_opened(self, link: LinkProtocol, node: NodeAddress) -> None: ...
    def frames_received(self, link: LinkProtocol, frames: list[tuple[int, bytes]]) -> None: ...
    def link_ended(self, link: LinkProtocol, reason: str) -> None: ...
    def link_flushed(self, link: LinkProtocol) -> None: ...
    def link_stuffed(self, link: LinkProtocol, *, stuffed: bool) -> None: ...
    def socket_opened(self, link: LinkProtocol) -> None: ...
    def socket_closed(self, link: LinkProtocol) -> None: ...


class LinkProtocol(asyncio.Protocol, asyncio.BufferedProtocol):
    """connecting --made--> greeting --handshake reply--> open --lost | hang_up--> ended.

    Sockets are always drained (PROTOCOL section 9: a node queues without bound for a peer that does not read).

    It is two protocols in one. As a `BufferedProtocol` it lets asyncio read sockets into our own buffer: otherwise asyncio
    allocates 256 KiB for each read, which the system maps and takes back every time, and which costs as much as everything
    else about a reply. SSH channels and uvloop do not know such protocols and call `data_received`.
    """

    def __init__(
        self, link_id: int, dialled: NodeAddress, identity: NodeAddress, settings: Settings, owner: LinkOwner
    ) -> None:
        self.id = link_id
        self.dialled = dialled
        self.node: NodeAddress | None = None
        self.identity = identity
        self._settings = settings
        self._owner = owner
        self._reader = FrameReader(settings.max_frame)
        self._transport: asyncio.Transport | None = None
        self._greeting: Alarm | None = None
        self._first_bytes = b""
        self._room = memoryview(bytearray(READ_FIRST))
        self._queue: dict[int, tuple[Outgoing, bytes]] = {}
        self._queued_bytes = 0
        self._paused = False
        self._flush_due = False
        self.ended = False
        self._left_over = 0
        self._secure = False
        self.mute = False
        """It ended before a byte came, on a connection without TLS. A node that expects TLS does that, for one."""
        self.verdict = False
        """What ended it will end the next one as well: something has to be configured differently."""

    @property
    def reached(self) -> str | None:
        """The literal address at the other end, where the transport knows one."""
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(peer[0]) if isinstance(peer, tuple) and peer else None

    @property
    def heard(self) -> bool:
        """Something came before the handshake was complete."""
        return bool(self._first_bytes)

    # --- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._owner.socket_opened(self)
        if self.ended:
            self._transport.abort()
            return
        self._greeting = Alarm(asyncio.get_running_loop(), self._greeting_late)
        self._greeting.by(monotonic() + self._settings.handshake_timeout)
        self._transport.write(encode_handshake(self.identity))
        self._owner.link_connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio does not know either
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        room = self._room
        if nbytes == len(room) < READ_MOST:
            self._room = memoryview(bytearray(4 * len(room)))
        self.data_received(bytes(room[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        if self.node is None:
            self._first_bytes = (self._first_bytes + data[:256])[:256]
        try:
            frames = self._reader.receive(data)
        except ProtocolError as error:
            # A frame beyond our bound is a verdict: whoever asks again gets the same frame again.
            self.verdict = self.node is not None and "max_frame" in str(error)
            self._fail(self._say_foreign() or str(error))
            return
        if self.node is None and frames:
            frames = self._greet(frames)
        if frames and not self.ended:
            self._owner.frames_received(self, frames)
            # Written at the end of this turn of the loop, so that what those ask next who got replies leaves at once.
            self._flush_soon()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.socket_closed(self)
        if self.node is None:
            self._fail(self._say_no_greeting(exc))
        else:
            self._fail(f"connection lost: {exc}" if exc is not None else "the node closed the connection")

    def pause_reading(self) -> None:
        """Leave what the node sends in its socket for a moment: what came is still being read."""
        if self._transport is not None and not self.ended:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self.ended:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._paused = True
        self._owner.link_stuffed(self, stuffed=True)

    def resume_writing(self) -> None:
        self._paused = False
        self._owner.link_stuffed(self, stuffed=False)
        self._flush()

    # --- greeting --------------------------------------------------------------------------------------------------

    def _greet(self, frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        kind, body = frames[0]
        try:
            if kind != HANDSHAKE:
                raise ProtocolError(f"the first frame has type {kind}, not a handshake (0)")
            self.node = decode_handshake(body)
        except ProtocolError as error:
            self._fail(self._say_foreign() or str(error))
            return []
        if self._greeting is not None:
            self._greeting.stop()
        self._first_bytes = b""
        self._owner.link_opened(self, self.node)
        return frames[1:]

    def _greeting_late(self) -> None:
        seen = self._say_foreign() or (
            f"answered {len(self._first_bytes)} bytes that are no handshake"
            if self._first_bytes
            else "accepts connections but says nothing: its process stands still, or is a casty of 0.14 or older, a TLS node, or "
            "no casty node"
        )
        self._fail(f"no handshake within {self._settings.handshake_timeout:g} s; it {seen}")

    def _say_foreign(self) -> str | None:
        return explain_first_bytes(self._first_bytes) if self.node is None and self._first_bytes else None

    def _say_no_greeting(self, exc: Exception | None) -> str:
        if self._secure:
            return self._say_certificate(exc)
        self.mute = not self._first_bytes
        if exc is not None and not isinstance(exc, ConnectionResetError | BrokenPipeError):
            return f"connection lost during the handshake: {exc}"
        return self._say_foreign() or (
            "closed the connection without answering the handshake: a casty of 0.22 or newer, a node that expects TLS (or "
            "another client certificate), or an identity that is in use"
        )

    def _say_certificate(self, exc: Exception | None) -> str:
        """A node that refuses our certificate says so, if at all, only after TLS 1.3 looks established (PROTOCOL section 1.3)."""
        self.verdict = True
        alert = f" ({exc.reason})" if isinstance(exc, ssl.SSLError) and exc.reason else ""
        return (
            f"closed the connection right after the TLS handshake{alert}: it probably rejected our client certificate, "
            "which must be signed by the authority that the nodes are given as cafile; see tls="
        )

    # --- sending ---------------------------------------------------------------------------------------------------

    def send(self, outgoing: Outgoing, frame: bytes) -> bool:
        """Take one frame. Returns False if what waits for the socket is at the bound, and the socket takes no more."""
        if self.ended:
            return False
        waits = len(self._queue)
        if waits and self._queued_bytes + waits * BESIDES + len(frame) > self._settings.max_buffered_bytes:
            # Frames of this turn of the loop are only written at its end: write them now, before one is refused.
            self._write()
            if self._queue:
                return False
        self._queue[id(outgoing)] = (outgoing, frame)
        self._queued_bytes += len(frame)
        self._flush_soon()
        return True

    def recall(self, outgoing: Outgoing) -> bool:
        """Take a frame back if it has not been given to the transport."""
        entry = self._queue.pop(id(outgoing), None)
        if entry is None:
            return False
        self._queued_bytes -= len(entry[1])
        return True

    def _flush_soon(self) -> None:
        """Write all that is sent in this turn of the loop at once, at its end.

        If the first of a hundred frames left at once, it would be answered ahead of the others, and so on round after round:
        both sides would wake twice for what they can do in one go. On two cores that halves the rate.
        """
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self._write()
        if not self._queue:
            self._owner.link_flushed(self)

    def _write(self) -> None:
        while self._queue and not self._paused and not self.ended and self._transport is not None:
            self._transport.write(self._next_chunk())

    def _next_chunk(self) -> bytes:
        if self._queued_bytes <= WRITE_CHUNK:
            chunk = b"".join([frame for _, frame in self._queue.values()])
            self._queue.clear()
            self._queued_bytes = 0
            return chunk
        taken: list[int] = []
        frames: list[bytes] = []
        size = 0
        for key, (_, frame) in self._queue.items():
            if size >= WRITE_CHUNK:
                break
            taken.append(key)
            frames.append(frame)
            size += len(frame)
        for key in taken:
            del self._queue[key]
        self._queued_bytes -= size
        return b"".join(frames)

    @property
    def waits(self) -> bool:
        """Something was not given to the transport yet."""
        return bool(self._queue)

    def take_back(self) -> tuple[Outgoing, ...]:
        """Give back everything that was not given to the transport."""
        unsent = self.unsent
        self._queue.clear()
        self._queued_bytes = 0
        return unsent

    @property
    def unsent(self) -> tuple[Outgoing, ...]:
        """What was never given to the transport, in order."""
        return tuple(outgoing for outgoing, _ in self._queue.values())

    # --- ending ----------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Flush everything, then close; nothing is reported any more."""
        if self.ended:
            return
        self._stop()
        self._left_over = len(self._queue) if self._paused else 0
        if self._transport is not None:
            while self._queue:
                self._transport.write(self._next_chunk())
            self._transport.close()

    @property
    def unread(self) -> tuple[int, int]:
        """At least how many messages, and how many bytes, a link that was hung up has not written to its socket yet."""
        size = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return (max(1, self._left_over), size) if size else (0, 0)

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

    def _fail(self, reason: str) -> None:
        if self.ended:
            return
        self._stop()
        if self._transport is not None:
            self._transport.abort()
        self._owner.link_ended(self, reason)
