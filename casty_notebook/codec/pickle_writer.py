"""Pickle, written by our own hand: protocol 5 as nodes write it, for any message whose class the nodes can import.

`pickle.Pickler` looks every class up in the module it claims, so it can neither write casty's own messages for nodes of
another layout nor the instance of a class that is only known by name. What must not reach a node is refused here, with
the remedy: classes of the notebook itself, and refs that would end the node's transport (PROTOCOL section 9).
"""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import types
from collections.abc import Callable, Iterable
from typing import Any

from casty_notebook.codec import pickle_atoms as atoms
from casty_notebook.codec.importable import check_importable
from casty_notebook.codec.refs import check_uri
from casty_notebook.codec.registry import REF_RESTORERS, Layout, Registry
from casty_notebook.codec.standin import STATE, StandIn, StandInClass
from casty_notebook.errors import UnsendableMessage
from casty_notebook.settings import Settings

__all__ = ["PickleWriter"]

type Plan = Callable[["_Pickling", Any, int], None]

_SCALARS: dict[type, Callable[[Any], bytes]] = {
    str: atoms.text,
    int: atoms.integer,
    float: atoms.real,
    bool: lambda value: b"\x88" if value else b"\x89",
    type(None): lambda _: b"N",
    bytes: atoms.octets,
}


class PickleWriter:
    """Writes pickles for nodes of one layout, and keeps what it learns about a class. Safe to use from any thread."""

    __slots__ = ("_layout", "_max_depth", "_plans", "_registry")

    def __init__(self, registry: Registry, layout: Layout, settings: Settings) -> None:
        self._registry = registry
        self._layout = layout
        self._max_depth = settings.max_depth
        self._plans: dict[type, Plan] = dict(_PLANS)

    def dumps(self, message: Any) -> bytes:
        """Write one message.

        Raises
        ------
        UnsendableMessage
            If a node could not read it back; says which part and what to do.
        """
        pickling = _Pickling(self, self._plans, self._max_depth)
        pickling.save(message, 0)
        pickling.out.append(b".")
        return b"".join(pickling.out)

    def plan(self, cls: type, example: Any) -> Plan:
        """Work out how instances of `cls` are written."""
        plan = self._plan(cls, example)
        self._plans[cls] = plan
        return plan

    def _plan(self, cls: type, example: Any) -> Plan:
        if isinstance(example, type):
            return _save_class
        if self._registry.ref_uri(example) is not None:
            return self._ref_plan()
        if issubclass(cls, enum.Enum) and cls not in copyreg.dispatch_table:
            name = self.class_name(cls)
            return lambda pickling, obj, depth: pickling.save_call(cls, name, (obj.value,), obj, depth)
        entry = self._registry.entry_of(cls)
        if entry is not None and entry.names is not None:
            return _fields_plan(cls, self.class_name(cls), entry.shape.fields)
        if dataclasses.is_dataclass(cls) and _pickles_by_default(cls):
            names = tuple(field.name for field in dataclasses.fields(cls))
            return _dict_plan(cls, self.class_name(cls), names)
        return _save_reduced

    def _ref_plan(self) -> Plan:
        restorer = REF_RESTORERS[self._layout]
        name, ref_uri = atoms.name(*restorer), self._registry.ref_uri

        def save(pickling: _Pickling, obj: Any, depth: int) -> None:
            pickling.save_call(restorer, name, (check_uri(ref_uri(obj) or ""),), obj, depth)

        return save

    def class_name(self, cls: Any) -> bytes:
        """Return the opcodes that name `cls` or a function, as the nodes know it."""
        if isinstance(cls, type) and self._registry.known_as_castys(cls):
            return atoms.name(*self._registry.wire_name(cls, self._layout))
        return atoms.name(*check_importable(cls))


