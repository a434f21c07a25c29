"""Values as casty 0.30 writes them: what the user sends, and what comes back (VIRTUAL section 4).

A message names its class and its fields, and nothing else: whether an array was a tuple or a set, and an integer a number or a
day, only the classes know. Values of a class that is registered here (`messages=`) are read by its annotations; all others are
shown as they came, dataclasses as stand-ins.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple, Union, get_args, get_origin
from uuid import UUID

from casty_notebook.backends.virtual.codec.packing import pack, unpack, where_bytes_begin
from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.limits.probing import FEW, KeyWatch
from casty_notebook.values.limits.work import Refused, WorkBudget
from casty_notebook.values.one_of import OneOf
from casty_notebook.values.shapes import Shape, shape_of
from casty_notebook.values.standin import StandIn, StandInClass, parts

__all__ = ["EntityKey", "Misfit", "ReplyTo", "ValueReader", "is_message", "message_name", "write_message", "write_value"]

MAX_DEPTH = 100
"""Nesting of a message; honest ones stay below 20."""
MAX_OBJECTS = 150_000
"""Dataclasses in one value; each takes up to half a kilobyte here, and a few bytes on the wire."""
LARGE = 32 * 1024
"""A value of more bytes than this is read in a thread, so that the loop goes on: every four bytes may become an object."""
MESSAGE = "the message"
"""How a message as a whole is called in errors; its fields are called by their names."""
_BOUNDS = Settings()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - the class is needed below, too
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})
_ONE_BYTE: dict[bytes, Any] = {
    **{bytes((number,)): number for number in range(128)}, **{bytes((256 + number,)): number for number in range(-32, 0)},
    b"\xc0": None, b"\xc2": False, b"\xc3": True, b"\xa0": "",
}  # fmt: skip
"""Values of a single byte, which is what most counters answer."""


class ReplyTo(NamedTuple):
    """Where the answer to an ask is to go: this client, under the ask's number. Put it where a message wants its `reply_to`."""

    incarnation: bytes
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class EntityKey:
    """A key of a type, as it travels inside messages.

    Examples
    --------
    >>> print(EntityKey("shop.actors:counter", "user-42"))
    shop.actors:counter/user-42
    """

    actor: str
    key: str

    def __str__(self) -> str:
        return f"{self.actor}/{self.key}"


_ONE_OF = "casty_notebook.OneOf"


# --- writing -------------------------------------------------------------------------------------------------------


def message_name(message: Any) -> str:
    """The name by which an actor knows a message: its class's qualified name; the module does not travel."""
    kind = type(message)
    return parts(message)[0].qualname if kind is StandIn else kind.__qualname__


def write_message(message: Any, reply_to: ReplyTo | None) -> bytes:
    """Write a message with its `reply_to`: of an ask where the answer goes, None of a tell.

    Raises
    ------
    UnsendableMessage
        If it is no message of named fields, or holds what casty 0.30 cannot write; says which field, and what to do.
    """
    plan = _PLANS.get(type(message))
    if plan is not None:
        name, fields = plan
        tree = {}
        for field, hint in fields:
            value = getattr(message, field)
            tree[field] = value if type(value) in _PLAIN else _write(value, hint, field, 1)
    else:
        if type(message) is StandInClass:
            message = message()
        name, named = _named(message, MESSAGE)
        tree = {field: _write(value, hint, field, 1) for field, value, hint in named}
    tree["reply_to"] = None if reply_to is None else ["r", None, reply_to.incarnation, reply_to.number]
    return pack([name, tree])


def write_value(value: Any, *, tagged: bool = False) -> Any:
    """The tree of a value by itself; `tagged` where it is one of several classes and says its name.

    Raises
    ------
    UnsendableMessage
        If it is, or holds, what casty 0.30 cannot write.
    """
    return _write(OneOf(value) if tagged else value, Any, "the value", 1)


def is_message(value: Any) -> bool:
    """Whether its class was written as a message before, so that nothing about it is to be found out again."""
    return type(value) in _PLANS


