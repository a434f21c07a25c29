"""Shard tables, read many entries at a time.

A snapshot of 40,000 shards is 40,000 times the same fourteen opcodes: shard id, class, NEWOBJ, a dict of two known
keys, BUILD. Runs of entries that differ only in id and node numbers are read column by column; entries of mixed form by
one regular expression; each distinct placement is interpreted once. A run pushes exactly what the opcodes would have
pushed, and whatever differs from the pattern is left to them. Memo entries made inside a run are only counted; a pickle
that refers to one of them is read again without runs (`Replay`), which no node that builds a snapshot causes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from struct import unpack
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.codec.registry import Entry
from casty_notebook.codec.weights import NUMBER, TUPLE

if TYPE_CHECKING:
    from casty_notebook.codec.pickle_reader import Machine

__all__ = ["Replay", "ShardRun"]

# Every alternative is settled by its first byte, so the expression reads as the machine would.
_KEY = rb"(?:K.|M..|J....)"
_REF = rb"(?:h.|j....)"
_REPLICAS = rb"(?:\)|%b(?:\x85|%b(?:\x86|%b\x87))\x94?)" % (_REF, _REF, _REF)
_PLACEMENT = rb"%b\)\x81\x94?\}\x94?\(%b%b%b%b" % (_REF, _REF, _REF, _REF, _REPLICAS)
_ONE = re.compile(rb"(%b)(%b)ub" % (_KEY, _PLACEMENT), re.DOTALL)
_BATCH = 1000
"""What pickle writes in one SETITEMS. It bounds the memory of the expression and of the columns."""
_MANY = re.compile(rb"(?:%b%bub){1,%d}+" % (_KEY, _PLACEMENT, _BATCH), re.DOTALL)
_FORMS = {b"K": "B", b"M": "H", b"J": "i"}
_BINGET, _LONG_BINGET, _MEMOIZE = 0x68, 0x6A, 0x94
_SAME_REFS = (0, 1, 3)
"""Of a placement's references: the class, the key of the primary, the key of the replicas."""
_REMEMBERED = 20_000
"""Placements kept ready. Many members with replicas make as many different ones as there are shards."""
_SHORTEST = 16
"""Entries of one form below which columns do not pay."""


class Replay(Exception):
    """The pickle refers to a memo entry inside a run: read it again without runs."""


