"""The tagged tree that JSON and msgpack clusters exchange (PROTOCOL section 4.4), to messages and back."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable
from sys import getsizeof
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.values.castys_refs import check_uri
from casty_notebook.values.importable import check_importable
from casty_notebook.values.limits.budget import CostGuard, Refused
from casty_notebook.values.limits.measure import TooMuch
from casty_notebook.values.limits.size_model import CLASS_NAME, DICT, LIST, REF, SET, SET_ITEM, SLOT, STAND_IN, TUPLE, pairs
from casty_notebook.values.limits.work import COPIED
from casty_notebook.values.plain_values import is_foreign, plain_value
from casty_notebook.values.registry import Entry, Layout, Registry
from casty_notebook.values.standin import StandIn, StandInClass, stand_in_class

__all__ = ["TreeReader", "TreeWriter"]

_LONGEST_NAME = 1000
_REMEMBERED = 20_000
_NAME = 5_000
_OBJECT = 3_000
"""Nanoseconds to see what an object stands for, and to make it."""
_LEAVES = frozenset({str, int, float, bool, type(None), bytes})


class TreeWriter:
    """Messages to trees, as nodes of one layout read them."""

    __slots__ = ("_layout", "_max_depth", "_octets", "_registry")

    def __init__(self, registry: Registry, layout: Layout, settings: Settings, *, octets: bool) -> None:
        self._registry = registry
        self._layout = layout
        self._max_depth = settings.max_depth
        self._octets = octets
        """Whether the format has a form for bytes: msgpack does, JSON does not."""

    def write(self, value: Any, depth: int = 0) -> Any:
        """Turn one value into a tree.

        Raises
        ------
        UnsendableMessage
            For a kind of value that the format has no form for, or a class that the node cannot import.
        """
        if depth >= self._max_depth:
            raise UnsendableMessage(
                f"the message is nested deeper than {self._max_depth} levels (Settings.max_depth), or contains itself"
            )
        kind = type(value)
        if kind in _LEAVES:
            return self._leaf(value)
        uri = self._registry.ref_uri(value)
        if uri is not None:
            return {"__ref__": check_uri(uri)}
        if kind is list:
            return [self.write(item, depth + 1) for item in value]
        if kind is StandIn:
            return self._standin(value, depth)
        return self._tagged(value, depth)

    def _leaf(self, value: Any) -> Any:
        if type(value) is bytes and not self._octets:
            raise UnsendableMessage("JSON has no form for bytes; send them as text (base64), or use another serializer")
        return value

    def _tagged(self, value: Any, depth: int) -> Any:
        if is_foreign(type(value)):
            return self.write(plain_value(value), depth + 1)
        if isinstance(value, ShardColumn):
            value = dict(value)
        if isinstance(value, enum.Enum):
            return {"__enum__": self._name(type(value)), "value": value.name}
        if isinstance(value, frozenset):
            return {"__frozenset__": [self.write(item, depth + 1) for item in value]}
        entry = self._registry.entry_of(type(value))
        if entry is not None and entry.names is not None:
            return self._fields(value, entry.shape.fields, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            # A node passes all it finds to the class, which takes only what its __init__ has.
            taken = tuple(f.name for f in dataclasses.fields(value) if f.init and f.metadata.get("sent", True))
            return self._fields(value, taken, depth)
        if isinstance(value, dict):
            return {"__dict__": [[self.write(k, depth + 1), self.write(v, depth + 1)] for k, v in value.items()]}
        if isinstance(value, tuple):
            return {"__tuple__": [self.write(item, depth + 1) for item in value]}
        if isinstance(value, StandInClass):
            owner, _, member = value.dotted.rpartition(".")
            return {"__enum__": owner, "value": member}
        if isinstance(value, str | int | float):
            return value
        raise UnsendableMessage(
            f"a {type(value).__qualname__} has no form in JSON or msgpack clusters; they carry dataclasses, enums, "
            "frozensets, tuples, dicts, lists, strings, numbers, booleans and None"
        )

    def _fields(self, value: Any, names: tuple[str, ...], depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {"_type": self._name(type(value))}
        for name in names:
            tree[name] = self.write(getattr(value, name), depth + 1)
        return tree

    def _standin(self, value: StandIn, depth: int) -> dict[str, Any]:
        cls, args, fields, items, pairs = value._contents()
        if args or items or pairs:
            raise UnsendableMessage(
                f"{cls.dotted} is written with positional arguments, but JSON and msgpack clusters need names: "
                f"{cls.dotted}(name=value)"
            )
        tree: dict[str, Any] = {"_type": cls.dotted}
        for name, field in fields.items():
            tree[name] = self.write(field, depth + 1)
        return tree

    def _name(self, cls: type) -> str:
        if self._registry.known_as_castys(cls):
            return ".".join(self._registry.wire_name(cls, self._layout))
        return ".".join(check_importable(cls, send_main=self._registry.send_main))


class TreeReader:
    """Parsed objects to messages, by the closed table, each as soon as it is complete. One per payload."""

    __slots__ = ("_finals", "_held", "_max_depth", "_names", "_registry", "_same", "_settings", "guard")

    def __init__(self, registry: Registry, settings: Settings, held: int = 0) -> None:
        self._registry = registry
        self._settings = settings
        self._held = held
        self.guard = CostGuard(registry, settings, held)
        self._max_depth = settings.max_depth
        self._finals: list[tuple[Entry, Any]] = []
        self._names: dict[str, StandInClass] = {}
        self._same: dict[Any, Any] = {}
        """The one object for each address and allocation: a snapshot has few different ones, written out thousands of times."""

    def another(self) -> TreeReader:
        """Return a fresh reader, for another attempt at the same payload."""
        return TreeReader(self._registry, self._settings, self._held)

    def read(self, parse: Callable[[], tuple[Any, int]]) -> Any:
        """Run a parser that calls `object`; it returns the message and a bound of its depth.

        Raises
        ------
        UndecodableMessage
            For anything outside the form, the table or the bounds.
        """
        try:
            message, depth = parse()
            self._check_depth(message, depth)
            for entry, made in self._finals:
                self.guard.check_fields([getattr(made, name) for name in entry.shape.fields])
                entry.verify(made)
        except UndecodableMessage:
            raise
        except (Refused, TooMuch, ValueError) as error:
            reason = str(error)[:300]
        except Exception as error:
            # Whatever the hash or the comparison of a user's own class raises.
            reason = f"{type(error).__name__}: {str(error)[:200]}"
        else:
            return message
        raise UndecodableMessage(f"a message was refused: {reason}")

    def _check_depth(self, message: Any, depth: int) -> None:
        entry = self._registry.entry_of(type(message))
        closed = entry is not None and entry.conformity is not None and entry.conformity.closed
        if depth > self._max_depth and not closed:
            self.guard.measure(message, depth)

    def object(self, tree: dict[Any, Any]) -> Any:
        """Turn an object of the tree into what it stands for. The parser calls this from the inside out."""
        self.guard.container(0)
        self.guard.work.charge(_OBJECT + COPIED * len(tree))
        try:
            for tag, form, read in _TAGS:
                if type(tree.get(tag)) is form:
                    return read(self, tree)
        except ValueError as error:
            raise Refused(str(error)) from None
        return self._untagged(tree)

    def _ref(self, tree: dict[Any, Any]) -> Any:
        uri = tree["__ref__"]
        self.guard.spend(REF + 2 * len(uri))
        return self._registry.make_ref(uri)

    def _enum(self, tree: dict[Any, Any]) -> Any:
        member = tree.get("value")
        if type(member) is not str:
            return self._untagged(tree)
        entry = self._registry.entry(tree["__enum__"])
        if entry is not None:
            return entry.member_named(member)
        return self._inert(f"{tree['__enum__']}.{member}")

    def _frozenset(self, tree: dict[Any, Any]) -> Any:
        items = tree["__frozenset__"]
        self.guard.spend(SET + SET_ITEM * len(items) + loose(items))
        self.guard.check_keys(items, frozenset)
        return frozenset(items)

    def _dict(self, tree: dict[Any, Any]) -> Any:
        items = tree["__dict__"]
        if not all(type(pair) is list and len(pair) == 2 for pair in items):
            raise Refused("a dict that is not made of pairs")
        keys = [pair[0] for pair in items]
        self.guard.spend(DICT + pairs(0, len(items)) + loose(keys) + loose(pair[1] for pair in items))
        self.guard.check_keys(keys, dict)
        return dict(items)

    def _tuple(self, tree: dict[Any, Any]) -> Any:
        items = tree["__tuple__"]
        self.guard.spend(TUPLE + SLOT * len(items) + loose(items))
        return tuple(items)

    def _object(self, tree: dict[Any, Any]) -> Any:
        name = tree["_type"]
        entry = self._registry.entry(name)
        if entry is None:
            cls = self._inert(name)
            del tree["_type"]
            self.guard.spend(STAND_IN + DICT + pairs(0, len(tree)) + loose(tree.values()))
            return StandIn(cls, (), {str(key): value for key, value in tree.items()})
        # Names that are not fields are ignored, as nodes do.
        values = {field: tree[field] for field in entry.shape.fields if field in tree}
        made = entry.build(values)
        if entry.cls is NodeAddress or entry is self._registry.shard_entry:
            if len(self._same) >= _REMEMBERED:
                self._same.clear()
            known = self._same.setdefault(made, made)
            if known is not made:
                return known
        self.guard.spend(entry.shape.weight + loose(values.values()))
        if entry.conformity is not None and entry.conformity.mutable:
            self._finals.append((entry, made))
        return made

    def _untagged(self, tree: dict[Any, Any]) -> Any:
        """A dict without a tag, which nodes do not write. It stays a dict, as it does for nodes."""
        self.guard.spend(DICT + pairs(0, len(tree)) + loose(tree.values()))
        return tree

    def _inert(self, dotted: str) -> StandInClass:
        dotted = dotted[:_LONGEST_NAME]
        known = self._names.get(dotted)
        if known is not None:
            return known
        self.guard.spend(2 * CLASS_NAME + 3 * len(dotted))
        self.guard.work.charge(_NAME + 20 * len(dotted))
        try:
            made = self._names[dotted] = stand_in_class(dotted)
        except MisuseError:
            raise Refused(f"{dotted[:60]!r} is not the name of a class") from None
        return made


def loose(values: Iterable[Any]) -> int:
    """The weight of the scalars and lists in `values`: the parser has made them, and nothing has counted them yet."""
    weight = 0
    for value in values:
        kind = type(value)
        if kind is str or kind is bytes or kind is int or kind is float:
            weight += getsizeof(value)
        elif kind is list:
            weight += LIST + SLOT * len(value) + loose(value)
    return weight


_TAGS: tuple[tuple[str, type, Callable[[TreeReader, dict[Any, Any]], Any]], ...] = (
    ("__ref__", str, TreeReader._ref),
    ("__enum__", str, TreeReader._enum),
    ("__frozenset__", list, TreeReader._frozenset),
    ("__dict__", list, TreeReader._dict),
    ("__tuple__", list, TreeReader._tuple),
    ("_type", str, TreeReader._object),
)
"""In the order in which nodes look for them."""
