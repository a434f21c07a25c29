"""What the names in a pickle become: classes of the closed table, values of the standard library, refs, stand-ins."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection
from sys import getsizeof
from types import SimpleNamespace
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.standard_types import BUILDERS, MOST_ARGUMENTS, Constructor, uuid_from_state
from casty_notebook.values.limits.budget import CostGuard, Refused
from casty_notebook.values.limits.size_model import (
    CLASS_NAME,
    DICT,
    LIST,
    NUMBER,
    REF,
    SET,
    SET_ITEM,
    SLOT,
    STAND_IN,
    TUPLE,
    UNFINISHED,
    WAITING,
    built,
    pairs,
)
from casty_notebook.values.nesting import Unfinished
from casty_notebook.values.registry import Entry, Registry
from casty_notebook.values.remote_error import RemoteError, names_an_exception
from casty_notebook.values.shapes import ORIGINAL
from casty_notebook.values.standin import STATE, StandIn, StandInClass

__all__ = ["FIELDS_OF_A_CALL", "Objects"]

PARTIAL = "functools.partial"
_RESTORED = 6_000
"""Nanoseconds to make a ref, beside its URI's length."""
FIELDS_OF_A_CALL = 8
"""Fields of an object that take about as long as one call, and are charged as one."""
_MOST_MAPS = 100
"""Of a ChainMap: each look-up goes through all of them."""
_LONGEST_NAME = 1000
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg", "exceptions": "builtins"}
"""Protocols below 3 write the old names of modules."""


