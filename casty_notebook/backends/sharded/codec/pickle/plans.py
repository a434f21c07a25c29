"""How each kind of object is written: ``plan(pickling, obj, depth)`` functions for built-in kinds and for classes."""

from __future__ import annotations

import copyreg
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from casty_notebook.backends.sharded.codec.pickle import atoms
from casty_notebook.backends.sharded.codec.pickle.pickling import Pickling, Plan
from casty_notebook.errors import UnsendableMessage
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.values.standin import STATE, StandIn, StandInClass

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.codec.pickle.plain import Form

__all__ = ["BUILT_IN", "by_dict", "by_fields", "pickles_by_default", "save_class", "save_reduced"]


def _save_tuple(pickling: Pickling, obj: tuple[Any, ...], depth: int) -> None:
    if not obj:
        pickling.out.append(b")")
        return
    pickling.save_many(obj, b"", depth)
    known = pickling.recalled(obj)
    if known is not None:  # it contains itself, through a list, and was written with that: drop these items, refer to it
        pickling.out.append(b"1" + known)
        return
    pickling.out.append(b"t\x94")
    pickling.remember(obj)


def _save_frozenset(pickling: Pickling, obj: frozenset[Any], depth: int) -> None:
    pickling.save_many(obj, b"\x91\x94", depth)
    pickling.remember(obj)


def _save_list(pickling: Pickling, obj: list[Any], depth: int) -> None:
    pickling.out.append(b"]\x94")
    pickling.remember(obj)
    if obj:
        pickling.save_many(obj, b"e", depth)


def _save_set(pickling: Pickling, obj: set[Any], depth: int) -> None:
    pickling.out.append(b"\x8f\x94")
    pickling.remember(obj)
    if obj:
        pickling.save_many(obj, b"\x90", depth)


def _save_dict(pickling: Pickling, obj: Mapping[Any, Any], depth: int) -> None:
    pickling.out.append(b"}\x94")
    pickling.remember(obj)
    if obj:
        pickling.save_pairs(obj.items(), depth)


def _save_bytearray(pickling: Pickling, obj: bytearray, depth: int) -> None:  # noqa: ARG001
    pickling.out.append(b"\x96" + len(obj).to_bytes(8, "little") + obj + b"\x94")
    pickling.remember(obj)


def save_class(pickling: Pickling, obj: type, depth: int) -> None:  # noqa: ARG001
    """A class as a value travels by its name; the nameless classes of None and ``...`` by a call of `type`."""
    singleton = {type(None): b"N", type(...): atoms.name("builtins", "Ellipsis")}.get(obj)
    if singleton is not None:
        pickling.out.append(atoms.name("builtins", "type") + singleton + b"\x85R")
    else:
        pickling.save_class(obj)


def _save_standin_class(pickling: Pickling, obj: StandInClass, depth: int) -> None:  # noqa: ARG001
    pickling.out.append(atoms.name(obj.module, obj.qualname))


def _save_standin(pickling: Pickling, obj: StandIn, depth: int) -> None:
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


def by_fields(cls: type, form: Form) -> Plan:
    """An instance as NEWOBJ and a dict of its fields, read one by one (also where the class here is a tuple)."""
    scalars = atoms.SCALARS

    def save(pickling: Pickling, obj: Any, depth: int) -> None:
        out = pickling.out
        out.append(pickling.class_opcodes(cls, form.name))
        out.append(form.opening)
        pickling.remember(obj)
        for key, field in form.keyed:
            value = getattr(obj, field)
            scalar = scalars.get(type(value))
            # Scalars are written here, without a call of `save`: most fields are scalars, and these calls would cost the most.
            if scalar is not None:
                out.append(key + scalar(value))
            else:
                out.append(key)
                pickling.save(value, depth)
        out.append(form.closing)

    return save


def by_dict(cls: type, form: Form) -> Plan:
    """An instance as NEWOBJ and its ``__dict__``, which may hold more than the fields (a cached property)."""
    plainly = by_fields(cls, form)

    def save(pickling: Pickling, obj: Any, depth: int) -> None:
        state = obj.__dict__
        if state.keys() == form.expected:
            plainly(pickling, obj, depth)
            return
        pickling.out.append(pickling.class_opcodes(cls, form.name))
        pickling.out.append(b")\x81\x94")
        pickling.remember(obj)
        if state:
            pickling.save(dict(state), depth)
            pickling.out.append(b"b")

    return save


def pickles_by_default(cls: type) -> bool:
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


def save_reduced(pickling: Pickling, obj: Any, depth: int) -> None:
    """Write any other object as its `__reduce_ex__` (or `copyreg`) says that it is to be made again."""
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
        pickling.save_named(obj, made)
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


def _save_creation(pickling: Pickling, func: Any, args: tuple[Any, ...], depth: int) -> None:
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


BUILT_IN: dict[type, Plan] = {
    tuple: _save_tuple,
    list: _save_list,
    dict: _save_dict,
    ShardColumn: _save_dict,
    set: _save_set,
    frozenset: _save_frozenset,
    bytearray: _save_bytearray,
    StandIn: _save_standin,
    StandInClass: _save_standin_class,
    types.FunctionType: save_reduced,
    types.BuiltinFunctionType: save_reduced,
}
