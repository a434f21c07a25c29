"""The smallest pieces of a pickle: scalars, names and memo references as opcodes."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.scalars import MAX_INT_BYTES
from casty_notebook.errors import UnsendableMessage

__all__ = ["SCALARS", "integer", "name", "octets", "real", "recall", "text"]

_DOUBLE, _INT4 = Struct(">cd"), Struct("<ci")
_SMALL = [b"K" + bytes([number]) for number in range(256)]
_SHORT_TEXT = [b"\x8c" + bytes([size]) for size in range(256)]
_RECALL = [b"h" + bytes([index]) for index in range(256)]


def text(value: str) -> bytes:
    """Write a str. Half a character is refused: a node that hashes, logs or stores it fails, and says so to nobody."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise UnsendableMessage(
            f"{value[:60]!r} has a lone surrogate in it, half a character: no text for a node. Send bytes, or what was meant"
        ) from None
    size = len(data)
    if size < 256:
        return _SHORT_TEXT[size] + data
    if size < 1 << 32:
        return b"X" + size.to_bytes(4, "little") + data
    return b"\x8d" + size.to_bytes(8, "little") + data


def octets(value: bytes) -> bytes:
    """Write a bytes."""
    size = len(value)
    if size < 256:
        return b"C%c%b" % (size, value)
    if size < 1 << 32:
        return b"B" + size.to_bytes(4, "little") + value
    return b"\x8e" + size.to_bytes(8, "little") + value


def integer(value: int) -> bytes:
    """Write an int; one too long for our own reader is refused, so that what is sent can also be answered."""
    if 0 <= value < 256:
        return _SMALL[value]
    if 0 <= value < 65536:
        return b"M" + value.to_bytes(2, "little")
    if -(1 << 31) <= value < 1 << 31:
        return _INT4.pack(b"J", value)
    size = (value.bit_length() >> 3) + 1
    data = value.to_bytes(size, "little", signed=True)
    if size < 256:
        return b"\x8a%c%b" % (size, data)
    if size > MAX_INT_BYTES:
        raise UnsendableMessage(f"an integer of {size:,} bytes; at most {MAX_INT_BYTES:,} are sent")
    return b"\x8b" + size.to_bytes(4, "little") + data


def real(value: float) -> bytes:
    """Write a float."""
    return _DOUBLE.pack(b"G", value)


def name(module: str, qualname: str) -> bytes:
    """Write the name of a class or function."""
    return text(module) + text(qualname) + b"\x93"


def recall(index: int) -> bytes:
    """Refer to the memo."""
    return _RECALL[index] if index < 256 else b"j" + index.to_bytes(4, "little")


SCALARS: dict[type, Callable[[Any], bytes]] = {
    str: text,
    int: integer,
    float: real,
    bool: lambda value: b"\x88" if value else b"\x89",
    type(None): lambda _: b"N",
    bytes: octets,
}
"""How scalars are written. They are not put into the memo, which would cost more than it saves."""
