"""Shard tables of a tree, taken out of its bytes and read many entries at a time before the rest is parsed.

A snapshot of 40,000 shards writes out 40,000 placements, of which only a few are different. Parsed as they stand, each costs
three objects. Here the bytes are split where entries end, each different placement is parsed once, like any other value, and the
table's place in the bytes is taken by a number. If the bytes were split at a wrong place, the parser shows it: some id or
placement is then no whole value, or a number is not found where its table was. Then all is parsed as it stands.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

from casty_notebook.backends.sharded.codec.numbering import Numbering
from casty_notebook.backends.sharded.codec.trees.tree import TreeReader
from casty_notebook.errors import UndecodableMessage
from casty_notebook.topology.shard_columns import HIGHEST, LOWEST, ShardAllocation, ShardColumn, code_type
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.limits.budget import Refused
from casty_notebook.values.limits.size_model import DICT, pairs

__all__ = ["FEWEST", "PLACE", "ShardTables", "read_by_tables"]

PLACE = b"__column__"
"""The tag of the object that takes a table's place. No node writes it; a payload that contains it is parsed as it stands."""
FEWEST = 256
"""Entries of the smallest table that is taken out."""
_TAG = PLACE.decode()
_ENTRY = 1_000
"""Nanoseconds to split one off and to look it up."""
_PIECE = 200
"""Bytes to hold one entry's id and placement apart, beside the bytes themselves."""


class _Otherwise(Refused):
    """A table that is not all shards, or not where a snapshot's are."""


class ShardTables:
    """The tables of one payload.

    Parameters
    ----------
    parse
        Reads the bytes of one placement as a whole value.
    """

    __slots__ = ("_columns", "_met", "_numbering", "_parse", "_places", "_weights", "reader")

    def __init__(self, reader: TreeReader, parse: Callable[[bytes], Any]) -> None:
        self.reader = reader
        self._parse = parse
        self._numbering = Numbering(reader.guard)
        self._places: dict[bytes, int] = {}
        self._weights: dict[int, int] = {}
        self._columns: list[ShardColumn] = []
        self._met = 0

    def make_room(self, count: int, size: int) -> None:
        """See that a table of so many entries and bytes may be taken apart."""
        guard = self.reader.guard
        # Each is two containers, of which there may be a quarter as many as there may be values.
        if count > guard.max_items // 8:
            raise _Otherwise(f"more than {guard.max_items // 4:,} containers")
        guard.work.charge(_ENTRY * count + size)
        guard.reserve(size + _PIECE * count)

    def take(self, ids: list[Any], texts: Sequence[bytes]) -> int:
        """Make a column of a table, and return its number; `Refused` if it is not all shards."""
        if len(ids) != len(texts) or set(map(type, ids)) != {int} or min(ids) < LOWEST or max(ids) > HIGHEST:
            raise _Otherwise("ids that are none")
        guard, places = self.reader.guard, self._places
        for text in dict.fromkeys(texts).keys() - places.keys():
            places[text] = self._placement(text)
        numbers = list(map(places.__getitem__, texts))
        # Each entry counts as if it had been parsed by itself, so that the same payloads are refused either way.
        guard.bulk_containers += sum(map(self._weights.__getitem__, numbers))
        guard.check_keys(ids, dict)
        guard.container(DICT + pairs(0, len(ids)))
        self._columns.append(self._numbering.column(ids, array(code_type(len(places)), numbers)))
        return len(self._columns) - 1

    def _placement(self, text: bytes) -> int:
        guard = self.reader.guard
        before = guard.containers
        made = self._parse(text)
        if type(made) is not ShardAllocation:
            raise _Otherwise("a table of something else")
        (number,) = self._numbering.of((made,))
        self._weights[number] = guard.containers - before
        return number

    def object(self, tree: dict[Any, Any]) -> Any:
        """What an object of the tree stands for, as `TreeReader.object`."""
        number = tree.get(_TAG)
        if type(number) is int:
            self._met += 1
            return self._columns[number]
        return self.reader.object(tree)

    def check(self, message: Any) -> None:
        """Refuse any message but a snapshot with each column as one of its tables: anywhere else the tables must stay dicts."""
        found = message.shard_allocations.values() if type(message) is TopologySnapshot else ()
        if self._met != len(self._columns) or {id(column) for column in self._columns} - set(map(id, found)):
            raise _Otherwise("tables elsewhere")


def read_by_tables(tables: ShardTables, parse: Callable[[], tuple[Any, int]]) -> TopologySnapshot | None:
    """The snapshot that `parse` reads with its tables taken out; None for what is to be parsed as it stands."""

    def read() -> tuple[Any, int]:
        message, depth = parse()
        tables.check(message)
        return message, depth

    try:
        snapshot: TopologySnapshot = tables.reader.read(read)
    except UndecodableMessage:
        return None  # it is parsed again as it stands, and that error is the one to report
    return snapshot
