"""Trees in msgpack, within the bounds of memory and work. The library is imported when the first one is read or written."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.limits.budget import CostGuard, Refused
from casty_notebook.values.limits.pre_scan import skim_msgpack
from casty_notebook.values.registry import Registry

__all__ = ["dump_msgpack", "parse_msgpack", "read_plain", "whole_value"]

_LONG = 1 << 18
"""Bytes from which on the parser is to let the loop have its turn."""
_LONGEST = 1 << 19
"""Items of one list. The parser makes a list as long as its header says before it has the items, up to 1,024 of them
within one another: address space of at most 4 GiB, of which only what is filled becomes memory."""


def _library() -> ModuleType:
    try:
        import msgpack
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


def read_plain(data: bytes, settings: Settings, held: int = 0) -> Any:
    """Read a tree that holds no message, within the same bounds of memory and work.

    Parameters
    ----------
    held
        Bytes that are in memory already because of it, beside `data`.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, or beyond a bound; says which.
    """
    guard = CostGuard(Registry(str, lambda _: None), settings, held + len(data), len(data))
    try:
        skim_msgpack(data, 0, guard, kept=True)
        return parse_msgpack(data, settings)
    except Refused as error:
        raise UndecodableMessage(str(error)) from None


def parse_msgpack(data: bytes | memoryview, settings: Settings, hook: Callable[[Any], Any] | None = None) -> Any:
    """Read a tree; each of its maps is replaced by what `hook` makes of it.

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
            object_hook=hook,
            # Between two functions in Python the interpreter lets other threads run.
            list_hook=_same if len(data) >= _LONG else None,
            ext_hook=_refuse_extension,
            timestamp=1,  # a float; no node writes one, and no hook is asked
            max_array_len=min(longest, _LONGEST),
            max_map_len=longest,
        )
    except (ValueError, TypeError, RecursionError, library.UnpackException) as error:
        text = str(error) or type(error).__name__
        raise UndecodableMessage(f"not msgpack ({text[:100]}): {bytes(data[:30]).hex(' ')}") from None


def whole_value(data: bytes, settings: Settings) -> bytes:
    """The value that `data` begins with, without what lies behind it.

    Raises
    ------
    UndecodableMessage
        As `parse_msgpack`, and for what ends too early.
    """
    library = _library()
    longest = min(len(data), settings.max_items)
    unpacker = library.Unpacker(max_buffer_size=len(data), max_array_len=min(longest, _LONGEST), max_map_len=longest)
    unpacker.feed(data)
    try:
        unpacker.skip()
    except (ValueError, TypeError, RecursionError, library.UnpackException) as error:
        raise UndecodableMessage(f"not msgpack ({str(error)[:100] or type(error).__name__})") from None
    return data[: unpacker.tell()]


def _same(items: list[Any]) -> list[Any]:
    return items


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise Refused(f"an extension of type {code}, {len(data)} bytes")
