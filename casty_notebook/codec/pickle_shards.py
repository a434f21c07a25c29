"""Shard tables, read many entries at a time.

A snapshot of 40,000 shards is 40,000 times the same fourteen opcodes: shard id, class, NEWOBJ, a dict of two known keys,
BUILD. One regular expression recognises a run of such entries, and each distinct placement in it is interpreted once.
The run pushes exactly what the opcodes would have pushed; what differs from the pattern is left to them. Memo entries
made inside a run are only counted; a pickle that refers to one of them is read again without runs (`Replay`), which no
node that builds a snapshot causes.
"""

from __future__ import annotations

import re
from struct import unpack
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.codec.registry import Entry, Registry

if TYPE_CHECKING:
    from casty_notebook.codec.pickle_reader import Machine

__all__ = ["Replay", "ShardRun"]

# Every alternative is settled by its first byte, so the expression reads as the machine would.
_REF = rb"(?:h.|j....)"
_REPLICAS = rb"(?:\)|%b(?:\x85|%b(?:\x86|%b\x87))\x94?)" % (_REF, _REF, _REF)
_ENTRY = rb"(K.|M..|J....)(%b\)\x81\x94?\}\x94?\(%b%b%b%b)ub" % (_REF, _REF, _REF, _REF, _REPLICAS)
_ONE = re.compile(_ENTRY, re.DOTALL)
# Bounded, so that the expression's own memory is; pickle writes batches of 1,000.
_MANY = re.compile(rb"(?:%b){1,1000}+" % _ENTRY.replace(rb"(K", rb"(?:K").replace(rb"(%b\)" % _REF, rb"(?:%b\)" % _REF), re.DOTALL)
_KEYS = {0x4B: ("xB", 2), 0x4D: ("xH", 3), 0x4A: ("xi", 5)}


class Replay(Exception):  # noqa: N818 - private to this room, never seen outside `loads`
    """The pickle refers to a memo entry inside a run: read it again without runs."""


class ShardRun:
    """Reads runs of entries for one machine; remembers the placements it has seen.

    Attributes
    ----------
    failed
        An entry had the form but not the meaning of a shard's; the machine reads on alone.
    """

    __slots__ = ("_cls", "_entry", "_machine", "_seen", "failed")

    def __init__(self, machine: Machine, registry: Registry) -> None:
        assert registry.shard_entry is not None
        self._machine = machine
        self._entry: Entry = registry.shard_entry
        self._cls = self._entry.cls
        # By the bytes of a placement: the allocation, and how many opcodes, containers and memo entries it took.
        self._seen: dict[bytes, tuple[Any, int, int, int]] = {}
        self.failed = False

    def read(self, pos: int) -> int:
        """Push the entries that begin at `pos`; returns where the first that is none begins."""
        machine = self._machine
        run = _MANY.match(machine.data, pos)
        if run is None:
            return pos
        end = run.end()
        entries = _ONE.findall(machine.data, pos, end)
        seen = self._seen
        for placement in {placement for _, placement in entries}:
            if placement not in seen and not self._learn(placement):
                self.failed = True
                return pos
        known = [seen[placement] for _, placement in entries]
        machine.guard.bulk(sum([facts[1] for facts in known]), sum([facts[2] for facts in known]))
        machine.skipped += sum([facts[3] for facts in known])
        pushed: list[Any] = [None] * (2 * len(entries))
        pushed[::2] = _shard_ids([key for key, _ in entries])
        pushed[1::2] = [facts[0] for facts in known]
        machine.stack.extend(pushed)
        return end

    def _learn(self, placement: bytes) -> bool:
        """Interpret one placement: ``class ) NEWOBJ } ( 'primary' node 'replicas' nodes``."""
        refs, memos, ops, at = [], 0, 0, 0
        while at < len(placement):
            code, ops = placement[at], ops + 1
            if code == 0x68:  # BINGET
                refs.append(self._machine.memo.get(placement[at + 1]))
                at += 2
            elif code == 0x6A:  # LONG_BINGET
                refs.append(self._machine.memo.get(int.from_bytes(placement[at + 1 : at + 5], "little")))
                at += 5
            else:
                memos += code == 0x94
                at += 1
        if len(refs) < 4:
            return False
        cls, primary, node, replicas, *others = refs
        nodes = [node, *others]
        if cls is not self._cls or primary != "primary" or replicas != "replicas":
            return False
        if any(type(node) is not NodeAddress for node in nodes):
            return False
        made = self._entry.build({"primary": node, "replicas": tuple(others)})
        # The id before it and SETITEMS, BUILD behind it are opcodes too; instance, dict and tuple are containers.
        self._seen[placement] = (made, ops + 3, 2 + bool(others), memos)
        return True


def _shard_ids(keys: list[bytes]) -> list[int] | tuple[int, ...]:
    """Read BININT1, BININT2 and BININT, the many of one kind at once."""
    joined = b"".join(keys)
    form, size = _KEYS[joined[0]]
    if len(joined) == size * len(keys) and joined[::size] == joined[:1] * len(keys):
        return unpack("<" + form * len(keys), joined)
    return [int.from_bytes(key[1:], "little", signed=len(key) == 5) for key in keys]
