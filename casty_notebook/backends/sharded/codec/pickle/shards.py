"""Shard tables, read many entries at a time.

A snapshot of 40,000 shards is 40,000 times the same fourteen opcodes: shard id, class, NEWOBJ, a dict of two known
keys, BUILD. Runs of entries that differ only in id and node numbers are read column by column; others are split at what
all of them have in common, a thousand at a time. Each distinct node, tuple of replicas and placement is looked at once.
A batch of a snapshot's table goes right into its column (`shard_tables`). Anywhere else a run pushes exactly what the opcodes
would have pushed, and whatever differs from the pattern is left to them. Memo
entries made inside a run are only counted; a pickle that refers to one of them is read again without runs (`Replay`),
which no node that builds a snapshot causes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from struct import unpack
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.codec.numbering import Numbering
from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.shard_tables import Replay, ShardTable, ascending
from casty_notebook.topology.shard_columns import ShardAllocation
from casty_notebook.values.limits.size_model import NUMBER, TUPLE
from casty_notebook.values.registry import Entry

__all__ = ["read_shards", "set_items"]

_BATCH = 1000
"""What pickle writes in one SETITEMS. It bounds the memory of the expressions and of the columns."""
_REMEMBERED = 20_000
"""Placements kept ready. Many members with replicas make as many different ones as there are shards."""
_TRIED = 5000
"""Shards after which it is settled whether looking for equal placements pays."""
_SHORTEST = 16
"""Entries of one form below which columns do not pay."""
_WORTH_IT = 256
"""Columns of fewer entries only pay if they are all that is left of the batch."""


# In these expressions each alternative is decided by its first byte, so that they take bytes apart as the machine would.
def _replicas(group: bytes) -> bytes:
    ref = group + rb"h.|j....)"
    return rb"(?:\)|%b(?:\x85|%b(?:\x86|%b\x87))\x94)" % (ref, ref, ref)


def _entry(group: bytes) -> bytes:
    """Key, head (class, NEWOBJ, dict, key of the primary), node, middle (key of the replicas), replicas."""
    ref = rb"(?:h.|j....)"
    parts = (rb"K.|M..|J....", rb"%b\)\x81\x94\}\x94\(%b" % (ref, ref), ref, ref, _replicas(b"(?:"))
    return b"".join(group + part + b")" for part in parts) + b"ub"


_ONE = re.compile(_entry(b"("), re.DOTALL)
_MANY = re.compile(rb"(?:%b){1,%d}+" % (_entry(b"(?:"), _BATCH), re.DOTALL)
_TAIL = re.compile(rb"(%b(?:ubJ|u)?)" % _replicas(b"("), re.DOTALL)
"""Replicas, and what is left of ``ub`` and the next key when their last four bytes are cut off."""
_MARK, _SETITEM, _SETITEMS, _KEYS = b"(", b"s", b"u", (b"K", b"M", b"J")
_BYTE = 256
_FORMS = {2: "B", 3: "H", 5: "i"}
_NEW, _REPLICAS, _LAST = object.__new__, attrgetter("replicas"), itemgetter(-1)


type _Run = tuple[Sequence[int], Sequence[int]]
"""Shards, and the numbers of their placements."""


class _Strange(Exception):
    """Bytes that have the form of a shard's but another meaning, or that were cut at a wrong place."""


def read_shards(machine: Machine, pos: int) -> int:
    """Read the shard table that may begin at `pos`, many entries at a time; returns where it ends."""
    entry = machine.registry.shard_entry
    if not machine.bulk_allowed or entry is None:
        return pos
    if machine.shard_run is None:
        machine.shard_run = ShardRun(machine, entry)
    return machine.shard_run.read(machine, pos)


def set_items(machine: Machine, pos: int) -> int:
    """SETITEMS, which may end a batch of a table; returns where to read on."""
    items = machine.pop_mark()
    target = machine.stack[-1]
    machine.add_pairs(target, items)
    if machine.table is None or machine.shard_run is None or machine.table.target is not target:
        return pos
    del target  # the table counts the references to it, and this would be one too many
    return machine.shard_run.go_on(machine, machine.table, pos)


