"""Frames: ``u32 N | u8 type | N-1 bytes of body``, the only structure of the byte stream (PROTOCOL section 1.1)."""

from __future__ import annotations

from io import BytesIO
from struct import Struct

from casty_notebook.errors import MisuseError, ProtocolError
from casty_notebook.settings import Settings

__all__ = ["HANDSHAKE", "MAX_FRAME", "MESSAGE", "FrameReader", "encode_frame"]

HANDSHAKE = 0
"""Type of the first frame in each direction. Later ones are ignored by nodes."""
MESSAGE = 1
"""Type of every other frame. Unknown types are read and ignored by nodes, so a client does the same."""
MAX_FRAME = Settings().max_frame

_HEADER = Struct(">IB")
_LENGTH_BYTES = 4
_LONG = 64 * 1024
"""Length of a frame from which on copies of it are avoided."""


def encode_frame(kind: int, body: bytes, max_frame: int = MAX_FRAME) -> bytes:
    """Build one frame. `max_frame` bounds N, the type byte plus the body.

    A frame of length zero, which makes a node deaf for ever (PROTOCOL section 1.1), cannot be expressed: N counts
    the type byte.

    Raises
    ------
    MisuseError
        If `kind` is not a byte or the frame would be longer than `max_frame`.

    Examples
    --------
    >>> encode_frame(MESSAGE, b"abc").hex(" ")
    '00 00 00 04 01 61 62 63'
    """
    length = len(body) + 1
    if length > max_frame:
        raise MisuseError(
            f"this message makes a frame of {length:,} bytes; at most {max_frame:,} are allowed (Settings.max_frame)"
        )
    if not 0 <= kind <= 255:
        raise MisuseError(f"{kind} is not a frame type; a type is one byte")
    return _HEADER.pack(length, kind) + body


class FrameReader:
    """reading --bad length--> failed. Bytes in, complete frames out; allocates nothing for what is only promised.

    Feed it whatever the socket gave. The cost is linear in the bytes fed, whatever their chunking.

    Attributes
    ----------
    error
        The `ProtocolError` that ended the stream, or None. Set as soon as the four length bytes of the bad frame are
        here, even when `receive` still returned the frames before it.

    Examples
    --------
    >>> reader = FrameReader(max_frame=100)
    >>> reader.receive(bytes.fromhex("00 00 00 03 01 68"))
    []
    >>> reader.pending
    6
    >>> reader.receive(bytes.fromhex("69"))
    [(1, b'hi')]
    """

    __slots__ = ("_body", "_buffer", "_kind", "_max_frame", "_missing", "error")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        # Of a long frame, once it has begun: BytesIO hands its bytes over without a copy, a bytearray cannot.
        self._body: BytesIO | None = None
        self._kind = 0
        self._missing = 0
        self._max_frame = max_frame
        self.error: ProtocolError | None = None

    @property
    def pending(self) -> int:
        """Bytes of an incomplete frame; not 0 at end of stream means that the peer stopped in the middle of one."""
        return len(self._buffer) if self._body is None else _HEADER.size + self._body.tell()

    def receive(self, data: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Take bytes, return the frames they complete as ``(type, body)``.

        When complete frames precede a bad length they are returned, `error` is set, and the next call raises it;
        otherwise this call raises it.

        Raises
        ------
        ProtocolError
            A length of zero or above `max_frame`. The stream has no way to resynchronise: drop the connection.
        """
        if self.error is not None:
            raise self.error
        body = self._body
        if body is None:
            return self._receive(data)
        view = memoryview(data)
        rest = view[self._missing :]
        self._missing -= body.write(view[: self._missing])
        if self._missing:
            return []
        frame = self._kind, body.getvalue()
        self._body = None
        try:
            return [frame, *self._receive(rest)]
        except ProtocolError:
            return [frame]  # `error` is set; the next call raises it

    def _receive(self, data: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        buffer = self._buffer
        if buffer:
            buffer += data
            if not self._promising(buffer):
                return []
            with memoryview(buffer) as view:
                frames, used = self._split(view)
            del buffer[:used]
            if self._begin_long(buffer, 0):
                buffer.clear()
        else:
            frames, used = self._split(data)
            if used < len(data) and not self._begin_long(data, used):
                buffer += data[used:]
        if self.error is not None:
            buffer.clear()
            if not frames:
                raise self.error
        return frames

    def _begin_long(self, data: bytes | bytearray | memoryview, start: int) -> bool:
        """Whether a long frame begins at `start`, which is then collected by itself."""
        if self.error is not None or len(data) - start < _HEADER.size:
            return False
        length, kind = _HEADER.unpack_from(data, start)
        if length < _LONG:
            return False
        self._body, self._kind = BytesIO(), kind
        with memoryview(data) as view:
            self._missing = length - 1 - self._body.write(view[start + _HEADER.size :])
        return True

    def _promising(self, buffer: bytearray) -> bool:
        """Whether a look at the buffer can bring anything: a frame is complete, or its length can be judged."""
        if len(buffer) < _LENGTH_BYTES:
            return False
        length = int.from_bytes(buffer[:_LENGTH_BYTES])
        if not 0 < length <= self._max_frame or (length >= _LONG and len(buffer) >= _HEADER.size):
            return True
        return len(buffer) >= _LENGTH_BYTES + length

    def _split(self, data: bytes | bytearray | memoryview) -> tuple[list[tuple[int, bytes]], int]:
        frames: list[tuple[int, bytes]] = []
        start, size, max_frame = 0, len(data), self._max_frame
        while size - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            length = int.from_bytes(data[start:body])
            if not 0 < length <= max_frame:
                self.error = ProtocolError(self._complaint(length, bytes(data[start : start + 16])))
                break
            end = body + length
            if end > size:
                break
            frames.append((data[body], bytes(data[body + 1 : end])))
            start = end
        return frames, start

    def _complaint(self, length: int, seen: bytes) -> str:
        what = "a frame of length 0" if length == 0 else f"a frame of {length:,} bytes was announced"
        return (
            f"{what}; allowed are 1 to {self._max_frame:,} (Settings.max_frame). "
            f"The bytes there: {seen.hex(' ')}. Either the peer speaks another protocol or the stream is damaged"
        )
