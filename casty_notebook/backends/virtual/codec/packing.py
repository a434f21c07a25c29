"""msgpack, read within bounds (VIRTUAL section 2.2)."""

from __future__ import annotations

from typing import Any, NoReturn

import msgpack

from casty_notebook.errors import UndecodableMessage, UnsendableMessage

__all__ = ["MAX_VALUES", "pack", "unpack"]

MAX_VALUES = 1_000_000
"""Values in one message. A message has 4 MiB in casty's own settings, and a value takes a byte there and up to 64 here."""

_CONTAINERS = bytes([*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF])
_KEPT = 1024 * 1024
"""Bytes of a message whose room is not kept for the next."""
_packer = msgpack.Packer()
"""One for all: it writes trees of plain values in one go, and runs no code of anybody's meanwhile."""
_SMALL = 64 * 1024
"""Bytes of a message that cannot hold enough values to matter."""


def pack(tree: Any) -> bytes:
    """Write a tree.

    Raises
    ------
    UnsendableMessage
        For an integer beyond 64 bits, or text that is not Unicode.
    """
    global _packer
    try:
        packed: bytes = _packer.pack(tree)
    except (ValueError, OverflowError, TypeError) as error:
        raise UnsendableMessage(f"the message cannot be written: {error}") from None
    if len(packed) > _KEPT:
        _packer = msgpack.Packer()
    return packed


def unpack(data: bytes) -> Any:
    """Read a tree.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, or holds more values than `MAX_VALUES`.
    """
    if len(data) > _SMALL:
        # Each container costs far more here than there, and this is as fast as looking at bytes can be. Bytes within texts
        # count too: a long text with so many of them is none that a person asked for.
        containers = len(data) - len(data.translate(None, _CONTAINERS))
        if containers > MAX_VALUES:
            raise UndecodableMessage(f"a message of {len(data):,} bytes with {containers:,} lists; {MAX_VALUES:,} are read")
    try:
        return msgpack.unpackb(
            data, strict_map_key=True, ext_hook=_refuse_extension, timestamp=1,
            max_array_len=min(len(data), MAX_VALUES), max_map_len=min(len(data), MAX_VALUES),
        )  # fmt: skip
    except UndecodableMessage:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        said = str(error) or type(error).__name__
        raise UndecodableMessage(f"not msgpack ({said[:100]}): {data[:30].hex(' ')}") from None


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise UndecodableMessage(f"an extension of type {code}, {len(data)} bytes; casty 0.30 writes none")
