"""Compression of whole payloads (PROTOCOL section 4.5), undone piece by piece within a bound."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol

from casty_notebook.errors import MisuseError, UndecodableMessage

__all__ = ["ALGORITHMS", "TooLong", "compress", "decompress", "longest"]

ALGORITHMS = ("zlib", "gzip", "bz2", "lzma", "lz4")
_LEVEL = 6
"""The level that nodes use unless configured otherwise. It makes no difference to a reader."""
_CHUNK = 256 * 1024
_MAX_MEMBERS = 64
"""Concatenated streams in one payload. Honest writers make one; each costs a fresh decompressor."""
_MEMORY = {"bz2": (8 * 1024 * 1024,), "lzma": (20 * 1024 * 1024, 68 * 1024 * 1024)}
"""Bytes that a decompressor takes beside its result. For lzma the memory of presets up to 7 is tried first, then that of the
strongest: the more the decompressor may take, the less is left for the result. A hostile header may ask for 4 GiB."""
_NANOSECONDS = {"zlib": 6, "gzip": 6, "bz2": 80, "lzma": 40, "lz4": 2}
"""Nanoseconds that each byte of the result takes at its worst."""
_PADDING = re.compile(rb"\0*+")
"""Zeros that may follow a stream, as on tapes; gzip's own readers allow them, too."""


class TooLong(UndecodableMessage):
    """More than the bound when decompressed."""


class _Inflater(Protocol):
    """What the decompressor objects of bz2, lzma and lz4.frame have in common."""

    eof: bool
    unused_data: bytes | None
    needs_input: bool

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """zlib's object with the face of the others."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail or data, max_length)


def _lz4() -> Any:
    try:
        import lz4.frame
    except ImportError:
        raise MisuseError("compression='lz4' needs the package lz4: pip install lz4") from None
    return lz4.frame


def _bz2() -> Any:
    import bz2

    return bz2


def _lzma() -> Any:
    import lzma

    return lzma


def _gzip() -> Any:
    import gzip

    return gzip


_WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": lambda data: zlib.compress(data, _LEVEL),
    "gzip": lambda data: _gzip().compress(data, _LEVEL),
    "bz2": lambda data: _bz2().compress(data, _LEVEL),
    "lzma": lambda data: _lzma().compress(data, preset=_LEVEL),
    "lz4": lambda data: _lz4().compress(data, compression_level=_LEVEL),
}
_READERS: dict[str, Callable[[int], Any]] = {
    "zlib": lambda _: _Zlib(zlib.MAX_WBITS),
    "gzip": lambda _: _Zlib(16 + zlib.MAX_WBITS),
    "bz2": lambda _: _bz2().BZ2Decompressor(),
    "lzma": lambda memory: _lzma().LZMADecompressor(memlimit=memory),
    "lz4": lambda _: _lz4().LZ4FrameDecompressor(),
}


def longest(algorithm: str, seconds: float) -> int:
    """How much can be decompressed in that time, by a count of what each byte takes at its worst."""
    return int(seconds * 1e9) // _NANOSECONDS[algorithm]


def compress(algorithm: str, data: bytes) -> bytes:
    """Compress a payload."""
    return _WRITERS[algorithm](data)


def decompress(algorithm: str, data: bytes | memoryview, limit: int, room: int | None = None) -> bytes:
    """Undo the compression, never holding more than `limit` bytes and one chunk.

    Parameters
    ----------
    room
        Bytes of memory for the result and for the decompressor; without it `limit` is for the result alone.

    Raises
    ------
    UndecodableMessage
        If the data is damaged, cut short, followed by something else, or longer than `limit` when decompressed.
    """
    try:
        *most, last = _MEMORY.get(algorithm, (0,))
        for memory in most:
            try:
                return _inflate(algorithm, memory, memoryview(data), _left(limit, room, memory))
            except Exception as error:
                if "Memory usage limit" not in str(error):
                    raise
        return _inflate(algorithm, last, memoryview(data), _left(limit, room, last))
    except (MisuseError, UndecodableMessage):
        raise
    except Exception as error:
        # Each library has errors of its own: zlib.error, OSError, LZMAError, RuntimeError.
        reason = str(error)[:120]
    raise UndecodableMessage(f"a payload is not {algorithm}: {reason}; its first bytes are {bytes(data[:12]).hex(' ')}")


def _left(limit: int, room: int | None, memory: int) -> int:
    return limit if room is None else max(0, min(limit, room - memory))


def _inflate(algorithm: str, memory: int, data: memoryview, limit: int) -> bytes:
    # Not pieces and join, which would hold everything twice; the buffer hands over what it has without a copy.
    plain = BytesIO()
    members = 0
    while data:
        if members == _MAX_MEMBERS or (members and algorithm == "zlib"):
            raise UndecodableMessage(f"something follows the {algorithm} payload: {bytes(data[:12]).hex(' ')}")
        members += 1
        data = data[_inflate_member(algorithm, _READERS[algorithm](memory), data, plain, limit) :]
        padding = _PADDING.match(data) if algorithm == "gzip" else None
        if padding is not None:
            data = data[padding.end() :]
    if not members:
        raise UndecodableMessage(f"an empty payload is not {algorithm}")
    return plain.getvalue()


def _inflate_member(algorithm: str, inflater: _Inflater, data: memoryview, plain: BytesIO, limit: int) -> int:
    """Append one stream to `plain`; returns where it ends."""
    fed = 0
    while not inflater.eof:
        # In chunks, because the libraries copy what they have not used yet at every call.
        feed = bytes(data[fed : fed + _CHUNK]) if inflater.needs_input else b""
        fed += len(feed)
        piece = inflater.decompress(feed, max_length=min(_CHUNK, limit - plain.tell() + 1))
        plain.write(piece)
        if plain.tell() > limit:
            raise TooLong(
                f"a {algorithm} payload of more than {limit:,} bytes "
                "(Settings.max_payload, Settings.max_memory, Settings.max_work)"
            )
        if not piece and not feed and inflater.needs_input and not inflater.eof:
            raise UndecodableMessage(f"a {algorithm} payload ends too early")
    return fed - len(inflater.unused_data or b"")
