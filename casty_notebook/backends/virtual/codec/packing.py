"""msgpack, read within bounds (VIRTUAL section 2.2)."""

from __future__ import annotations

from itertools import islice
from typing import Any, NoReturn

import msgpack

from casty_notebook.errors import UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.limits.plain_msgpack import read_plain

__all__ = ["glimpse", "pack", "unpack", "unpack_message", "where_bytes_begin"]

_BOUNDS = Settings()
_MOST_CONTAINERS = 5_000
"""Lists and maps in one message of the cluster's own: three for each member of its table, and a few around them."""
_LONGEST = 100_000
"""Items of one list or map in such a message. The parser allocates a list as long as its head says before it reads the items."""
_GLIMPSED = 40
"""Characters or bytes of a text that an error shows."""
_KEPT = 1024 * 1024
"""After a message of more bytes than this the packer is replaced: a packer keeps its buffer for the next message."""
_BYTES = {0xC4: 2, 0xC5: 3, 0xC6: 5}
"""Heads of byte strings, and how long each is."""
_packer = msgpack.Packer()
"""One packer for all threads: it writes a tree of plain values in one call, which runs no Python code in between."""
_SMALL = 64 * 1024
"""A message of no more bytes than this cannot hold so many values that their number would have to be checked."""


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
        raise UnsendableMessage(_culprit(tree, "") or f"the message cannot be written: {error}") from None
    if len(packed) > _KEPT:
        _packer = msgpack.Packer()
    return packed


def _culprit(tree: Any, where: str) -> str | None:
    """Which value cannot be written, by the names of the fields that lead to it."""
    if isinstance(tree, dict):
        return next((said for name, each in tree.items() if (said := _culprit(each, f"{where}.{name}"))), None)
    if isinstance(tree, list | tuple):
        return next((said for each in tree if (said := _culprit(each, where))), None)
    name = where.removeprefix(".") or "the message"
    if isinstance(tree, int) and not -(2**63) <= tree < 2**64:
        return f"{name}: {glimpse(tree)} does not fit into the 64 bits that casty 0.30 has for an integer"
    if isinstance(tree, str) and any("\ud800" <= each <= "\udfff" for each in tree):
        return f"{name}: {glimpse(tree)} holds half of a character, which no text of casty's may"
    return None


def unpack(data: bytes) -> Any:
    """Read a tree.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, or would take more memory or work than other backends' messages may.
    """
    return read_plain(data, _BOUNDS) if len(data) > _SMALL else _unpacked(data)


def where_bytes_begin(data: bytes, start: int = 0) -> int:
    """Where in `data` the content of a byte string begins, if that string is all of it from `start` on; otherwise 0.

    Examples
    --------
    >>> where_bytes_begin(pack(b"abc")), where_bytes_begin(pack("abc")), where_bytes_begin(pack(b"abc") + b"d")
    (2, 0, 0)
    """
    at = start + _BYTES.get(data[start], 0) if start < len(data) else start
    return at if at > start and len(data) - at == int.from_bytes(data[start + 1 : at]) else 0


def unpack_message(data: bytes) -> Any:
    """Read one of the cluster's own messages, whose lists and maps are few; what users send each other is a byte string there.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, or holds more lists and maps than the largest table of members.
    """
    if len(data) <= _SMALL:
        return _unpacked(data)
    count = 0

    def counted(container: Any) -> Any:
        nonlocal count
        count += 1
        if count > _MOST_CONTAINERS:
            raise UndecodableMessage(f"more than {_MOST_CONTAINERS:,} lists and maps came; no table of members has as many")
        return container

    return _unpacked(data, object_hook=counted, list_hook=counted)


def _unpacked(data: bytes, **hooks: Any) -> Any:
    longest = min(len(data), _LONGEST)
    try:
        return msgpack.unpackb(
            data, strict_map_key=True, ext_hook=_refuse_extension, timestamp=1, max_array_len=longest, max_map_len=longest,
            **hooks,
        )  # fmt: skip
    except UndecodableMessage:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        said = str(error) or type(error).__name__
        raise UndecodableMessage(f"not msgpack ({said[:100]}): {data[:30].hex(' ')}") from None


def glimpse(tree: Any, depth: int = 3) -> str:
    """The beginning of a tree as text, for an error; its cost does not grow with the tree.

    Examples
    --------
    >>> glimpse(["Reply", {"id": 7, "data": b"x" * 1000}])
    "['Reply', {'id': 7, 'data': b'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'… 1,000}]"
    >>> glimpse([[[[1]]]] + [0] * 100)
    '[[[…]], 0, 0, 0, 0, 0, … 101]'
    """
    if isinstance(tree, str | bytes):
        return repr(tree) if len(tree) <= _GLIMPSED else f"{tree[:_GLIMPSED]!r}… {len(tree):,}"
    if isinstance(tree, int) and tree.bit_length() > 200:
        return f"a number of {tree.bit_length():,} bits"
    if not isinstance(tree, list | dict):
        return repr(tree)
    left, right = ("{", "}") if isinstance(tree, dict) else ("[", "]")
    if depth <= 1:
        return f"{left}…{right}" if tree else left + right
    shown = [
        f"{glimpse(key)}: {glimpse(tree[key], depth - 1)}" if isinstance(tree, dict) else glimpse(key, depth - 1)
        for key in islice(tree, 6)
    ]
    more = f", … {len(tree):,}" if len(tree) > len(shown) else ""
    return f"{left}{', '.join(shown)}{more}{right}"


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise UndecodableMessage(f"an extension of type {code}, {len(data)} bytes; casty 0.30 writes none")