class ShardRun:
    """Reads runs of entries for one machine; remembers the nodes and placements it has seen."""

    __slots__ = (
        "_built", "_copies", "_data", "_entry", "_frame", "_guard", "_known", "_memo", "_middle", "_nodes", "_numbering",
        "_placed", "_replicas", "_seen",
    )  # fmt: skip

    def __init__(self, machine: Machine, entry: Entry) -> None:
        # Not the machine itself: in a circle of references, all that was read would stay until the next garbage collection.
        self._data, self._memo, self._guard = machine.data, machine.memo, machine.guard
        self._entry = entry
        self._frame: tuple[bytes, bytes] | None = None
        self._middle = b""
        self._nodes: dict[bytes, NodeAddress | None] = {b"": None}
        self._replicas: dict[bytes, tuple[NodeAddress, ...]] = {}
        self._placed: dict[bytes, int] = {}
        self._known: dict[Any, int] = {}
        self._numbering = Numbering(machine.guard)
        self._copies: set[int] = set()
        self._seen = self._built = 0

    def read(self, machine: Machine, pos: int) -> int:
        """Push the entries that begin at `pos`, or put their batches into a column; returns where that ends."""
        while True:
            runs, pos = self._runs(machine, pos)
            table = self._table(machine) if runs or machine.table is not None else None
            if table is None:
                break
            for shards, numbers in runs:
                table.take(shards, numbers)
            if self._data[pos : pos + 1] != _SETITEMS:
                return pos
            machine.pop_mark()
            self._guard.count(1)
            pos = self.go_on(machine, table, pos + 1)
            if machine.table is None:
                return pos
        for shards, numbers in runs:
            pushed: list[Any] = [None] * (2 * len(shards))
            pushed[::2] = shards
            pushed[1::2] = map(self._numbering.__getitem__, numbers)
            machine.stack.extend(pushed)
        return pos

    def _runs(self, machine: Machine, pos: int) -> tuple[list[_Run], int]:
        """Read and count the entries from `pos` on. Returns them, and where something begins that is no entry."""
        runs: list[_Run] = []
        while (first := _ONE.match(self._data, pos)) is not None:
            if len(self._replicas) + len(self._placed) + len(self._known) >= _REMEMBERED:
                self._replicas.clear()
                self._placed.clear()
                self._known.clear()
            try:
                self._check_frame(first[2], first[4])
                pos, run = self._columns(first) or self._padded(first) or self._rows(first)
            except _Strange:
                machine.bulk_allowed = False  # it has the form but not the meaning of a shard's
                break
            self._count(machine, *run)
            runs.append(run)
        return runs, pos

    # --- tables of a snapshot ----------------------------------------------------------------------------------------

    def _table(self, machine: Machine) -> ShardTable | None:
        """Move the entries on the stack into the table that they belong to. Returns it, or None if no column is to be made."""
        table, level = machine.table, machine.meta[-1] if machine.meta else []
        if table is None and self._entry.cls is ShardAllocation and machine.bulk_allowed:
            table = ShardTable.begun(machine.meta, machine.memo, self._guard, self._numbering)
        if table is None:
            return None
        if not level or table.target is not level[-1] or not table.take_pairs(machine.stack):
            if table is machine.table:
                raise Replay
            return None
        machine.stack.clear()
        machine.table = table
        return table

    def go_on(self, machine: Machine, table: ShardTable, pos: int) -> int:
        """A batch of the open table was taken: begin the next one, or close the table. Returns where to read on."""
        data = self._data
        if data[pos : pos + 1] == _MARK and data[pos + 1 : pos + 2] in _KEYS and machine.bulk_allowed:
            machine.push_mark()
            self._guard.count(1)
            return pos + 1
        single = _ONE.match(data, pos)
        if single is not None and data[single.end() : single.end() + 1] == _SETITEM and machine.bulk_allowed:
            # What is left over from batches of a thousand is set without a mark.
            ((shards, numbers),), end = self._runs(machine, pos)
            table.take(shards, numbers)
            self._guard.count(1)
            pos = end + 1
        elif data[pos : pos + 2] == _MARK + _SETITEMS:
            # Picklers write an empty batch where the one before was full.
            self._guard.count(2)
            pos += 2
        if not table.closed(machine.stack, machine.memo):
            raise Replay
        machine.table = None
        return pos

    def _check_frame(self, head: bytes, middle: bytes) -> None:
        """See that the class and the keys are a shard allocation's."""
        if self._frame != (head, middle):
            cls_ref, _, key_ref = head.partition(b")\x81\x94}\x94(")
            named = (self._recall(cls_ref), self._recall(key_ref), self._recall(middle))
            if named[0] is not self._entry.cls or named[1:] != ("primary", "replicas"):
                raise _Strange
            self._frame, self._middle = (head, middle), middle
            self._placed.clear()
            self._known.clear()

    def _recall(self, ref: bytes) -> Any:
        """What a BINGET or LONG_BINGET pushes."""
        if len(ref) != (2 if ref[:1] == b"h" else 5) or ref[:1] not in (b"h", b"j"):
            raise _Strange
        number, memo = int.from_bytes(ref[1:], "little"), self._memo
        return memo[number] if number < len(memo) else None

    # --- entries of one form -----------------------------------------------------------------------------------------

    def _columns(self, first: re.Match[bytes]) -> tuple[int, _Run] | None:
        """Read entries that differ in ids and memo numbers of one byte, unless too few do or too many placements differ."""
        pos, key_size, refs = first.start(), len(first[1]), max(0, len(first[5]) - 2) // 2
        if len(first[3]) != 2 or len(first[5]) != (2 * refs + 2 if refs else 1):
            return None
        data, size = self._data, first.end() - pos
        free = [first.start(3) + 1 - pos, *(first.start(5) + 1 + 2 * at - pos for at in range(refs))]
        count = self._alike(pos, size, [*range(1, key_size), *free])
        end = pos + count * size
        if count < _SHORTEST or (count < _WORTH_IT and _ONE.match(data, end)):
            return None
        bytes_of = [data[pos + at : end : size] for at in free]
        numbers: Any = bytes_of[0] if len(free) == 1 else list(zip(*bytes_of, strict=True))
        distinct = list(set(numbers))
        if 4 * len(distinct) > count:
            return None
        start = first.start(3)
        template, placements = bytearray(data[start : first.end(5)]), []
        for number in distinct:
            for at, byte in zip(free, number if refs else (number,), strict=True):
                template[at + pos - start] = byte
            placements.append(bytes(template))
        known = dict(zip(distinct, self._numbers(placements, count), strict=True))
        ids = bytearray((key_size - 1) * count)
        for at in range(1, key_size):
            ids[at - 1 :: key_size - 1] = data[pos + at : end : size]
        shards = ascending(ids, key_size - 1, count) or unpack(f"<{count}{_FORMS[key_size]}", ids)
        if refs or max(known.values()) >= _BYTE:
            return end, (shards, list(map(known.__getitem__, numbers)))
        table = bytearray(_BYTE)
        for byte, number in known.items():
            table[byte] = number
        return end, (shards, numbers.translate(table))

    def _alike(self, pos: int, size: int, free: list[int]) -> int:
        """Count the entries of `size` bytes that are the same as the first but for the places in `free`."""
        data = self._data
        column = data[pos : pos + _BATCH * size : size]
        count = min(len(column) - len(column.lstrip(column[:1])), (len(data) - pos) // size)
        run, none = bytearray(data[pos : pos + count * size]), bytes(count)
        for at in free:
            run[at::size] = none
        if run == run[:size] * count:
            return count
        for at in range(size):
            rest = run[at::size]
            count -= len(rest.lstrip(rest[:1]))
            del run[count * size :]
        return count

    # --- entries of one form but for how long their numbers are ---------------------------------------------------------

    def _padded(self, first: re.Match[bytes]) -> tuple[int, _Run] | None:
        """Read entries that are of one size once the short numbers are padded, without a line of Python for each."""
        key, head, _, middle, tail = first.groups()
        if key[:1] == b"J" or (len(tail) > 1 and tail[-2:] != b"\x85\x94"):
            return None
        run: Any = _MANY.match(self._data, first.start())
        count, text = run[0].count(head), run[0].replace(head + b"h", head + _PAD + b"h")
        if len(tail) > 1:
            if text.count(middle) != count:
                return None
            text = text.replace(middle + b"h", middle + _PAD + b"h")
        text = (b"\0" if key[:1] == b"K" else b"") + text.replace(b"ubK", b"ub\0K")
        nodes = [3 + len(head), *([8 + len(head) + len(middle)] if len(tail) > 1 else ())]
        size = nodes[-1] + 5 + (4 if len(tail) > 1 else len(middle) + 3)
        if count < _SHORTEST or len(text) != count * size:
            return None
        rest, none, fields = bytearray(text), bytes(count), [bytearray(8 * count) for _ in nodes]
        for node, field in zip(nodes, fields, strict=True):
            for at in range(5):
                field[at::8] = text[node + at :: size]
                rest[node + at :: size] = none
        rest[::size] = rest[1::size] = rest[2::size] = none
        if rest != rest[:size] * count:
            return None
        refs = [unpack(f"<{count}Q", field) for field in fields]
        numbers: Sequence[Any] = refs[0] if len(nodes) == 1 else list(zip(*refs, strict=True))
        new = list(set(numbers).difference(self._known))
        if new:
            ending = tail[-2:] if len(tail) > 1 else tail
            placements = [
                _unpadded(number) + middle + ending if len(nodes) == 1 else middle.join(map(_unpadded, number)) + ending
                for number in new
            ]
            self._known.update(zip(new, self._numbers(placements, count), strict=True))
        return run.end(), (_unpadded_ids(text[::size], text[1::size], text[2::size]), list(map(self._known.__getitem__, numbers)))

    # --- entries of mixed form ---------------------------------------------------------------------------------------

    def _rows(self, first: re.Match[bytes]) -> tuple[int, _Run]:
        """Read entries that have the class and the keys in common."""
        run: Any = _MANY.match(self._data, first.start())
        try:
            return run.end(), self._parsed(self._split(first, run.end()))
        except _Strange:
            return run.end(), self._parsed(self._cut(first, run.end()))

    def _split(self, first: re.Match[bytes], end: int) -> list[bytes]:
        """Split a run into the entries' placements, each with the next entry's key behind it (the last with the first's)."""
        run = self._data[first.end(1) : end] + first[1]
        return run.split(first[2])[1:]

    def _cut(self, first: re.Match[bytes], end: int) -> list[bytes]:
        """Do the same with the expression: slower, and right even where an id looks like the bytes that `_split` splits at."""
        keys, heads, *placements = zip(*_ONE.findall(self._data, first.start(), end), strict=True)
        if len(set(heads)) > 1:
            raise _Strange
        return [b"%b%b%bub%b" % each for each in zip(*placements, (*keys[1:], keys[0]), strict=True)]

    def _parsed(self, rows: list[bytes]) -> _Run:
        placements = [row[:-4] for row in rows]
        ids = _ids(placements, b"".join([row[-4:] for row in rows]))
        ids.insert(0, ids.pop())
        return ids, self._numbers(placements, len(rows))

    # --- what both make ----------------------------------------------------------------------------------------------

    def _numbers(self, placements: list[bytes], shards: int) -> list[int]:
        """The number of each placement. Those that were built before are looked up, unless nearly all are different."""
        if self._seen > _TRIED and 2 * self._built > self._seen:
            return self._numbering.of(self._build(placements))
        new = list(set(placements).difference(self._placed))
        self._seen += shards
        self._built += len(new)
        if new:
            # Bytes of the next key may be left behind a placement: without these, equal placements are equal bytes.
            plain = [place[:-1] if place[-1] == _U else place[:-3] if place[-1] == _J else place for place in new]
            fresh = list(set(plain).difference(self._placed))
            self._placed.update(zip(fresh, self._numbering.of(self._build(fresh)) if fresh else (), strict=True))
            self._placed.update(zip(new, map(self._placed.__getitem__, plain), strict=True))
        return list(map(self._placed.__getitem__, placements))

    def _build(self, placements: list[bytes]) -> list[Any]:
        parts = self._middle.join(placements).split(self._middle)
        if len(parts) != 2 * len(placements):  # a memo number looks like the bytes at which is split
            parts = [part for placement in placements for part in placement.split(self._middle, 1)]
            if len(parts) != 2 * len(placements):
                raise _Strange
        nodes, tails = parts[::2], parts[1::2]
        self._meet(nodes)
        self._learn(tails)
        replicas = list(map(self._replicas.__getitem__, tails))
        copies = list(map(len, replicas))
        self._copies.update(copies)
        self._guard.spend((self._entry.shape.weight + TUPLE) * len(nodes) + 8 * sum(copies))
        cls: Any = self._entry.cls
        made = list(map(_NEW, repeat(cls, len(nodes))))
        # Its class has slots, which can be set without a line of Python for each.
        deque(map(cls.primary.__set__, made, map(self._nodes.__getitem__, nodes)), 0)
        deque(map(cls.replicas.__set__, made, replicas), 0)
        return made

    def _meet(self, refs: Sequence[bytes]) -> None:
        """Look up the nodes that are not known yet."""
        for ref in set(refs).difference(self._nodes):
            node = self._recall(ref)
            if type(node) is not NodeAddress:
                raise _Strange
            self._nodes[ref] = node

    def _learn(self, tails: Sequence[bytes]) -> None:
        """Look up the replicas that are not known yet."""
        unknown = list(set(tails).difference(self._replicas))
        rows = _TAIL.findall(b"".join(unknown))
        if [row[0] for row in rows] != unknown:
            raise _Strange
        columns = [column for column in list(zip(*rows, strict=True))[1:] if any(column)]
        for column in columns:
            self._meet(column)
        replicas: Iterable[Any] = zip(*(map(self._nodes.__getitem__, column) for column in columns), strict=True)
        if not columns:
            replicas = repeat(())
        elif any(b"" in column for column in columns):
            replicas = (tuple(filter(None, row)) for row in replicas)
        self._replicas.update(zip(unknown, replicas, strict=False))

    def _count(self, machine: Machine, shards: Sequence[int], numbers: Sequence[int]) -> None:
        """Count what the opcodes of these entries would have cost."""
        count = len(shards)
        if len(self._copies) > 1:
            copies = list(map(len, map(_REPLICAS, map(self._numbering.__getitem__, numbers))))
            all_copies, tuples = sum(copies), count - copies.count(0)
        else:
            each = next(iter(self._copies))
            all_copies, tuples = each * count, count if each else 0
        # Instance, dict and tuple are containers. No replicas are one opcode; else a tuple is one more, and in the memo.
        self._guard.bulk(14 * count + all_copies + tuples, 2 * count + tuples)
        self._guard.heap += NUMBER * count
        machine.skip(2 * count + tuples)


_PAD = b"\0\0\0"


def _unpadded(number: int) -> bytes:
    """A reference to the memo from the number that its bytes make."""
    ref = number.to_bytes(8, "little")[:5]
    if ref[:4] == b"\0\0\0h":
        return ref[3:]
    if ref[:1] != b"j":
        raise _Strange
    return ref


def _unpadded_ids(forms: bytes, low: bytes, high: bytes) -> Sequence[int]:
    """Ids of keys that were made three bytes: ``M`` and two, or none, ``K`` and one."""
    if not forms.strip(b"M"):
        words = bytearray(2 * len(forms))
        words[::2], words[1::2] = low, high
        return ascending(words, 2, len(forms)) or unpack(f"<{len(forms)}H", words)
    if set(forms) - {_M, 0} or any(form != _M and letter != _K for form, letter in zip(forms, low, strict=True)):
        raise _Strange
    return [first | second << 8 if form == _M else second for form, first, second in zip(forms, low, high, strict=True)]


_J, _K, _M, _U = b"JKMu"
_FIRST, _SECOND = (bytes(0 if end == _J else at_u if end == _U else b for end in range(256)) for at_u, b in (b"bu", b"Mb"))
"""What ``bM`` and two bytes, or ``ubK`` and one, begin with, by the end of the placement before it."""


def _ids(placements: list[bytes], words: bytes) -> list[int]:
    """Ids from the last four bytes of ``ub`` and a key; the end of the placement tells how much of that is the number."""
    count, ends = len(placements), bytes(map(_LAST, placements))
    if len(words) != 4 * count:
        raise _Strange
    first, second = bytearray(words[::4]), bytearray(words[1::4])
    short = bytearray(2 * count)
    short[::2], short[1::2] = words[2::4], words[3::4]
    ids, wide = list(unpack(f"<{count}H", short)), unpack(f"<{count}i", words)
    if ends.count(_U) < count:
        for at, end in enumerate(ends):
            if end == _J:
                ids[at] = wide[at]
                first[at] = second[at] = 0
            elif end != _U:
                if words[4 * at + 2] != _K:
                    raise _Strange
                ids[at] >>= 8
    if first != ends.translate(_FIRST) or second != ends.translate(_SECOND):
        raise _Strange
    return ids
