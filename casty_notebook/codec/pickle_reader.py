"""Pickle, read by a machine of our own: same stack, memo and opcodes, but nothing is looked up, imported or called.

`pickle.Unpickler` with a guarded ``find_class`` is not enough: a memo index of 2^31 makes it allocate gigabytes, a
tuple that holds itself twice, forty levels deep, never finishes hashing, and state is set on whatever is on the stack.
Here a name becomes a local class of the closed table or a stand-in, an object is finished by exactly one state, values
that contain themselves are refused, and everything is bounded. PROTOCOL section 4.3 lists what honest nodes write.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import Any

from casty_notebook.codec.guard import CostGuard, Refused
from casty_notebook.codec.measure import TooMuch
from casty_notebook.codec.nesting import Unfinished
from casty_notebook.codec.pickle_objects import Objects
from casty_notebook.codec.pickle_ops import MEMOIZE, OPCODES, op_name
from casty_notebook.codec.pickle_shards import Replay, ShardRun
from casty_notebook.codec.registry import Registry
from casty_notebook.codec.standin import StandIn
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings

__all__ = ["Machine", "loads"]


def loads(data: bytes, registry: Registry, settings: Settings, *, bulk: bool = True) -> Any:
    """Read one pickle.

    Parameters
    ----------
    bulk
        Read shard tables many entries at a time (see `pickle_shards`). The result is the same without, only slower.

    Raises
    ------
    UndecodableMessage
        For anything but an honest pickle within the bounds; names the opcode and its offset.
    """
    machine = Machine(data, registry, settings, bulk=bulk)
    try:
        return machine.run()
    except Replay:
        return loads(data, registry, settings, bulk=False)
    except (Refused, TooMuch, ValueError) as error:
        reason = str(error)[:300]
    except IndexError:
        reason = "it ends too early, or takes from an empty stack"
    except Exception as error:
        # Whatever a builder, a hash or a comparison of the values themselves raises.
        reason = f"{type(error).__name__}: {str(error)[:200]}"
    raise UndecodableMessage(f"a pickle was refused at offset {machine.pos} ({op_name(data, machine.pos)}): {reason}")


class Machine:
    """running --STOP--> done. One per payload; its opcodes are the functions of `pickle_ops`.

    Attributes
    ----------
    stack, meta
        The values above the last MARK, and the stacks below each MARK.
    skipped
        Memo entries that a shard run counted without making them.
    pos
        Where the opcode being executed stands.
    """

    __slots__ = (
        "_bulk_allowed",
        "_nesting",
        "_registry",
        "_shards",
        "data",
        "guard",
        "memo",
        "meta",
        "objects",
        "pos",
        "result",
        "size",
        "skipped",
        "stack",
    )

    def __init__(self, data: bytes, registry: Registry, settings: Settings, *, bulk: bool = True) -> None:
        self.data = data
        self.size = len(data)
        self.pos = 0
        self.stack: list[Any] = []
        self.meta: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.skipped = 0
        self.result: Any = None
        self.guard = CostGuard(registry, settings)
        self.objects = Objects(registry, self.guard)
        self._registry = registry
        self._nesting = registry.nesting
        self._bulk_allowed = bulk
        self._shards: ShardRun | None = None

    def run(self) -> Any:
        """Execute until STOP and return the message."""
        data, ops, memo, pos, done = self.data, OPCODES, self.memo, 0, 0
        try:
            for done in range(self.guard.max_ops):  # noqa: B007 - read after the loop
                code = data[pos]
                if code == MEMOIZE:  # every third opcode of an honest pickle
                    memo[len(memo) + self.skipped] = self.stack[-1]
                    pos += 1
                    continue
                pos = ops[code](self, pos + 1)
                if pos < 0:
                    break
            else:
                self.guard.count(self.guard.max_ops + 1)
            pos = self.size - 1
            self.guard.count(done)
        finally:
            self.pos = pos
        return self._finished()

    def _finished(self) -> Any:
        if self.objects.unfinished:
            raise Refused("it ends before every object has its state")
        entry = self._registry.entry_of(type(self.result))
        conformity = None if entry is None else entry.conformity
        self.guard.check_result(self.result, depth_known=conformity is not None and conformity.closed)
        for final, made in self.objects.finals:
            final.verify(made)
        return self.result

    def push_mark(self) -> None:
        if len(self.meta) >= self.guard.max_depth:
            raise Refused(f"nested deeper than {self.guard.max_depth} levels (Settings.max_depth)")
        self.meta.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.meta.pop()
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
        value = self.memo.get(index, self)
        if type(value) in self._nesting:
            return self.refer(value)
        if value is self:
            if self.skipped:
                raise Replay
            raise Refused(f"refers to the memo's entry {index}, which is not set")
        return value

    def remember(self, index: int) -> None:
        """Put the top of the stack into the memo under a number of the peer's choice."""
        if self.skipped:
            raise Replay
        self.memo[index] = self.stack[-1]

    def next_index(self) -> int:
        """The memo's next number, which is what a new object will be known by."""
        return len(self.memo) + self.skipped

    def build(self, state: Any) -> None:
        """Finish the object on top of the stack."""
        target = self.stack[-1]
        made = self.objects.build(target, state)
        if isinstance(target, Unfinished):
            self.stack[-1] = made
            index = target.index
            if self.memo.get(index) is target:
                self.memo[index] = made

    def shards(self, pos: int) -> int:
        """Read the shard table that may begin at `pos`, many entries at a time; returns where it ends."""
        entry = self._registry.shard_entry
        if not self._bulk_allowed or entry is None:
            return pos
        if self._shards is None:
            self._shards = ShardRun(self, entry)
        end = self._shards.read(pos)
        self._bulk_allowed = not self._shards.failed
        return end

    def add_items(self, target: Any, items: list[Any]) -> None:
        """Append to a list, a deque or a stand-in of some other collection."""
        kind = type(target)
        if kind is list or kind is deque:
            target.extend(items)
        elif kind is StandIn:
            self.guard.check_change(target)
            target._standin_items.extend(items)
        else:
            raise Refused(f"appends to a {kind.__qualname__}")

    def add_members(self, target: Any, items: list[Any]) -> None:
        """Add to a set, or to a stand-in of a subclass."""
        if type(target) is set:
            self.guard.check_keys(items, id(target))
            target.update(items)
        else:
            self.add_items(target, items)

    def add_pairs(self, target: Any, items: list[Any]) -> None:
        """Set items, given as key, value, key, value, of a dict or one of its kin."""
        if len(items) & 1:
            raise Refused("a key without a value")
        kind = type(target)
        if kind is StandIn:
            self.guard.check_change(target)
            target = target._standin_pairs
        elif kind is not dict and kind is not OrderedDict and kind is not Counter:
            raise Refused(f"sets items of a {kind.__qualname__}")
        keys = items[::2]
        self.guard.check_keys(keys, id(target))
        if kind is dict:
            target.update(zip(keys, items[1::2], strict=True))
        else:
            for key, value in zip(keys, items[1::2], strict=True):
                target[key] = value