def _named(value: Any, where: str) -> tuple[str, list[tuple[str, Any, Any]]]:
    """A value's name and its fields, each with its annotation (Any for a stand-in's)."""
    if type(value) is StandIn:
        cls, args, fields, items, pairs = parts(value)
        if args or items or pairs:
            raise UnsendableMessage(f"{where}: name the fields, as in {cls.qualname}(amount=3); casty 0.30 has no others")
        return cls.qualname, [(name, field, Any) for name, field in fields.items()]
    name, hinted = _PLANS.get(type(value)) or _plan(type(value), where)
    return name, [(field, getattr(value, field), hint) for field, hint in hinted]


type Plan = tuple[str, list[tuple[str, Any]]]
"""The name of a class, and its fields with their annotations."""
_PLANS: dict[type, Plan] = {}
_MOST_PLANS = 1_000
"""Classes that are remembered; a notebook makes a class anew each time its cell runs."""


def _plan(cls: type, where: str) -> Plan:
    shape = _shape(cls, where)
    try:
        hints = typing.get_type_hints(cls)
    except Exception:  # annotations are the user's own, and may name what is not here, or not yet
        return shape.cls.__qualname__, [(field, Any) for field in shape.fields]
    if len(_PLANS) >= _MOST_PLANS:
        _PLANS.clear()
    plan = _PLANS[cls] = shape.cls.__qualname__, [(field, hints.get(field, Any)) for field in shape.fields]
    return plan


def _shape(cls: type, where: str) -> Shape:
    try:
        shape = shape_of(cls)
    except MisuseError:
        shape = None
    if shape is None or shape.family == "enum":
        if where == MESSAGE:
            raise UnsendableMessage(
                f"{where}: {cls.__qualname__} cannot be one; casty 0.30 takes dataclasses and their like, with named fields. "
                "Without the class write shop.actors.Add(amount=3), as text or as cluster.module('shop.actors').Add(amount=3)"
            )
        raise UnsendableMessage(
            f"{where}: {cls.__qualname__} cannot be sent to casty 0.30, which takes dataclasses and their like, numbers, text, "
            "bytes, tuples, sets, mappings, dates, Decimal, UUID and enums"
        )
    return shape


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except Exception:  # annotations are the user's own, and may name what is not here
        return {}


def _write(value: Any, hint: Any, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UnsendableMessage(f"{where}: nested more than {MAX_DEPTH} deep, or it contains itself")
    kind = type(value)
    if kind in _PLAIN:
        return value
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer(value, where)
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bool | int | float | str):
        return kind.__mro__[-2](value)  # a subclass of a plain type, as the plain value
    if isinstance(value, Mapping):
        keys, values = (*get_args(hint), Any, Any)[:2] if get_origin(hint) is not None else (Any, Any)
        pairs = [[_write(k, keys, where, depth + 1), _write(v, values, where, depth + 1)] for k, v in value.items()]
        return sorted(pairs, key=lambda pair: pack(pair[0]))
    if isinstance(value, Set):
        inner = _inner(hint)
        return sorted((_write(item, inner, where, depth + 1) for item in value), key=pack)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        hints = _each(hint, len(value))
        return [_write(item, inner, where, depth + 1) for item, inner in zip(value, hints, strict=True)]
    return _write_object(value, hint, where, depth)


def _write_object(value: Any, hint: Any, where: str, depth: int) -> Any:
    if type(value) is OneOf:
        return _tagged(value.value, where, depth)
    if type(value) is StandIn and parts(value)[0].dotted == _ONE_OF:  # as text writes it
        _, args, fields, *_ = parts(value)
        inside = (*args, *fields.values())
        if len(inside) != 1:
            raise UnsendableMessage(f"{where}: {_ONE_OF} takes one value")
        return _tagged(inside[0], where, depth)
    if type(value) is StandInClass:
        return value.qualname.rpartition(".")[2]  # a member of an enum that is not here
    if _is_union(hint):
        return _tagged(value, where, depth)
    return _tagged(value, where, depth)[1]


def _tagged(value: Any, where: str, depth: int) -> list[Any]:
    name, fields = _named(value, where)
    return [name, {field: _write(inner, hint, f"{where}.{field}", depth + 1) for field, inner, hint in fields}]


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _inner(hint: Any) -> Any:
    return next(iter(get_args(hint)), Any)


