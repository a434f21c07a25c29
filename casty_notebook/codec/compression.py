"""Compression of whole payloads (PROTOCOL section 4.5), undone piece by piece within a bound."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Protocol

from casty_notebook.errors import MisuseError, UndecodableMessage

__all__ = ["ALGORITHMS", "compress", "decompress"]

ALGORITHMS = ("zlib", "gzip", "bz2", "lzma", "lz4")
_LEVEL = 6
"""What nodes use unless configured otherwise; a reader does not care."""
_CHUNK = 256 * 1024
_MAX_MEMBERS = 64
"""Concatenated streams in one payload. Honest writers make one; each costs a fresh decompressor."""
_LZMA_MEMORY = 128 * 1024 * 1024
"""The strongest preset needs 65 MiB to undo; a hostile header may ask for 4 GiB."""


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
_READERS: dict[str, Callable[[], Any]] = {
    "zlib": lambda: _Zlib(zlib.MAX_WBITS),
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "bz2": lambda: _bz2().BZ2Decompressor(),
    "lzma": lambda: _lzma().LZMADecompressor(memlimit=_LZMA_MEMORY),
    "lz4": lambda: _lz4().LZ4FrameDecompressor(),
}


def compress(algorithm: str, data: bytes) -> bytes:
    """Compress a payload."""
    return _WRITERS[algorithm](data)


def decompress(algorithm: str, data: bytes, limit: int) -> bytes:
    """Undo the compression, never holding more than `limit` bytes and one chunk.

    Raises
    ------
    UndecodableMessage
        If the data is damaged, cut short, followed by something else, or longer than `limit` when decompressed.
    """
    try:
        return _inflate(algorithm, data, limit)
    except (MisuseError, UndecodableMessage):
        raise
    except Exception as error:
        # Each library has errors of its own: zlib.error, OSError, LZMAError, RuntimeError.
        reason = str(error)[:120]
    raise UndecodableMessage(f"a payload is not {algorithm}: {reason}; its first bytes are {data[:12].hex(' ')}")


def _inflate(algorithm: str, data: bytes, limit: int) -> bytes:
    pieces: list[bytes] = []
    size, members = 0, 0
    while data:
        if members == _MAX_MEMBERS or (members and algorithm == "zlib"):
            raise UndecodableMessage(f"something follows the {algorithm} payload: {data[:12].hex(' ')}")
        members += 1
        inflater: _Inflater = _READERS[algorithm]()
        feed = data
        while not inflater.eof:
            piece = inflater.decompress(feed, max_length=min(_CHUNK, limit - size + 1))
            feed = b""
            size += len(piece)
            if size > limit:
                raise UndecodableMessage(f"a {algorithm} payload of more than {limit:,} bytes (Settings.max_payload)")
            pieces.append(piece)
            if not piece and inflater.needs_input and not inflater.eof:
                raise UndecodableMessage(f"a {algorithm} payload ends too early")
        data = inflater.unused_data or b""
        if algorithm == "gzip":
            data = data.lstrip(b"\0")  # padding that tapes and gzip's own readers allow
    if not members:
        raise UndecodableMessage(f"an empty payload is not {algorithm}")
    return b"".join(pieces)