class ShardRun:
    """Reads runs of entries for one machine; remembers the placements it has seen.

    Attributes
    ----------
    failed
        An entry had the form but not the meaning of a shard's; the machine reads on alone.
    """

    __slots__ = ("_entry", "_forms", "_machine", "_seen", "_taken", "failed")

    def __init__(self, machine: Machine, entry: Entry) -> None:
        self._machine = machine
        self._entry = entry
        # By the bytes of a placement: the allocation, and the opcodes, containers and memo entries that make it.
        self._seen: dict[bytes, Any] = {}
        self._taken: dict[bytes, tuple[int, int, int]] = {}
        self._forms: dict[tuple[int, int, int], tuple[int, int, int]] = {}
        self.failed = False

    def read(self, pos: int) -> int:
        """Push the entries that begin at `pos`; returns where the first that is none begins."""
        while not self.failed:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
                self._taken.clear()
            end = self._columns(pos)
            if end == pos:
                end = self._mixed(pos)
            if end == pos:
                break
            pos = end
        return pos

    # --- entries of one form -----------------------------------------------------------------------------------------

    def _columns(self, pos: int) -> int:
        data = self._machine.data
        first = _ONE.match(data, pos)
        if first is None:
            return pos
        size, key_size = first.end() - pos, first.end(1) - pos
        free = [key_size + at for at in _node_numbers(first[2])]
        count = min(_BATCH, (len(data) - pos) // size)
        for at in range(size):
            if (at == 0 or at >= key_size) and at not in free:
                column = data[pos + at : pos + count * size : size]
                count -= len(column.lstrip(column[:1]))
                if count < _SHORTEST:
                    return pos
        end = pos + count * size
        numbers = list(zip(*(data[pos + at : end : size] for at in free), strict=True))
        known = {}
        template = bytearray(first[2])
        for number in set(numbers):
            for at, byte in zip(free, number, strict=True):
                template[at - key_size] = byte
            placement = bytes(template)
            if not self._know(placement):
                return pos
            known[number] = self._seen[placement]
        ids = bytearray((key_size - 1) * count)
        for at in range(1, key_size):
            ids[at - 1 :: key_size - 1] = data[pos + at : end : size]
        shards = unpack(f"<{count}{_FORMS[first[1][:1]]}", ids)
        ops, containers, memos = self._taken[first[2]]
        self._push(shards, map(known.__getitem__, numbers), (ops * count, containers * count, memos * count))
        return end

    # --- entries of mixed form ---------------------------------------------------------------------------------------

    def _mixed(self, pos: int) -> int:
        run = _MANY.match(self._machine.data, pos)
        if run is None:
            return pos
        keys, placements = zip(*_ONE.findall(self._machine.data, pos, run.end()), strict=True)
        taken = [0, 0, 0]
        for placement, times in Counter(placements).items():
            if not self._know(placement):
                return pos
            for index, one in enumerate(self._taken[placement]):
                taken[index] += one * times
        shards = [int.from_bytes(key[1:], "little", signed=len(key) == 5) for key in keys]
        self._push(shards, map(self._seen.__getitem__, placements), (taken[0], taken[1], taken[2]))
        return run.end()

    def _push(self, shards: Sequence[int], allocations: Iterable[Any], taken: tuple[int, int, int]) -> None:
        ops, containers, memos = taken
        self._machine.guard.bulk(ops, containers)
        self._machine.guard.heap += NUMBER * len(shards)
        self._machine.skip(memos)
        pushed: list[Any] = [None] * (2 * len(shards))
        pushed[::2] = shards
        pushed[1::2] = allocations
        self._machine.stack.extend(pushed)

    def _know(self, placement: bytes) -> bool:
        """Interpret a placement once: ``class ) NEWOBJ } ( 'primary' node 'replicas' nodes``."""
        if placement in self._seen:
            return True
        parts = list(_parts(placement))
        memo = self._machine.memo
        numbers = [number for _, number in parts if number is not None]
        cls, primary, node, replicas, *others = [memo[number] if number < len(memo) else None for number in numbers]
        if (
            cls is not self._entry.cls
            or primary != "primary"
            or replicas != "replicas"
            or any(type(each) is not NodeAddress for each in (node, *others))
        ):
            self.failed = True
            return False
        self._seen[placement] = self._entry.build({"primary": node, "replicas": tuple(others)})
        # The id before it and SETITEMS, BUILD behind it are opcodes too; instance, dict and tuple are containers.
        memos = sum(code == _MEMOIZE for code, _ in parts)
        taken = (len(parts) + 3, 2 + bool(others), memos)
        self._taken[placement] = self._forms.setdefault(taken, taken)
        self._machine.guard.spend(self._entry.shape.weight + TUPLE + 8 * len(others))
        return True


def _parts(placement: bytes) -> Iterable[tuple[int, int | None]]:
    """Each opcode of a placement, with the memo number it refers to."""
    at = 0
    while at < len(placement):
        code = placement[at]
        if code == _BINGET:
            yield code, placement[at + 1]
            at += 2
        elif code == _LONG_BINGET:
            yield code, int.from_bytes(placement[at + 1 : at + 5], "little")
            at += 5
        else:
            yield code, None
            at += 1


def _node_numbers(placement: bytes) -> list[int]:
    """Where the memo numbers of the nodes stand; those of the class and the two keys are the same throughout."""
    free: list[int] = []
    at = order = 0
    for code, number in _parts(placement):
        size = {_BINGET: 1, _LONG_BINGET: 4}.get(code, 0)
        if number is not None:
            if order not in _SAME_REFS:
                free += range(at + 1, at + 1 + min(size, 2))
            order += 1
        at += 1 + size
    return free
