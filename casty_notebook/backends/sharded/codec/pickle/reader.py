"""Pickle, read by a machine of our own: same stack, memo and opcodes, but nothing is looked up, imported or called.

`pickle.Unpickler` with a guarded ``find_class`` is not enough: a memo index of 2^31 makes it allocate gigabytes, a
tuple that holds itself twice, forty levels deep, never finishes hashing, and state is set on whatever is on the stack.
Here a name becomes a local class of the closed table or a stand-in, an object is finished by exactly one state, values
that contain themselves are refused, and everything is bounded. PROTOCOL section 4.3 lists what honest nodes write.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from enum import EnumType
from sys import getrefcount
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.codec.pickle.objects import Objects
from casty_notebook.backends.sharded.codec.pickle.ops import BINGET, MEMOIZE, OPCODES, op_name
from casty_notebook.backends.sharded.codec.pickle.shard_tables import Replay, ShardTable
from casty_notebook.backends.sharded.codec.pickle.shards import ShardRun
from casty_notebook.backends.sharded.codec.pickle.short_objects import NOT_ALONE, alone, short_object
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.values.limits.budget import CostGuard, Refused
from casty_notebook.values.limits.measure import TooMuch
from casty_notebook.values.limits.size_model import DICT, LIST, SET_ITEM, SLOT, pairs
from casty_notebook.values.nesting import Unfinished
from casty_notebook.values.registry import Registry
from casty_notebook.values.standin import StandIn, own_items, own_pairs

__all__ = ["Machine", "loads"]


_SLICE = 2048
"""Opcodes between two looks at the size of stack and memo."""
_MAX_GAP = 1024
"""Memo entries that a PUT may skip. Picklers number them one by one, some from 1 on."""
_PLAIN = frozenset({str, type, EnumType, NodeAddress})
"""Types whose instances hold nothing, so that a second reference to one needs no look."""
_TEXT = {str}
_GONE: Any = object()
"""In place of a memo entry that was not kept."""


def _alone() -> int:
    probe: dict[str, Any] = {}
    return getrefcount(probe)


_ALONE = _alone()
"""What the count of references is for a local variable that holds the only one: 2, or 1 from Python 3.14 on."""


def loads(data: bytes, registry: Registry, settings: Settings, *, held: int = 0, start: int = 0, bulk: bool = True) -> Any:
    """Read one pickle.

    Parameters
    ----------
    held
        Bytes that are in memory already because of this message, counted against `Settings.max_memory`.
    start
        Where in `data` the pickle begins.
    bulk
        Read shard tables many entries at a time (see `pickle_shards`), and forget the states of finished objects. The
        result is the same without, at more cost.

    Raises
    ------
    UndecodableMessage
        For anything but an honest pickle within the bounds; names the opcode and its offset.
    """
    value = alone(data, start)
    if value is not NOT_ALONE:
        return value
    value = short_object(data, start, held, registry, settings)
    if value is not NOT_ALONE:
        return value
    machine = Machine(data, registry, settings, held=held, start=start, bulk=bulk)
    reason = None
    try:
        return machine.run()
    except Replay:
        pass
    except (Refused, TooMuch, ValueError) as error:
        reason = str(error)[:300]
    except IndexError:
        reason = "it ends too early, or takes from an empty stack"
    except Exception as error:
        # Whatever a builder, a hash or a comparison of the values themselves raises.
        reason = f"{type(error).__name__}: {str(error)[:200]}"
    pos = machine.pos
    del machine  # what it has built is not to be in memory twice
    if reason is None:
        return loads(data, registry, settings, held=held, start=start, bulk=False)
    raise UndecodableMessage(f"a pickle was refused at offset {pos - start} ({op_name(data, pos)}): {reason}")


class Machine:
    """running --STOP--> done. One per payload; its opcodes are the functions of `ops`.

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
    """

    __slots__ = (
        "_bulk_allowed",
        "_forgetful",
        "_marked",
        "_nesting",
        "_registry",
        "_shards",
        "data",
        "guard",
        "lossy",
        "memo",
        "meta",
        "objects",
        "pos",
        "result",
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
        self._registry = registry
        self._nesting = registry.nesting
        self._bulk_allowed = self._forgetful = bulk
        self._marked = 0
        self._shards: ShardRun | None = None
        self.table: ShardTable | None = None

    def run(self) -> Any:
        """Execute until STOP and return the message."""
        data, ops, memo, pos, done = self.data, OPCODES, self.memo, self.pos, 0
        try:
            while pos >= 0:
                for done in range(_SLICE):  # noqa: B007 - read after the loop
                    code = data[pos]
                    if code == MEMOIZE:  # every third opcode of an honest pickle
                        memo.append(self.stack[-1])
                        pos += 1
                        continue
                    if code == BINGET:  # nearly every other one of the rest
                        index = data[pos + 1]
                        if index < len(memo) and type(known := memo[index]) in _PLAIN:
                            self.stack.append(known)
                            pos += 2
                            continue
                    pos = ops[code](self, pos + 1)
                    if pos < 0:
                        break
                self.guard.count(done + 1)
                self._weigh()
            pos = self.size - 1
        finally:
            self.pos = pos
        return self._finished()

    def _weigh(self) -> None:
        """See how much memory stack and memo take, and whether all is still within the bound."""
        self.guard.live = SLOT * (len(self.stack) + self._marked + len(self.memo))
        self.guard.spend(0)

    def _finished(self) -> Any:
        if self.table is not None:
            raise Replay
        if self.objects.unfinished:
            raise Refused("it ends before every object has its state")
        self.memo.clear()
        self._weigh()
        entry = self._registry.entry_of(type(self.result))
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
        value = memo[index] if index < len(memo) else _GONE
        if type(value) in self._nesting:
            return self.refer(value)
        if value is _GONE:
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
            memo.extend([_GONE] * (index - len(memo)))
            memo.append(self.stack[-1])
        else:
            memo[index] = self.stack[-1]
            self._shards = self.objects.members = None  # they may know what was there

    def skip(self, entries: int) -> None:
        """Leave out memo entries that nobody refers to."""
        self.skipped += entries
        self.lossy = True
        self.memo.extend([_GONE] * entries)

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
            if self._forgetful and index + 1 < len(memo) and memo[index + 1] is state and self.objects.absorbed:
                # Every object's state is in the memo, for that one in a million to which something else refers.
                memo[index + 1] = _GONE
                self.lossy = True
        if type(state) is dict and getrefcount(state) == _ALONE:
            self.guard.heap -= DICT + pairs(0, len(state))

    def shards(self, pos: int) -> int:
        """Read the shard table that may begin at `pos`, many entries at a time; returns where it ends."""
        entry = self._registry.shard_entry
        if not self._bulk_allowed or entry is None:
            return pos
        if self._shards is None:
            self._shards = ShardRun(self, entry)
        end = self._shards.read(self, pos)
        self._bulk_allowed = not self._shards.failed
        return end

    def set_items(self, pos: int) -> int:
        """SETITEMS; returns where to read on."""
        items = self.pop_mark()
        target = self.stack[-1]
        self.add_pairs(target, items)
        if self.table is None or self._shards is None or self.table.target is not target:
            return pos
        del target  # the table looks who else has it
        return self._shards.go_on(self, self.table, pos)

    def members(self, pos: int) -> int:
        """Read the members that may follow at `pos`; returns where they end."""
        run = self.objects.member_run() if self._bulk_allowed else None
        if run is None:
            return pos
        end = run.read(self, pos, _GONE)
        self._weigh()
        return end

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