class _Pickling:
    """One message being written: output, and what was written already by identity."""

    __slots__ = ("_kept", "_max_depth", "_memo", "_plans", "_writer", "out")

    def __init__(self, writer: PickleWriter, plans: dict[type, Plan], max_depth: int) -> None:
        self.out: list[bytes] = [b"\x80\x05"]
        self._writer = writer
        self._plans = plans
        self._memo: dict[int, int] = {}
        self._kept: list[Any] = []
        self._max_depth = max_depth

    def save(self, obj: Any, depth: int) -> None:
        kind = type(obj)
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            self.out.append(scalar(obj))
            return
        index = self._memo.get(id(obj))
        if index is not None:
            self.out.append(atoms.recall(index))
            return
        if depth >= self._max_depth:
            raise UnsendableMessage(
                f"the message is nested deeper than {self._max_depth} levels (Settings.max_depth), or contains itself"
            )
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._writer.plan(kind, obj)
        plan(self, obj, depth + 1)

    def remember(self, obj: Any) -> None:
        """Note that MEMOIZE was just written for `obj`, and hold it, so that its id stays its own."""
        self._memo[id(obj)] = len(self._memo)
        self._kept.append(obj)

    def recalled(self, obj: Any) -> bytes | None:
        """The opcode for an object that was written already."""
        index = self._memo.get(id(obj))
        return None if index is None else atoms.recall(index)

    def save_name(self, key: object, name: bytes) -> None:
        """Write the opcodes `name` of a class or function; later ones of the same `key` are references."""
        known = self.recalled(key)
        if known is not None:
            self.out.append(known)
        else:
            self.out.append(name + b"\x94")
            self.remember(key)

    def save_class(self, cls: Any) -> None:
        self.save_name(cls, self._writer.class_name(cls))

    def save_call(self, key: object, name: bytes, args: tuple[Any, ...], obj: Any, depth: int) -> None:
        """Write a call of one argument that makes `obj`."""
        self.save_name(key, name)
        self.save(args[0], depth)
        self.out.append(b"\x85R\x94")
        self.remember(obj)

    def save_many(self, items: Iterable[Any], close: bytes, depth: int) -> None:
        self.out.append(b"(")
        for item in items:
            self.save(item, depth)
        self.out.append(close)

    def save_pairs(self, items: Iterable[tuple[Any, Any]], depth: int) -> None:
        self.save_many((part for pair in items for part in pair), b"u", depth)


def _save_tuple(pickling: _Pickling, obj: tuple[Any, ...], depth: int) -> None:
    if not obj:
        pickling.out.append(b")")
        return
    pickling.save_many(obj, b"", depth)
    known = pickling.recalled(obj)
    if known is not None:  # it contains itself, through a list: drop the items, take what they made
        pickling.out.append(b"1" + known)
        return
    pickling.out.append(b"t\x94")
    pickling.remember(obj)


def _save_frozenset(pickling: _Pickling, obj: frozenset[Any], depth: int) -> None:
    pickling.save_many(obj, b"\x91\x94", depth)
    pickling.remember(obj)


def _save_list(pickling: _Pickling, obj: list[Any], depth: int) -> None:
    pickling.out.append(b"]\x94")
    pickling.remember(obj)
    if obj:
        pickling.save_many(obj, b"e", depth)


def _save_set(pickling: _Pickling, obj: set[Any], depth: int) -> None:
    pickling.out.append(b"\x8f\x94")
    pickling.remember(obj)
    if obj:
        pickling.save_many(obj, b"\x90", depth)


def _save_dict(pickling: _Pickling, obj: dict[Any, Any], depth: int) -> None:
    pickling.out.append(b"}\x94")
    pickling.remember(obj)
    if obj:
        pickling.save_pairs(obj.items(), depth)


def _save_bytearray(pickling: _Pickling, obj: bytearray, depth: int) -> None:  # noqa: ARG001
    pickling.out.append(b"\x96" + len(obj).to_bytes(8, "little") + obj + b"\x94")
    pickling.remember(obj)


def _save_class(pickling: _Pickling, obj: type, depth: int) -> None:  # noqa: ARG001
    singleton = {type(None): b"N", type(...): atoms.name("builtins", "Ellipsis")}.get(obj)
    if singleton is not None:
        pickling.out.append(atoms.name("builtins", "type") + singleton + b"\x85R")
    else:
        pickling.save_class(obj)


def _save_standin_class(pickling: _Pickling, obj: StandInClass, depth: int) -> None:  # noqa: ARG001
    pickling.out.append(atoms.name(obj.module, obj.qualname))


def _save_standin(pickling: _Pickling, obj: StandIn, depth: int) -> None:
    """Make the node *call* the class, so that its defaults and ``__post_init__`` apply.

    REDUCE takes positional arguments only. Named ones go through ``functools.partial(cls, **fields)``, which pickles
    (and is called here) with opcodes alone.
    """
    cls, args, fields, items, pairs = obj._contents()
    if STATE in fields:
        raise UnsendableMessage(
            f"{cls.dotted} came with a state that only its own class understands; it cannot be sent on as a stand-in"
        )
    out, name = pickling.out, atoms.name(cls.module, cls.qualname)
    if fields:
        out.append(atoms.name("functools", "partial") + name + b"\x85R(" + name)
        pickling.save(args, depth)
        pickling.save(dict(fields), depth)
        out.append(b"Ntb)R\x94")
    else:
        out.append(name)
        pickling.save(args, depth)
        out.append(b"R\x94")
    pickling.remember(obj)
    if items:
        pickling.save_many(items, b"e", depth)
    if pairs:
        pickling.save_pairs(pairs.items(), depth)