class Objects:
    """Names, calls and states of one pickle. Never a lookup in a module, never a call of anything that was received.

    Attributes
    ----------
    unfinished
        Objects that still wait for their state.
    absorbed
        The state that came last was copied into its object, which does not hold it itself.
    finals
        Messages whose dicts are checked once more at the end, since a peer may fill them late.
    record_made
        The last object was an instance of a class of the table, so another one probably follows.
    shards_seen
        A shard allocation was made, so a table of them probably follows.
    """

    __slots__ = (
        "_guard", "_registry", "_shard_entry", "_waiting", "absorbed", "finals", "record_made", "shards_seen",
        "unfinished",
    )  # fmt: skip

    def __init__(self, registry: Registry, guard: CostGuard) -> None:
        self._registry = registry
        self._guard = guard
        self._shard_entry = registry.shard_entry
        self._waiting: dict[int, int] = {}
        self.unfinished = 0
        self.absorbed = False
        self.finals: list[tuple[Entry, Any]] = []
        self.shards_seen = self.record_made = False

    def find(self, module: Any, name: Any) -> Any:
        """A global: a class of the table, else an inert name."""
        if type(module) is not str or type(name) is not str or not module or not name:
            raise Refused("a class is named by something that is not text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise Refused(f"a class is named by {len(module) + len(name):,} characters")
        self._guard.calls += 1
        module = _PYTHON_2.get(module, module)
        entry = self._registry.entry(f"{module}.{name}")
        if entry is None:
            self._guard.spend(CLASS_NAME + 3 * (len(module) + len(name)))
        return StandInClass(module, name) if entry is None else entry.cls

    def create(self, cls: Any, args: Any, kwargs: Any, index: int) -> Any:
        """NEWOBJ and NEWOBJ_EX: an instance, or the promise of one that the memo will know by `index`."""
        if type(args) is not tuple or type(kwargs) is not dict:
            raise Refused("an object's arguments are not a tuple")
        self._guard.container(0)
        self._guard.calls += 1
        if type(cls) is StandInClass:
            return self._create_standin(cls, args, kwargs, index)
        entry = self._entry_of(cls)
        if kwargs:
            return self._made(cls, args, kwargs)
        if args or not entry.shape.fields:
            return self._positional(entry, args)
        return self._unfinished(index, lambda state: self._with_state(entry, state))

    def _create_standin(self, cls: StandInClass, args: tuple[Any, ...], kwargs: dict[Any, Any], index: int) -> Any:
        finish = _FINISHED.get(cls.dotted)
        if finish is not None and not args:
            return self._unfinished(index, lambda state: finish(self, cls, state))
        builder = BUILDERS.get(cls.dotted)
        if builder is not None and not kwargs:
            return self._built(builder, cls, args)
        made = self._standin(cls, args, self._names(kwargs))
        self._waiting[id(made)] = index
        self._guard.heap += WAITING
        return made

    def index_of(self, target: Any) -> int | None:
        """The memo number of a stand-in that waited for its state. It was noted by `id`, so check that it is still that one."""
        index = self._waiting.pop(id(target), None)
        if index is not None:
            self._guard.heap -= WAITING
        return index

    def _standin(self, cls: StandInClass, args: tuple[Any, ...], fields: dict[str, Any]) -> StandIn:
        self._guard.spend(STAND_IN + DICT + pairs(0, len(fields)))
        return StandIn(cls, args, fields)

    def _built(self, constructor: Constructor, cls: StandInClass, args: tuple[Any, ...]) -> Any:
        """A value of the standard library, or of one's own special functions."""
        if len(args) > MOST_ARGUMENTS:
            return self._standin(cls, args, {})
        size = sum(map(getsizeof, args))
        self._guard.work.charge(constructor.price(args, size))
        self._guard.reserve(constructor.weight + size)
        value = constructor.build(*args)
        if value is NotImplemented:
            return self._standin(cls, args, {})
        self._guard.spend(constructor.weight + built(value))
        return value

    def _uuid(self, cls: StandInClass, state: Any) -> Any:
        made = uuid_from_state(state)
        if made is NotImplemented:
            return self._filled(cls, state)
        self.absorbed = True
        self._guard.spend(4 * NUMBER)
        return made

    def _namespace(self, cls: StandInClass, state: Any) -> Any:
        """A SimpleNamespace, if what is in it cannot be taken for what notebooks and libraries probe objects for."""
        size = len(state) if type(state) is dict else 0
        self._guard.spend(SLOT + DICT + pairs(0, size))
        self._guard.copy(4 * size)
        if type(state) is dict and all(type(name) is str and name.isidentifier() and name[0] != "_" for name in state):
            self.absorbed = True
            return SimpleNamespace(**state)
        return self._filled(cls, state)

    def _chain(self, cls: StandInClass, state: Any) -> Any:
        maps = state.get("maps") if type(state) is dict and len(state) == 1 else None
        if type(maps) is list and 0 < len(maps) <= _MOST_MAPS and {dict}.issuperset(map(type, maps)):
            self._guard.spend(2 * DICT + LIST + SLOT * len(maps))
            return ChainMap(*maps)
        return self._filled(cls, state)

    def _filled(self, cls: StandInClass, state: Any) -> StandIn:
        made = self._standin(cls, (), {})
        self._fill(made, state)
        return made

    def reduce(self, func: Any, args: Any, index: int) -> Any:
        """REDUCE: restore a ref, build from the table, or note what would have been called."""
        if type(args) is not tuple:
            raise Refused("a call's arguments are not a tuple")
        self._guard.container(0)
        self._guard.calls += 1
        if type(func) is StandIn:
            return self._call_partial(func, args)
        if type(func) is not StandInClass:
            return self._positional(self._entry_of(func), args)
        name = func.dotted
        if name in self._registry.restorers:
            if len(args) != 1 or type(args[0]) is not str:
                raise Refused(f"{name} came with {len(args)} arguments that are not one URI")
            self._guard.spend(REF + 2 * getsizeof(args[0]))
            self._guard.work.charge(_RESTORED + 10 * len(args[0]))
            return self._registry.make_ref(args[0])
        builder = BUILDERS.get(name)
        if builder is not None:
            return self._built(builder, func, args)
        if name == "copyreg._reconstructor" and len(args) == 3 and (args[2] is None or type(args[2]) is tuple):
            # How protocols 0 and 1 write objects, and tuples with names.
            return self.create(args[0], args[2] or (), {}, index)
        if name in _FINISHED and not args:
            return self.create(func, args, {}, index)
        if names_an_exception(name):
            self._guard.spend(2 * STAND_IN + DICT)
            return RemoteError(func, args)
        special = _SPECIAL.get(name)
        made = special(self, args) if special is not None else NotImplemented
        return self._standin(func, args, {}) if made is NotImplemented else made

    def build(self, target: Any, state: Any) -> Any:
        """BUILD: give an object its state; returns the finished object."""
        kind = type(target)
        self.absorbed = self.record_made = False
        if kind is Unfinished:
            made = target.finish(state)
            self.unfinished -= 1
            self._guard.heap -= UNFINISHED
            return made
        if kind is StandIn:
            self._guard.check_change(target)
            self._fill(target, state)
        elif kind is RemoteError and type(state) is dict:
            self._guard.spend(pairs(0, len(state)))
            target.attributes = self._names(state)
        elif state:
            raise Refused(f"sets the state of a {kind.__qualname__}, which has none or has it already")
        return target

    def _unfinished(self, index: int, finish: Callable[[Any], Any]) -> Unfinished:
        self.unfinished += 1
        self._guard.heap += UNFINISHED
        return Unfinished(finish, index)

    def _entry_of(self, cls: Any) -> Entry:
        entry = self._registry.entry_of(cls) if isinstance(cls, type) else None
        if entry is None:
            raise Refused(f"calls a {type(cls).__qualname__}")
        return entry

    def _positional(self, entry: Entry, args: tuple[Any, ...]) -> Any:
        if entry.shape.family == "enum":
            for arg in args:
                self._guard.check_hashing(arg)
        else:
            self._charge(entry, args)
        return self._noted(entry, entry.build_positional(args))

    def _charge(self, entry: Entry, values: Collection[Any]) -> None:
        """Count the memory and work of an instance that is about to be made of these values."""
        self._guard.spend(entry.shape.weight)
        self._guard.calls += 1 + len(entry.shape.fields) // FIELDS_OF_A_CALL
        if entry.conformity is not None:
            self._guard.check_fields(values)

    def _with_state(self, entry: Entry, state: Any) -> Any:
        values = self._field_values(entry, state)
        self._charge(entry, values.values())
        made = entry.build(values)
        self.absorbed = self.record_made = True
        if entry is self._shard_entry:
            self.shards_seen = True
        return self._noted(entry, made)

    def _made(self, cls: Any, args: tuple[Any, ...], fields: dict[Any, Any]) -> Any:
        """A call with named fields."""
        if type(cls) is StandInClass:
            self._guard.spend(TUPLE + 8 * len(args))
            return self._standin(cls, args, self._names(fields))
        entry = self._entry_of(cls)
        self._guard.copy(len(fields))
        values = {**dict(zip(entry.shape.fields, args, strict=False)), **self._names(fields)}
        self._charge(entry, values.values())
        return self._noted(entry, entry.build(values))

    def _noted(self, entry: Entry, made: Any) -> Any:
        conformity = entry.conformity
        if conformity is not None and conformity.mutable:
            self.finals.append((entry, made))
        return made

    def _call_partial(self, func: StandIn, args: tuple[Any, ...]) -> Any:
        """A call of ``functools.partial(cls, **fields)``: how a stand-in with named fields travels."""
        state = func._standin_fields.get(STATE)
        if func._standin_cls.dotted == PARTIAL and type(state) is tuple and len(state) == 4:
            cls, bound, fields, _ = state
            if type(bound) is tuple and type(fields) is dict:
                self._guard.reserve(16 * (len(bound) + len(args)))
                self._guard.copy(len(bound) + len(args))
                return self._made(cls, bound + args, fields)
        raise Refused(f"calls a stand-in of {func._standin_cls.dotted}")

    def _set(self, args: tuple[Any, ...], kind: type[set[Any]] | type[frozenset[Any]]) -> Any:
        """How protocols below 4 write sets."""
        if not args:
            return kind([])
        if len(args) == 1 and type(args[0]) is list:
            self._guard.copy(3 * len(args[0]))
        if len(args) != 1 or type(args[0]) is not list:
            return NotImplemented
        self._guard.check_keys(args[0], kind)
        self._guard.spend(SET + SET_ITEM * len(args[0]))
        return kind(args[0])

    def _getattr(self, args: tuple[Any, ...]) -> Any:
        """A name inside a class, as some versions write enum members and nested classes. Still only a name."""
        if len(args) != 2 or type(args[1]) is not str:
            return NotImplemented
        if type(args[0]) is StandInClass:
            return self.find(args[0].module, f"{args[0].qualname}.{args[1]}")
        entry = self._entry_of(args[0])
        if entry.shape.family == "enum":
            return entry.member_named(args[1])
        return self.find(entry.cls.__module__, f"{entry.cls.__qualname__}.{args[1]}")

    def _names(self, fields: dict[Any, Any]) -> dict[str, Any]:
        self._guard.copy(2 * len(fields))
        if not all(type(name) is str for name in fields):
            raise Refused("a field's name is not text")
        self._guard.reserve(pairs(0, len(fields)))
        return dict(fields)

    def _merged(self, state: Any) -> Any:
        """Turn the state of a class with ``__slots__``, ``(dict or None, slots)``, into one dict."""
        if type(state) is tuple and len(state) == 2 and all(part is None or type(part) is dict for part in state):
            size = sum(len(part or ()) for part in state)
            self._guard.reserve(pairs(0, size))
            self._guard.copy(2 * size)
            # Each has been seen to be cheap, but not both in one: only text may be put together.
            if all(type(name) is str for part in state for name in part or ()):
                return {**(state[0] or {}), **(state[1] or {})}
        return state

    def _field_values(self, entry: Entry, state: Any) -> dict[str, Any]:
        """Name the values in the state of a class of the table."""
        if type(state) is dict and "__pydantic_fields_set__" not in state:
            return state
        state = _of_model(self._merged(state))
        if type(state) is dict:
            return state
        if type(state) in (list, tuple) and len(state) == len(entry.shape.fields):
            # A frozen dataclass with slots, or an older attrs class: the values in order.
            return dict(zip(entry.shape.fields, state, strict=True))
        raise Refused(f"{entry.cls.__qualname__} has a state of type {type(state).__qualname__}")

    def _fill(self, standin: StandIn, state: Any) -> None:
        fields = standin._standin_fields
        if standin._standin_cls.dotted == PARTIAL:
            self._keep(fields, state)
            return
        state = _of_model(self._merged(state))
        if type(state) in (dict, list):
            self._guard.copy(2 * len(state))
        if type(state) is dict and all(type(name) is str for name in state):
            self._guard.spend(pairs(len(fields), len(state)))
            fields.update(state)
            fields.pop(ORIGINAL, None)
            self.absorbed = True
        elif type(state) is list and not standin._standin_args:
            self._guard.spend(TUPLE + 8 * len(state))
            object.__setattr__(standin, "_standin_args", tuple(state))
        elif state is not None:
            self._keep(fields, state)

    def _keep(self, fields: dict[str, Any], state: Any) -> None:
        self._guard.spend(pairs(len(fields), 1))
        fields[STATE] = state

    def _rebuild_struct(self, args: tuple[Any, ...]) -> Any:
        """How msgspec writes Structs with keyword-only fields."""
        if len(args) != 2 or type(args[1]) is not dict:
            return NotImplemented
        return self._made(args[0], (), args[1])


_FINISHED: dict[str, Callable[[Objects, StandInClass, Any], Any]] = {
    "collections.ChainMap": Objects._chain,
    "types.SimpleNamespace": Objects._namespace,
    "uuid.UUID": Objects._uuid,
}
"""Values of the standard library that are made when their state has come."""

_SPECIAL: dict[str, Callable[[Objects, tuple[Any, ...]], Any]] = {
    "builtins.frozenset": lambda objects, args: objects._set(args, frozenset),
    "builtins.getattr": Objects._getattr,
    "builtins.set": lambda objects, args: objects._set(args, set),
    "msgspec._core.rebuild": Objects._rebuild_struct,
    "msgspec._utils.rebuild": Objects._rebuild_struct,
}


def _of_model(state: Any) -> Any:
    """Take the fields out of the state of a pydantic model."""
    if type(state) is dict and "__pydantic_fields_set__" in state and type(state.get("__dict__")) is dict:
        return state["__dict__"]
    return state
