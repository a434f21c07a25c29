"""The tagged tree that JSON and msgpack clusters exchange (PROTOCOL section 4.4), to messages and back."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from casty_notebook.codec.guard import CostGuard, Refused
from casty_notebook.codec.importable import check_importable
from casty_notebook.codec.measure import TooMuch
from casty_notebook.codec.refs import check_uri
from casty_notebook.codec.registry import Entry, Layout, Registry
from casty_notebook.codec.standin import StandIn, StandInClass, stand_in_class
from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings

__all__ = ["TreeReader", "TreeWriter"]

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
        if isinstance(value, enum.Enum):
            return {"__enum__": self._name(type(value)), "value": value.name}
        if isinstance(value, frozenset):
            return {"__frozenset__": [self.write(item, depth + 1) for item in value]}
        entry = self._registry.entry_of(type(value))
        if entry is not None and entry.names is not None:
            return self._fields(value, entry.shape.fields, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            # A node passes all it finds to the class, which takes only what its __init__ has.
            return self._fields(value, tuple(f.name for f in dataclasses.fields(value) if f.init), depth)
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
        return ".".join(check_importable(cls))


class TreeReader:
    """Trees to messages, by the closed table. One per payload."""

    __slots__ = ("_finals", "_guard", "_max_depth", "_max_items", "_registry", "_seen")

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._guard = CostGuard(registry, settings)
        self._max_depth = settings.max_depth
        self._max_items = settings.max_items
        self._seen = 0
        self._finals: list[tuple[Entry, Any]] = []

    def read(self, tree: Any) -> Any:
        """Turn a parsed tree into a message.

        Raises
        ------
        UndecodableMessage
            For anything outside the form, the table or the bounds.
        """
        try:
            message = self._value(tree, 0)
            for entry, made in self._finals:
                entry.verify(made)
        except (Refused, TooMuch, ValueError) as error:
            reason = str(error)[:300]
        except Exception as error:
            # Whatever the hash or the comparison of a user's own class raises.
            reason = f"{type(error).__name__}: {str(error)[:200]}"
        else:
            return message
        raise UndecodableMessage(f"a message was refused: {reason}")

    def _value(self, tree: Any, depth: int) -> Any:
        kind = type(tree)
        self._seen += 1
        if kind in _LEAVES:
            return tree
        if depth >= self._max_depth:
            raise Refused(f"nested deeper than {self._max_depth} levels (Settings.max_depth)")
        if self._seen > self._max_items:
            raise Refused(f"more than {self._max_items:,} values (Settings.max_items)")
        if kind is list:
            return [self._value(item, depth + 1) for item in tree]
        if kind is not dict:
            raise Refused(f"a value of type {kind.__qualname__}")
        for tag, form, read in _TAGS:
            if type(tree.get(tag)) is form:
                return read(self, tree, depth)
        return self._untagged(tree, depth)

    def _ref(self, tree: dict[Any, Any], depth: int) -> Any:  # noqa: ARG002
        return self._registry.make_ref(tree["__ref__"])

    def _enum(self, tree: dict[Any, Any], depth: int) -> Any:
        member = tree.get("value")
        if type(member) is not str:
            return self._untagged(tree, depth)
        entry = self._registry.entry(tree["__enum__"])
        if entry is not None:
            return entry.member_named(member)
        return _inert(f"{tree['__enum__']}.{member}")

    def _frozenset(self, tree: dict[Any, Any], depth: int) -> Any:
        items = self._items(tree["__frozenset__"], depth)
        self._guard.check_keys(items, self._guard.new_scope())
        return frozenset(items)

    def _dict(self, tree: dict[Any, Any], depth: int) -> Any:
        pairs = tree["__dict__"]
        if not all(type(pair) is list and len(pair) == 2 for pair in pairs):
            raise Refused("a dict that is not made of pairs")
        keys = [self._value(pair[0], depth + 1) for pair in pairs]
        self._guard.check_keys(keys, self._guard.new_scope())
        return {key: self._value(pair[1], depth + 1) for key, pair in zip(keys, pairs, strict=True)}

    def _tuple(self, tree: dict[Any, Any], depth: int) -> Any:
        return tuple(self._items(tree["__tuple__"], depth))

    def _items(self, trees: list[Any], depth: int) -> list[Any]:
        return [self._value(item, depth + 1) for item in trees]

    def _object(self, tree: dict[Any, Any], depth: int) -> Any:
        name = tree["_type"]
        entry = self._registry.entry(name)
        if entry is None:
            return StandIn(_inert(name), (), {str(k): self._value(v, depth + 1) for k, v in tree.items() if k != "_type"})
        # Names that are not fields are ignored, as nodes do.
        made = entry.build({f: self._value(tree[f], depth + 1) for f in entry.shape.fields if f in tree})
        if entry.conformity is not None and entry.conformity.mutable:
            self._finals.append((entry, made))
        return made

    def _untagged(self, tree: dict[Any, Any], depth: int) -> Any:
        """A dict that no node wrote by the rules: passed on as it is, as nodes do, once its depth is known."""
        level: list[Any] = [tree]
        for _ in range(self._max_depth - depth):
            level = [part for value in level for part in _parts(value)]
            if not level:
                return tree
        raise Refused(f"nested deeper than {self._max_depth} levels (Settings.max_depth)")


def _parts(value: Any) -> list[Any]:
    if type(value) is dict:
        return list(value.values())
    if type(value) is list:
        return value
    if type(value) not in _LEAVES:
        raise Refused(f"a value of type {type(value).__qualname__}")
    return []


def _inert(dotted: str) -> StandInClass:
    try:
        return stand_in_class(dotted[:1000])
    except MisuseError:
        raise Refused(f"{dotted[:60]!r} is not the name of a class") from None


_TAGS: tuple[tuple[str, type, Callable[[TreeReader, dict[Any, Any], int], Any]], ...] = (
    ("__ref__", str, TreeReader._ref),
    ("__enum__", str, TreeReader._enum),
    ("__frozenset__", list, TreeReader._frozenset),
    ("__dict__", list, TreeReader._dict),
    ("__tuple__", list, TreeReader._tuple),
    ("_type", str, TreeReader._object),
)
"""In the order in which nodes look for them."""
