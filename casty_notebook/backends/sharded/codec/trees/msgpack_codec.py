"""Trees as msgpack (PROTOCOL section 4.4). The library is imported when the first message is read or written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from casty_notebook.backends.sharded.codec.trees.shard_tables import FEWEST, PLACE, ShardTables, read_by_tables
from casty_notebook.backends.sharded.codec.trees.tree import TreeReader
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.limits.budget import Refused
from casty_notebook.values.limits.plain_msgpack import parse_msgpack, whole_value
from casty_notebook.values.limits.pre_scan import skim_msgpack

__all__ = ["read_msgpack"]

_DICT = rb"\x81\xa8__dict__"
_INT = rb"[\x00-\x7f\xe0-\xff]|[\xcc\xd0].|[\xcd\xd1]..|[\xce\xd2].{4}|[\xcf\xd3].{8}"
_TABLE = re.compile(
    rb"%b(?:\xdc(..)|\xdd(....))(?=\x92(?:%b)([\x80-\x8f]\xa5_type[\xa0-\xbf\xd9].?casty[\w.]{1,100}ShardAllocation))"
    % (_DICT, _INT), re.DOTALL,
)  # fmt: skip
"""A long table: its size, and how its first placement begins."""
_PLACE = re.compile(_DICT)
_ARRAY, _PAIR = b"\xdd", b"\x92"
_PAIRS = 8
"""How many bytes per entry may look like an entry's beginning: its own, two in replicas, and some that are parts of numbers."""


def read_msgpack(data: bytes, start: int, reader: TreeReader, settings: Settings, *, bulk: bool = True) -> Any:
    """Read the message that begins at `start`.

    Parameters
    ----------
    bulk
        Read shard tables many entries at a time (see `shard_tables`). The result is the same without, at more cost.

    Raises
    ------
    UndecodableMessage
        For what is not msgpack, is nested beyond the parser's depth, promises more items than allowed, or what `reader`
        refuses.
    """
    if bulk and _TABLE.search(data, start) is not None and PLACE not in data:
        snapshot = _read_by_tables(data, start, reader.another(), settings)
        if snapshot is not None:
            return snapshot
    return reader.read(lambda: _parse(data, start, reader, settings, reader.object))


def _parse(
    data: bytes, start: int, reader: TreeReader, settings: Settings, make: Callable[[Any], Any]
) -> tuple[Any, int]:
    brackets = skim_msgpack(data, start, reader.guard)
    with memoryview(data) as view:
        return parse_msgpack(view[start:] if start else data, settings, make), brackets


def _read_by_tables(data: bytes, start: int, reader: TreeReader, settings: Settings) -> TopologySnapshot | None:
    tables = ShardTables(reader, lambda text: _parse(text, 0, reader, settings, reader.object)[0])
    return read_by_tables(tables, lambda: _parse(_cut(data, start, tables, settings), 0, reader, settings, tables.object))


def _cut(data: bytes, start: int, tables: ShardTables, settings: Settings) -> bytes:
    """The bytes with a number in the place of each long table.

    If what looked like a table was part of a longer text, the number is part of that text and never found as one. No such number
    comes from the peer, since its tag is nowhere in `data`.
    """
    parts: list[bytes] = []
    kept = start
    head = _TABLE.search(data, start)
    while head is not None:
        first, count = head.end(), int.from_bytes(head[1] or head[2])
        following = _PLACE.search(data, first)
        end = following.start() if following is not None else len(data)
        if count >= FEWEST:
            tables.make_room(count, end - first)
            if data.count(_PAIR, first, end) > _PAIRS * count:
                raise Refused("an expression would stop at every byte")
            # Not `findall`: it would let no other thread run until it has found all entries.
            found = [entry.groups() for entry in _entries(head[3]).finditer(data, first, end)]
            if len(found) != count or sum([len(shard) + len(text) + 1 for shard, text in found]) != end - first:
                raise Refused("entries of another form")
            ids = parse_msgpack(_ARRAY + count.to_bytes(4) + b"".join([shard for shard, _ in found]), settings)
            texts = [text for _, text in found]
            # The last match goes on into what follows the table.
            texts[-1] = whole_value(texts[-1], settings)
            parts += data[kept : head.start()], b"\x81\xaa%b\xce%b" % (PLACE, tables.take(ids, texts).to_bytes(4))
            kept = end - len(found[-1][1]) + len(texts[-1])
        head = _TABLE.search(data, end)
    return b"".join((*parts, data[kept:]))


def _entries(begin: bytes) -> re.Pattern[bytes]:
    """Pairs of an id and what begins like this; possessive, so that no byte is looked at twice."""
    return re.compile(
        rb"\x92(%b)(%b[^\x92]*+(?:\x92(?!(?:%b)%b)[^\x92]*+)*+)" % (_INT, re.escape(begin), _INT, re.escape(begin)), re.DOTALL
    )
