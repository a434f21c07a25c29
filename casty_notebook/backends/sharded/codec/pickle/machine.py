"""`Machine`: the stack and the memo of one pickle that is being read, and what may be done to them.

The opcodes (`ops`, `scalars`) and those who read many of them at once (`shards`, `records`) are functions of it; it knows none
of them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from sys import getrefcount
from typing import Any, Protocol

from casty_notebook.backends.sharded.codec.pickle.objects import Objects
from casty_notebook.backends.sharded.codec.pickle.shard_tables import Replay, ShardTable
from casty_notebook.settings import Settings
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.values.limits.budget import CostGuard, Refused
from casty_notebook.values.limits.size_model import DICT, LIST, SET_ITEM, SLOT, pairs
from casty_notebook.values.nesting import Unfinished
from casty_notebook.values.registry import Registry
from casty_notebook.values.standin import StandIn, own_items, own_pairs

__all__ = ["GONE", "Machine"]

_MAX_GAP = 1024
"""Memo entries that a PUT may skip. Picklers number them one by one, some from 1 on."""
_TEXT = {str}
GONE: Any = object()
"""In place of a memo entry that was not kept."""


def _alone() -> int:
    probe: dict[str, Any] = {}
    return getrefcount(probe)


_ALONE = _alone()
"""What `getrefcount` says of an object that one local variable alone refers to: 2, or 1 from Python 3.14 on."""


class BulkReader(Protocol):
    """Reads many opcodes in one go. It may remember memo entries, and is dropped when one of them is overwritten."""

    def read(self, machine: Machine, pos: int) -> int:
        """Do what the opcodes from `pos` on would do; returns where it leaves off."""
        ...


class TableReader(BulkReader, Protocol):
    """What reads shard tables."""

    def go_on(self, machine: Machine, table: ShardTable, pos: int) -> int:
        """Continue after a batch of the open table was taken; returns where to read on."""
        ...


class Machine:
    """running --STOP--> done. One per payload.

    Attributes
    ----------
    stack, meta
        The values above the last MARK, and the stacks below each MARK.
    skipped
        Memo entries that a shard run did not make.
    lossy
        Memo entries are missing, so that the pickle must be read again should it refer to one.
    pos
        Where the opcode being executed stands.
    table
        The shard table that is being put into a column.
    bulk_allowed
        Many opcodes may be read in one go.
    shard_run, record_run
        The readers that do so; None until one is needed.
    """

    __slots__ = (
        "_forgets_states",
        "_marked",
        "_nesting",
        "bulk_allowed",
        "data",
        "guard",
        "lossy",
        "memo",
        "meta",
        "objects",
        "pos",
        "record_run",
        "registry",
        "result",
        "shard_run",
        "size",
        "skipped",
        "stack",
        "table",
    )

    def __init__(
        self, data: bytes, registry: Registry, settings: Settings, *, held: int = 0, start: int = 0, bulk: bool = True
    ) -> None:
        self.data = data
        self.size = len(data)
        self.pos = start
        self.stack: list[Any] = []
        self.meta: list[list[Any]] = []
        self.memo: list[Any] = []
        self.skipped = 0
        self.lossy = False
        self.result: Any = None
        self.guard = CostGuard(registry, settings, held, self.size - start)
        self.objects = Objects(registry, self.guard)
        self.registry = registry
        self._nesting = registry.nesting
        self.bulk_allowed = self._forgets_states = bulk
        self._marked = 0
        self.shard_run: TableReader | None = None
        self.record_run: BulkReader | None = None
        self.table: ShardTable | None = None

    def weigh(self) -> None:
        """See how much memory stack and memo take, and whether all is still within the bound."""
        self.guard.live = SLOT * (len(self.stack) + self._marked + len(self.memo))
        self.guard.spend(0)

    def finished(self) -> Any:
        """Return the message, which STOP took from the stack, if it is whole and within the bounds."""
        if self.table is not None:
            raise Replay
        if self.objects.unfinished:
            raise Refused("it ends before every object has its state")
        self.memo.clear()
        self.weigh()
        entry = self.registry.entry_of(type(self.result))
        conformity = None if entry is None else entry.conformity
        self.guard.check_result(self.result, depth_known=conformity is not None and conformity.closed)
        for final, made in self.objects.finals:
            self.guard.check_fields([getattr(made, name) for name in final.shape.fields])
            final.verify(made)
        return self.result

    def push_mark(self) -> None:
        if len(self.meta) >= self.guard.max_depth:
            raise Refused(f"nested deeper than {self.guard.max_depth} levels (Settings.max_depth)")
        self._marked += len(self.stack)
        self.meta.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.meta.pop()
        self._marked -= len(self.stack)
        return items

    def refer(self, value: Any) -> Any:
        """Return `value`, which is met a second time."""
        if type(value) in self._nesting:
            if type(value) is Unfinished:
                raise Refused("an object contains itself")
            self.guard.shared = True
        return value

    def recall(self, index: int) -> Any:
        """Return the memo's entry."""
        memo = self.memo
        value = memo[index] if index < len(memo) else GONE
        if type(value) in self._nesting:
            return self.refer(value)
        if value is GONE:
            if self.lossy:
                raise Replay
            raise Refused(f"refers to the memo's entry {index}, which is not set")
        return value

    def remember(self, index: int) -> None:
        """Put the top of the stack into the memo under a number of the peer's choice."""
        memo = self.memo
        if index >= len(memo):
            if index > len(memo) + _MAX_GAP:
                raise Refused(f"the memo's entry {index} after {len(memo)}; picklers number them one by one")
            memo.extend([GONE] * (index - len(memo)))
            memo.append(self.stack[-1])
        else:
            memo[index] = self.stack[-1]
            self.shard_run = self.record_run = None  # they may know what was there

    def skip(self, entries: int) -> None:
        """Leave out memo entries that nobody refers to."""
        self.skipped += entries
        self.lossy = True
        self.memo.extend([GONE] * entries)

    def next_index(self) -> int:
        """The memo's next number, which is what a new object will be known by."""
        return len(self.memo)

    def build(self) -> None:
        """Finish the object below the top of the stack by the state on top."""
        state = self.stack.pop()
        if type(state) is ShardColumn:
            raise Replay
        target = self.stack[-1]
        made = self.objects.build(target, state)
        index = target.index if type(target) is Unfinished else self.objects.index_of(target)
        memo = self.memo
        self.stack[-1] = made
        if index is not None and index < len(memo) and memo[index] is target:
            memo[index] = made
            if self._forgets_states and index + 1 < len(memo) and memo[index + 1] is state and self.objects.absorbed:
                # Picklers put every object's state into the memo, and hardly ever refer to it again: let go of it.
                memo[index + 1] = GONE
                self.lossy = True
        if type(state) is dict and getrefcount(state) == _ALONE:
            self.guard.heap -= DICT + pairs(0, len(state))

    def add_items(self, target: Any, items: list[Any]) -> None:
        """Append to a list, a deque or a stand-in of some other collection."""
        kind = type(target)
        if kind is list or kind is deque:
            self.guard.spend(SLOT * len(items))
            target.extend(items)
        elif kind is StandIn:
            self.guard.check_change(target)
            self.guard.spend(LIST + SLOT * len(items))
            own_items(target).extend(items)
        else:
            raise Refused(f"appends to a {kind.__qualname__}")

    def add_members(self, target: Any, items: list[Any]) -> None:
        """Add to a set, or to a stand-in of a subclass."""
        if type(target) is set:
            self.guard.check_keys(items, target)
            self.guard.spend(SET_ITEM * len(items))
            target.update(items)
        else:
            self.add_items(target, items)

    def add_pairs(self, target: Any, items: list[Any]) -> None:
        """Set items, given as key, value, key, value, of a dict or one of its kin."""
        if len(items) & 1:
            raise Refused("a key without a value")
        if self.table is not None and self.table.target is target:
            if not self.table.take_pairs(items):
                raise Replay
            return
        kind, keys = type(target), items[::2]
        if kind is ShardColumn:
            raise Replay
        if kind is dict and set(map(type, keys)) == _TEXT:  # the fields of an object, mostly
            self.guard.spend(pairs(len(target), len(keys)))
            target.update(zip(keys, items[1::2], strict=True))
            return
        if kind is StandIn:
            self.guard.check_change(target)
            target = own_pairs(target)
        elif kind is not dict and kind is not OrderedDict and kind is not Counter:
            raise Refused(f"sets items of a {kind.__qualname__}")
        self.guard.check_keys(keys, target)
        self.guard.spend(pairs(len(target), len(keys)) * (1 if kind is dict else 2))
        if kind is dict:
            target.update(zip(keys, items[1::2], strict=True))
        else:
            for key, value in zip(keys, items[1::2], strict=True):
                target[key] = value
