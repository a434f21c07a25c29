"""The shard tables of a snapshot, put into columns batch by batch as they are read.

A pickler writes a table as an empty dict and batches of a thousand entries that are set in it. Where the dict is one of a
snapshot's (it stands under the key ``shard_allocations``, under a type's name), and everything that is set in it is a shard's,
no dict is filled: the column takes its place when the last batch is in. If the pickle does anything else with the dict until
then, or with the column afterwards, it is read again without any of this (`Replay`); no node writes such a pickle.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from itertools import chain
from sys import getrefcount
from typing import Any

from casty_notebook.backends.sharded.codec.numbering import Numbering
from casty_notebook.topology.shard_columns import HIGHEST, LOWEST, ShardAllocation
from casty_notebook.values.limits.budget import CostGuard
from casty_notebook.values.limits.size_model import pairs

__all__ = ["Replay", "ShardTable", "ascending"]

_FIELD = "shard_allocations"


def _alone() -> int:
    probe: dict[str, Any] = {}
    return getrefcount(probe)


_ALONE = _alone()
"""What `getrefcount` says of an object that one local variable alone refers to."""


class Replay(Exception):
    """The pickle does with a run, or with a table, what could not be foreseen: read it again without runs."""


class ShardTable:
    """empty --take--> filling --take--> filling --column--> done: the shards of one type."""

    __slots__ = ("_codes", "_guard", "_ids", "_index", "_numbering", "size", "target")

    def __init__(self, guard: CostGuard, numbering: Numbering, target: dict[Any, Any], index: int | None) -> None:
        self.target = target
        self._guard = guard
        self._index = index
        self._numbering = numbering
        self.size = 0
        self._ids: list[Sequence[int]] = []
        self._codes = array("B")

    @classmethod
    def begun(cls, below: list[list[Any]], memo: list[Any], guard: CostGuard, numbering: Numbering) -> ShardTable | None:
        """The table that a batch belongs to, by the stacks below its mark, if it is a snapshot's and nothing is in it yet."""
        level = below[-1] if below else []
        if len(level) < 2 or type(level[-1]) is not dict or level[-1] or type(level[-2]) is not str:
            return None
        # The table of a snapshot's only type is set by SETITEM; several stand behind a MARK, to be set together.
        if not _are_shards(level[:-2]) and not (len(below) > 1 and len(level) % 2 == 0 and _are_shards(below[-2])):
            return None
        target = level[-1]
        index = next((place for place in range(len(memo) - 1, -1, -1) if memo[place] is target), None)
        return cls(guard, numbering, target, index)

    def take(self, ids: Sequence[int], codes: Sequence[int] | bytes) -> None:
        """Add shards by the numbers of their placements."""
        self._guard.spend(pairs(self.size, len(ids)))  # as a dict would
        self.size += len(ids)
        if type(ids) is not range and ids[-1] - ids[0] == len(ids) - 1 and list(ids) == [*range(ids[0], ids[-1] + 1)]:
            ids = range(ids[0], ids[-1] + 1)
        last = self._ids[-1] if self._ids else None
        if type(last) is range and type(ids) is range and last.stop == ids.start:
            self._ids[-1] = range(last.start, ids.stop)
        else:
            self._ids.append(ids)
        # Not by `extend`, which takes number by number and makes room for each.
        if self._codes.typecode == "B":
            try:
                self._codes.frombytes(bytes(codes))
            except ValueError:  # more than a byte
                self._codes = array("I", self._codes)
            else:
                return
        self._codes += array("I", list(codes))  # as a list, since `array` takes four bytes for one number

    def take_pairs(self, items: Sequence[Any]) -> bool:
        """Add what opcodes left on the stack, key by value; False, and nothing is added, if it is not all a shard's."""
        ids, made = items[::2], items[1::2]
        if not items:
            return True
        if len(items) & 1 or {int} != set(map(type, ids)) or {ShardAllocation} != set(map(type, made)):
            return False
        if min(ids) < LOWEST or max(ids) > HIGHEST:
            return False
        self.take(ids, self._numbering.of(made))
        return True

    def closed(self, stack: list[Any], memo: list[Any]) -> bool:
        """Put the column in the dict's place; False if something else refers to the dict, or has set something in it."""
        index, guard, target = self._index, self._guard, self.target
        kept = index is not None and index < len(memo) and memo[index] is target
        # The dict is referred to by `target` here, the stack, this table, and perhaps the memo: anything else is too much.
        if target or stack[-1] is not target or getrefcount(target) != _ALONE + 2 + kept:
            return False
        ids = self._ids[0] if len(self._ids) == 1 else list(chain.from_iterable(self._ids))
        if type(ids) is not range:
            guard.check_keys(list(ids), target)
        # As many looks as comparing the dict with its annotation would take, once now and once at the end.
        guard.copy(2 * self.size)
        stack[-1] = column = self._numbering.column(ids, self._codes)
        if index is not None and kept:
            memo[index] = column
        return True


def _are_shards(stack: list[Any]) -> bool:
    """Whether the dict of all sharded types is on top of the stack, under its key."""
    return len(stack) > 1 and type(stack[-1]) is dict and type(stack[-2]) is str and stack[-2] == _FIELD


_BYTES = bytes(range(256))


@cache
def _words() -> bytes:
    return b"".join(number.to_bytes(2, "little") for number in range(1 << 16))


def ascending(numbers: bytearray, width: int, count: int) -> range | None:
    """Return these little-endian numbers of one or two bytes as a range if each is the one before plus 1, else None."""
    if width > 2:
        return None
    first = int.from_bytes(numbers[:width], "little")
    known = _BYTES if width == 1 else _words()
    return range(first, first + count) if numbers == known[width * first : width * (first + count)] else None
