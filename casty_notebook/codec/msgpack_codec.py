"""Trees as msgpack (PROTOCOL section 4.4). The library is imported when the first message is read or written."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings

__all__ = ["dump_msgpack", "parse_msgpack"]

_LONGEST = 1 << 19
"""Items of one list. The parser makes a list as long as its header says before it has the items, up to 1,024 of them
within one another: address space of at most 4 GiB, of which only what is filled becomes memory."""


def _library() -> ModuleType:
    try:
        import msgpack  # type: ignore[import-untyped]
    except ImportError:
        raise MisuseError("serializer='msgpack' needs the package msgpack: pip install msgpack") from None
    module: ModuleType = msgpack
    return module


def dump_msgpack(tree: Any) -> bytes:
    """Write a tree; `UnsendableMessage` for an integer beyond 64 bits or text that is not Unicode."""
    library = _library()
    try:
        packed: bytes = library.packb(tree, use_bin_type=True)
    except (ValueError, OverflowError, TypeError) as error:
        raise UnsendableMessage(f"the message cannot be written as msgpack: {error}") from None
    return packed


def parse_msgpack(data: bytes, settings: Settings) -> Any:
    """Read a tree.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, is nested beyond the parser's depth, or promises more items than allowed.
    """
    library = _library()
    longest = min(len(data), settings.max_items)
    try:
        return library.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=min(longest, _LONGEST),
            max_map_len=longest,
        )
    except (ValueError, TypeError, RecursionError, library.UnpackException) as error:
        text = str(error) or type(error).__name__
        raise UndecodableMessage(f"not msgpack ({text[:100]}): {data[:30].hex(' ')}") from None