def _fields_plan(cls: type, name: bytes, fields: tuple[str, ...]) -> Plan:
    """An instance as NEWOBJ and a dict of its fields, read one by one (also where the class here is a tuple)."""
    keyed = [(atoms.text(field), field) for field in fields]

    def save(pickling: _Pickling, obj: Any, depth: int) -> None:
        out, put = pickling.out, pickling.save
        pickling.save_name(cls, name)
        out.append(b")\x81\x94}(")
        pickling.remember(obj)
        for key, field in keyed:
            out.append(key)
            put(getattr(obj, field), depth)
        out.append(b"ub")

    return save if fields else _empty_plan(cls, name)


def _dict_plan(cls: type, name: bytes, fields: tuple[str, ...]) -> Plan:
    """An instance as NEWOBJ and its ``__dict__``, which may hold more than the fields (a cached property)."""
    by_fields = _fields_plan(cls, name, fields)

    def save(pickling: _Pickling, obj: Any, depth: int) -> None:
        state = obj.__dict__
        if len(state) == len(fields) and all(field in state for field in fields):
            by_fields(pickling, obj, depth)
            return
        pickling.save_name(cls, name)
        pickling.out.append(b")\x81\x94")
        pickling.remember(obj)
        if state:
            pickling.save(dict(state), depth)
            pickling.out.append(b"b")

    return save


def _empty_plan(cls: type, name: bytes) -> Plan:
    def save(pickling: _Pickling, obj: Any, depth: int) -> None:  # noqa: ARG001
        pickling.save_name(cls, name)
        pickling.out.append(b")\x81\x94")
        pickling.remember(obj)

    return save


def _pickles_by_default(cls: type) -> bool:
    """Whether the class leaves it to `object` how it is pickled, by its ``__dict__``."""
    return (
        cls not in copyreg.dispatch_table
        and all(getattr(cls, name) is getattr(object, name) for name in ("__reduce_ex__", "__reduce__", "__getstate__"))
        and not hasattr(cls, "__getnewargs__")
        and not hasattr(cls, "__getnewargs_ex__")
        and cls.__dictoffset__ != 0
        and not any("__slots__" in vars(base) and vars(base)["__slots__"] for base in cls.__mro__)
        and not issubclass(cls, (tuple, list, dict, set, frozenset, str, int, float, bytes, BaseException))
    )


def _save_reduced(pickling: _Pickling, obj: Any, depth: int) -> None:
    """Anything else says itself how it is made again (`object.__reduce_ex__`)."""
    if isinstance(obj, types.FunctionType | types.BuiltinFunctionType) and not _is_bound(obj):
        pickling.save_class(obj)
        return
    reducer = copyreg.dispatch_table.get(type(obj))
    try:
        made: Any = reducer(obj) if reducer is not None else obj.__reduce_ex__(4)
    except UnsendableMessage:
        raise
    except Exception as error:
        raise UnsendableMessage(f"a {type(obj).__qualname__} cannot be sent: {str(error)[:200]}") from error
    if isinstance(made, str):
        pickling.save_name(obj, atoms.name(*check_importable(obj, made)))
        return
    func, args, state, items, pairs, setter = (*made, None, None, None, None)[:6]
    _save_creation(pickling, func, args, depth)
    pickling.out.append(b"\x94")
    pickling.remember(obj)
    if items is not None:
        pickling.save_many(items, b"e", depth)
    if pairs is not None:
        pickling.save_pairs(pairs, depth)
    if state is not None and setter is None:
        pickling.save(state, depth)
        pickling.out.append(b"b")
    elif state is not None:
        pickling.save(setter, depth)
        pickling.save((obj, state), depth)
        pickling.out.append(b"R0")


def _save_creation(pickling: _Pickling, func: Any, args: tuple[Any, ...], depth: int) -> None:
    name = getattr(func, "__name__", "")
    if name == "__newobj__":
        pickling.save_class(args[0])
        pickling.save(args[1:], depth)
        pickling.out.append(b"\x81")
    elif name == "__newobj_ex__":
        pickling.save_class(args[0])
        pickling.save(args[1], depth)
        pickling.save(args[2], depth)
        pickling.out.append(b"\x92")
    else:
        pickling.save(func, depth)
        pickling.save(args, depth)
        pickling.out.append(b"R")


def _is_bound(func: Any) -> bool:
    """A method of a built-in object, which travels as ``getattr(object, name)``."""
    owner = getattr(func, "__self__", None)
    return owner is not None and not isinstance(owner, types.ModuleType)


_PLANS: dict[type, Plan] = {
    tuple: _save_tuple,
    list: _save_list,
    dict: _save_dict,
    set: _save_set,
    frozenset: _save_frozenset,
    bytearray: _save_bytearray,
    StandIn: _save_standin,
    StandInClass: _save_standin_class,
    types.FunctionType: _save_reduced,
    types.BuiltinFunctionType: _save_reduced,
}