def _each(hint: Any, count: int) -> Iterable[Any]:
    """The annotation of each item of a tuple or list."""
    args = get_args(hint)
    if get_origin(hint) is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return args if len(args) == count else [Any] * count
    return [args[0] if args else Any] * count


def _datetime(value: datetime, where: str) -> list[int]:
    offset = value.utcoffset()
    if offset is None:
        raise UnsendableMessage(f"{where}: a datetime without a time zone; casty 0.30 takes none (use datetime.now(UTC))")
    return [(value - _EPOCH) // _MICROSECOND, offset // timedelta(seconds=1)]


_WRITERS: dict[type, Callable[[Any, str], Any]] = {
    datetime: _datetime,
    date: lambda value, _: value.toordinal() - _EPOCH_DAY,
    timedelta: lambda value, _: value // _MICROSECOND,
    Decimal: lambda value, _: str(value),
    UUID: lambda value, _: value.bytes,
    bytearray: lambda value, _: bytes(value),
    ReplyTo: lambda value, _: ["r", None, value.incarnation, value.number],
    EntityKey: lambda value, _: ["e", value.actor, value.key],
}


# --- reading -------------------------------------------------------------------------------------------------------

type Read = Callable[[Any], Any]


def _check_objects(tree: Any) -> None:
    """Refuse a tree of more than `MAX_OBJECTS` objects, counted by its maps: as a rule each holds the fields of an object."""
    waiting, maps = [tree], 0
    while waiting:
        each = waiting.pop()
        if type(each) is list:
            waiting += [inner for inner in each if type(inner) is list or type(inner) is dict]
        elif type(each) is dict:
            maps += 1
            waiting += [inner for inner in each.values() if type(inner) is list or type(inner) is dict]
    if maps > MAX_OBJECTS:
        raise UndecodableMessage(f"a value of {maps:,} objects; at most {MAX_OBJECTS:,} are read")


class Misfit(Exception):
    """A value is not what its annotation says; it is shown as it came."""


_MISFITS = (Misfit, ValueError, TypeError, LookupError, ArithmeticError)
"""What is raised where a tree does not fit a class, for a `Decimal` that cannot be read and a date out of range, too."""


def _blob(data: bytes) -> int:
    """Where the content of a value that is one byte string begins, if its length keeps the bound of memory; otherwise 0."""
    return where_bytes_begin(data) if len(data) <= _BOUNDS.max_memory else 0


class ValueReader:
    """Turns trees into values, with the classes that were registered.

    A reply of a registered class becomes an instance of it, read by its annotations and built without running its code. What
    does not fit them is shown as a stand-in instead, since the class here then differs from the nodes'.
    """

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._readers: dict[Any, Read] = {}
        self._by_field: dict[type, dict[str, Read]] = {}

    def register(self, *classes: Any) -> None:
        """Let replies become instances of these classes, or of those that modules define.

        Raises
        ------
        MisuseError
            For a class that declares no fields, or a module that defines no suitable class.
        """
        self._readers.clear()  # readers of fields whose class was not known until now are out of date
        for each in classes:
            if isinstance(each, types.ModuleType):
                self._register_module(each)
            elif isinstance(each, type):
                self._shapes[each.__qualname__] = shape_of(each)
            else:
                raise MisuseError(f"{each!r} is neither a class nor a module; register message classes or a module of them")
        self._readers.clear()
        self._by_field.clear()

    def _register_module(self, module: types.ModuleType) -> None:
        found = 0
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                try:
                    self._shapes[value.__qualname__] = shape_of(value)
                except MisuseError:
                    continue  # a class that is no message; registered by itself it would raise
                found += 1
        if not found:
            raise MisuseError(f"{module.__name__} defines no dataclass, enum, NamedTuple or model that could be registered")

    def read(self, data: bytes) -> Any:
        """Read a value.

        Raises
        ------
        UndecodableMessage
            For what is not msgpack, or outside the bounds.
        """
        if len(data) == 1 and data in _ONE_BYTE:
            return _ONE_BYTE[data]
        if len(data) > LARGE and (at := _blob(data)):
            return data[at:]
        tree = unpack(data)
        if type(tree) in _PLAIN:
            return tree
        if len(data) > 4 * MAX_OBJECTS:  # each takes four bytes at least
            _check_objects(tree)
        try:
            return self._shown(tree, 0, ours=True)
        except Refused as error:
            raise UndecodableMessage(str(error)) from None
        except RecursionError:
            raise UndecodableMessage(f"a value is nested more than {MAX_DEPTH} deep") from None

    def is_quick(self, data: bytes) -> bool:
        """Whether a long value takes no time to read, because it is one byte string."""
        return _blob(data) > 0

    def shown(self, tree: Any) -> Any:
        """Read a tree whose type is not known."""
        return self._shown(tree, 0)

    def as_type(self, tree: Any, kind: type) -> Any:
        """Read a tree as a plain type; raises `Misfit` if it is none of that type."""
        return self._reader(kind)(tree)

    def instance(self, dotted: str, fields: dict[str, Any]) -> Any:
        """Read the fields of a class that is given by its name: an instance if the class is registered, else a stand-in."""
        module, _, name = dotted.rpartition(".")
        made = self._instance(name, fields, 0)
        return StandIn(StandInClass(module, name), (), parts(made)[2]) if type(made) is StandIn else made

    def _shown(self, tree: Any, depth: int, *, ours: bool = False) -> Any:
        """A value of which nothing is known but what it says itself.

        A tree that is `ours`, as nobody reads it again, is turned into the value in place: the bound of memory has room for
        one of them, not for both.
        """
        kind = type(tree)
        if kind in _PLAIN:
            return tree
        if depth > MAX_DEPTH:
            raise UndecodableMessage(f"a value is nested more than {MAX_DEPTH} deep")
        if kind is list:
            if len(tree) == 2 and type(tree[0]) is str and type(tree[1]) is dict:
                return self._instance(tree[0], tree[1], depth, ours=ours)
            if not ours:
                return tuple([self._shown(item, depth + 1) for item in tree])
            for place, item in enumerate(tree):
                if type(item) not in _PLAIN:
                    tree[place] = self._shown(item, depth + 1, ours=True)
            return tuple(tree)
        if not ours:
            return {key: self._shown(item, depth + 1) for key, item in tree.items()}
        for key, item in tree.items():
            if type(item) not in _PLAIN:
                tree[key] = self._shown(item, depth + 1, ours=True)
        return tree

    def _instance(self, name: str, fields: dict[str, Any], depth: int, *, ours: bool = False) -> Any:
        shape = self._shapes.get(name)
        if shape is not None and shape.family != "enum":
            try:
                return self._built(shape, fields)
            except _MISFITS:
                pass  # shown as it came, below
        shown = {str(key): self._shown(item, depth + 1, ours=ours) for key, item in fields.items()}
        return StandIn(StandInClass("", name), (), shown)

    def _built(self, shape: Shape, fields: dict[str, Any]) -> Any:
        readers = self._by_field.get(shape.cls)
        if readers is None:
            hints = _hints(shape.cls)
            readers = {name: self._reader(hints.get(name, Any)) for name in shape.fields}
            if hints or not shape.fields:
                self._by_field[shape.cls] = readers
        return shape.build({name: read(fields[name]) for name, read in readers.items() if name in fields})

    # --- by annotation ---------------------------------------------------------------------------------------------

    def _reader(self, hint: Any) -> Read:
        try:
            return self._readers[hint]
        except KeyError:
            reader = self._readers[hint] = self._made(hint)
            return reader
        except TypeError:  # an annotation that cannot be hashed
            return self._made(hint)

    def _made(self, hint: Any) -> Read:
        origin, args = get_origin(hint), get_args(hint)
        if origin is typing.Annotated:
            return self._reader(args[0])
        if origin in (Union, types.UnionType):
            return self._one_of(args)
        if origin is tuple:
            return self._tuple(args)
        if origin in (frozenset, set):
            kind, item = origin, self._lazily(_inner(hint))
            return lambda tree: kind(_apart([item(each) for each in _list(tree)], kind))
        if isinstance(origin, type) and issubclass(origin, Mapping):
            key, value = (self._lazily(arg) for arg in (args or (Any, Any)))
            return lambda tree: _mapping([(key(k), value(v)) for k, v in map(_pair, _list(tree))])
        if hint in _READERS:
            return _READERS[hint]
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return lambda tree: hint.__members__[tree]
        if isinstance(hint, type) and hint.__qualname__ in self._shapes:
            return lambda tree: self._built(self._shapes[hint.__qualname__], _untagged(tree))
        return lambda tree: self._shown(tree, 1)

    def _lazily(self, hint: Any) -> Read:
        """The reader of an annotation, looked up only when it is used, since classes may refer to themselves."""
        return lambda tree: self._reader(hint)(tree)

    def _tuple(self, args: tuple[Any, ...]) -> Read:
        if len(args) == 2 and args[1] is Ellipsis:
            item = self._lazily(args[0])
            return lambda tree: tuple([item(each) for each in _list(tree)])
        items = [self._lazily(arg) for arg in args]
        return lambda tree: tuple([item(each) for item, each in zip(items, _list(tree), strict=True)])

    def _one_of(self, choices: tuple[Any, ...]) -> Read:
        """The reader of a union. A dataclass in it is written with its name; of the other types the first that fits is taken."""
        readers = [(choice, self._lazily(choice)) for choice in choices]

        def read(tree: Any) -> Any:
            if type(tree) is list and len(tree) == 2 and type(tree[0]) is str and type(tree[1]) is dict:
                return self._instance(tree[0], tree[1], 1)
            for choice, reader in readers:
                if choice is type(tree) or (tree is None and choice is type(None)):
                    return tree
                if choice not in _PLAIN:
                    try:
                        return reader(tree)
                    except _MISFITS:
                        continue
            raise Misfit

        return read


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    _apart([key for key, _ in pairs], dict)
    return dict(pairs)


def _apart[T](keys: list[T], kind: type) -> list[T]:
    """The keys, once they are found safe for a set or dict: numbers can be chosen to collide, and building it takes for ever."""
    if len(keys) > FEW and not all(type(key) is str or type(key) is bytes for key in keys):
        watch = KeyWatch(kind(), final=True)
        if not watch.are_apart(keys, ints=all(type(key) is int for key in keys)):
            watch.add(keys, WorkBudget(_BOUNDS, 16 * len(keys)))
    return keys


def _list(tree: Any) -> list[Any]:
    if type(tree) is not list:
        raise Misfit
    return tree


def _pair(tree: Any) -> tuple[Any, Any]:
    if type(tree) is not list or len(tree) != 2:
        raise Misfit
    return tree[0], tree[1]


def _untagged(tree: Any) -> dict[str, Any]:
    """The fields of a dataclass, which says its name where it is a whole message or one of several alternatives."""
    if type(tree) is list and len(tree) == 2 and type(tree[1]) is dict:
        tree = tree[1]
    if type(tree) is not dict:
        raise Misfit
    return tree


def _exactly(kind: type) -> Read:
    def read(tree: Any) -> Any:
        if type(tree) is not kind:
            raise Misfit
        return tree

    return read


def _float(tree: Any) -> float:
    if type(tree) not in (int, float):
        raise Misfit
    return float(tree)


def _integer(tree: Any) -> int:
    if type(tree) is not int:
        raise Misfit
    return tree


def _read_datetime(tree: Any) -> datetime:
    moment, offset = map(_integer, _pair(tree))
    return (_EPOCH + timedelta(microseconds=moment)).astimezone(timezone(timedelta(seconds=offset)))


def _read_key(tree: Any) -> Any:
    if type(tree) is list and len(tree) == 3 and tree[0] == "e":
        return EntityKey(_exactly(str)(tree[1]), _exactly(str)(tree[2]))
    raise Misfit


_READERS: dict[Any, Read] = {
    **{kind: _exactly(kind) for kind in (int, str, bytes, bool, type(None))},
    float: _float,
    datetime: _read_datetime,
    date: lambda tree: date.fromordinal(_EPOCH_DAY + _integer(tree)),
    timedelta: lambda tree: timedelta(microseconds=_integer(tree)),
    Decimal: lambda tree: Decimal(_exactly(str)(tree)),
    UUID: lambda tree: UUID(bytes=_exactly(bytes)(tree)),
    EntityKey: _read_key,
}
