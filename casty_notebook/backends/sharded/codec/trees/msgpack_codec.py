"""Trees as msgpack (PROTOCOL section 4.4). The library is imported when the first message is read or written."""

from __future__ import annotations

from typing import Any

from casty_notebook.backends.sharded.codec.trees.tree import TreeReader
from casty_notebook.settings import Settings
from casty_notebook.values.limits.plain_msgpack import parse_msgpack
from casty_notebook.values.limits.pre_scan import skim_msgpack

__all__ = ["read_msgpack"]


def read_msgpack(data: bytes, start: int, reader: TreeReader, settings: Settings) -> Any:
    """Read the message that begins at `start`.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, is nested beyond the parser's depth, promises more items than allowed, or what `reader`
        refuses.
    """

    def parse() -> tuple[Any, int]:
        brackets = skim_msgpack(data, start, reader.guard)
        with memoryview(data) as view:
            return parse_msgpack(view[start:] if start else data, settings, reader.object), brackets

    return reader.read(parse)


