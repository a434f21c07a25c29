"""Frames: ``u8 version | u8 type | u16 flags | u32 stream | u32 n`` and, of data frames alone, n bytes (VIRTUAL section 2.1)."""

from __future__ import annotations

import struct
from enum import IntEnum

from casty_notebook.errors import ProtocolError

__all__ = ["HEADER", "VERSION", "FrameReader", "FrameType", "encode_data", "encode_pong", "encode_window"]

VERSION = 2
HEADER = struct.Struct(">BBHII")
_SIZE = HEADER.size


class FrameType(IntEnum):
    """What a frame is."""

    DATA = 0
    WINDOW = 1
    """Credit for a stream: `n` more bytes may be sent on it."""
    PING = 2
    GOODBYE = 3
    """The node is about to close the connection."""
    PONG = 4


_TLS_ALERT = 0x15
"""The first byte of what a node with TLS says to a plain hello."""
_DATA, _LAST = int(FrameType.DATA), max(FrameType)

type Frame = tuple[int, int, int, bytes]
"""(type, stream, n, body)."""


def encode_data(stream: int, body: bytes) -> bytes:
    """One data frame.

    Examples
    --------
    >>> encode_data(1, b"abc").hex(" ", -4)
    '02000000 00000001 00000003 616263'
    """
    return HEADER.pack(VERSION, _DATA, 0, stream, len(body)) + body


def encode_window(stream: int, credit: int) -> bytes:
    """Credit for what was read of a stream."""
    return HEADER.pack(VERSION, FrameType.WINDOW, 0, stream, credit)


def encode_pong() -> bytes:
    """The answer to a ping."""
    return HEADER.pack(VERSION, FrameType.PONG, 0, 0, 0)


class FrameReader:
    """Turns bytes, in pieces of any size, into whole frames.

    Parameters
    ----------
    max_frame
        Longest data frame that is accepted, in bytes: what both sides agreed on in the hello.
    """

    __slots__ = ("_held", "_max_frame")

    def __init__(self, max_frame: int) -> None:
        self._max_frame = max_frame
        self._held = bytearray()

    def receive(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take bytes; return the frames that are whole now.

        Raises
        ------
        ProtocolError
            For another version, a frame type that does not exist, flags, or a frame that is too long.
        """
        held = self._held
        if held:
            held += data
            frames, at = self._whole(held)
            if at:
                del held[:at]
        else:
            # The usual case: no bytes are left over from before, so that none are copied twice.
            frames, at = self._whole(data)
            if at < len(data):
                held += data[at:]
        if held and held[0] != VERSION:
            # A server of another kind may send less than a header and then wait for us; its first byte gives it away.
            raise ProtocolError(_strange(held[0], 0, 0, bytes(held[:_SIZE])))
        return frames

    def _whole(self, data: bytes | bytearray | memoryview) -> tuple[list[Frame], int]:
        """The frames that are whole, and where they end."""
        frames: list[Frame] = []
        at, end = 0, len(data)
        while end - at >= _SIZE:
            version, kind, flags, stream, size = HEADER.unpack_from(data, at)
            if version != VERSION or kind > _LAST or flags:
                raise ProtocolError(_strange(version, kind, flags, bytes(data[at : at + _SIZE])))
            if kind != _DATA:
                frames.append((kind, stream, size, b""))
                at += _SIZE
                continue
            if size > self._max_frame:
                raise ProtocolError(f"a frame of {size:,} bytes came where {self._max_frame:,} were agreed on")
            stop = at + _SIZE + size
            if stop > end:
                break
            frames.append((kind, stream, size, bytes(data[at + _SIZE : stop])))
            at = stop
        return frames, at


def _strange(version: int, kind: int, flags: int, head: bytes) -> str:
    if version == _TLS_ALERT:
        return "a node with TLS answers there: pass tls=TLS(certfile, keyfile, cafile)"
    if version != VERSION:
        return (
            f"frames of version {version} came, and this client speaks version {VERSION} (casty 0.30): {head.hex(' ')}; "
            "it may be a newer casty, or no casty at all"
        )
    return f"a frame of type {kind} with flags {flags} came, which casty 0.30 does not have: {head.hex(' ')}"
