"""The closed table: which wire names are local classes. What is not in it becomes a stand-in (DESIGN section 2.9)."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.errors import MisuseError
from casty_notebook.values.castys_refs import is_castys
from casty_notebook.values.field_types import Conformity
from casty_notebook.values.nesting import NESTING
from casty_notebook.values.shapes import Shape, shape_of
from casty_notebook.values.short_repr import brief

__all__ = ["REF_RESTORERS", "Entry", "Layout", "Registry"]


class Layout(StrEnum):
    """The two module layouts of casty (PROTOCOL section 4.1)."""

    pkg = "pkg"
    """0.16 to 0.21."""
    flat = "flat"
    """0.14 and 0.15."""


REF_RESTORERS: dict[Layout, tuple[str, str]] = {
    Layout.pkg: ("casty.remote.ref", "restore_actor_ref"),
    Layout.flat: ("casty.ref", "_restore_actor_ref"),
}
"""The function by which a pickled ref is restored, as (module, name)."""


class Entry:
    """One class of the table, with the names by which each layout knows it (None: its own module and name)."""

    __slots__ = ("_conformity", "_is_ref", "cls", "names", "shape")

    def __init__(
        self,
        shape: Shape,
        names: dict[Layout, tuple[str, str]] | None = None,
        is_ref: Callable[[Any], bool] | None = None,
    ) -> None:
        self.cls = shape.cls
        self.shape = shape
        self.names = names
        self._is_ref = is_ref
        self._conformity: Conformity | None = None

    @property
    def conformity(self) -> Conformity | None:
        """The demands on casty's own messages; None for the user's classes, which pickle does not check either."""
        if self._conformity is None and self._is_ref is not None and self.shape.family != "enum":
            # Late, since annotations name classes that are registered after this one.
            self._conformity = Conformity(self.cls, self.shape.fields, self._is_ref)
        return self._conformity

    @property
    def leaf(self) -> bool:
        """An instance holds nothing that could nest: enum members and node addresses."""
        return self.shape.family == "enum" or self.cls is NodeAddress

    def build(self, values: dict[str, Any]) -> Any:
        """Make an instance from named fields; `ValueError` says what is wrong with them."""
        if self.cls is NodeAddress:
            return _node_address(values)
        made = self.shape.build(values)
        conformity = self.conformity
        if conformity is not None and not conformity.mutable:
            self.verify(made)
        return made

    def verify(self, made: Any) -> None:
        """Raise `ValueError` if a field of casty's own message has another type than its annotation."""
        conformity = self.conformity
        complaint = conformity.complaint(made) if conformity is not None else None
        if complaint is not None:
            raise ValueError(complaint)

    def build_positional(self, args: tuple[Any, ...]) -> Any:
        """Make an instance from the first fields in order, or find an enum member by its value."""
        if self.shape.family == "enum":
            if len(args) != 1:
                raise ValueError(f"{self.cls.__qualname__} came with {len(args)} values instead of one")
            return self._member(args[0])
        if len(args) > len(self.shape.fields):
            raise ValueError(f"{self.cls.__qualname__} came with {len(args)} values; it has {len(self.shape.fields)} fields here")
        return self.build(dict(zip(self.shape.fields, args, strict=False)))

    def _member(self, value: Any) -> Any:
        cls: Any = self.cls
        # Not by calling the class: that would run a _missing_ of its own.
        try:
            member = cls._value2member_map_.get(value)
        except TypeError:
            member = None
        if member is None:
            member = next((m for m in cls if type(m.value) is type(value) and m.value == value), None)
        if member is None and type(value) is int and 0 <= value < 1 << 64 and _combines(cls):
            member = cls(value)
        if member is None:
            raise ValueError(f"{cls.__qualname__} has no member with the value {brief(value)}")
        return member

    def member_named(self, name: str) -> Any:
        """Find an enum member by its name."""
        cls: Any = self.cls
        if self.shape.family != "enum" or name not in cls.__members__:
            raise ValueError(f"{cls.__qualname__} has no member named {name[:60]!r}")
        return cls.__members__[name]


def _combines(cls: Any) -> bool:
    """Whether several flags of `cls` make another one by the standard library's code alone."""
    own = getattr(cls._missing_, "__func__", None)
    return issubclass(cls, enum.Flag) and own is enum.Flag._missing_.__func__  # type: ignore[attr-defined]


def _node_address(values: dict[str, Any]) -> NodeAddress:
    """A dataclass there, a tuple here (see `NodeAddress`), checked by hand because every shard has one."""
    try:
        host, port = values["host"], values["port"]
    except KeyError:
        raise ValueError(f"a NodeAddress came with {_names(values)} instead of host and port") from None
    if type(host) is not str or type(port) is not int or not 0 <= port <= 65535:
        raise ValueError(f"a NodeAddress came as host {brief(host)}, port {brief(port)}")
    if len(values) != 2 or len(host) > 255:
        raise ValueError(f"a NodeAddress came with {_names(values)} and a host of {len(host)} characters")
    return NodeAddress(host, port)


def _names(values: dict[Any, Any]) -> str:
    return "the fields " + ", ".join(brief(name) for name in list(values)[:3])


class Registry:
    """The table of wire names and local classes, and the two functions that turn a URI into a ref and back.

    Parameters
    ----------
    make_ref
        Called with the URI of every ref that is received.
    ref_uri
        Returns the URI of a ref, of ours or of an installed casty's, None for anything else.
    send_main
        Messages may be of classes of ``__main__``: the nodes' own has them, too.
    """

    def __init__(
        self, make_ref: Callable[[str], Any], ref_uri: Callable[[Any], str | None], *, send_main: bool = False
    ) -> None:
        self.make_ref = make_ref
        self.send_main = send_main
        self.ref_uri = ref_uri
        self._by_name: dict[str, Entry] = {}
        self._by_class: dict[type, Entry] = {}
        self.restorers = frozenset(f"{module}.{name}" for module, name in REF_RESTORERS.values())
        self.nesting: frozenset[type] = NESTING
        """Types whose instances can hold others."""
        self.short_forms: dict[bytes, Any] = {}
        """What a reader of payloads has learnt of classes by their names; forgotten when a class is added."""

    def __contains__(self, cls: type) -> bool:
        return cls in self._by_class

    def register_casty(self, cls: type, *, flat: str, pkg: str, name: str | None = None) -> None:
        """Add one of casty's own messages, by its module in each layout. Also known as ``casty.<name>``.

        Fields that are received are checked against the annotations of `cls`.
        """
        short = name or cls.__qualname__
        entry = Entry(shape_of(cls), {Layout.flat: (flat, short), Layout.pkg: (pkg, short)}, self._is_ref)
        for module in (flat, pkg, "casty"):
            self._by_name[f"{module}.{short}"] = entry
        self._add(entry)

    def register[T](self, obj: T) -> T:
        """Add a class of the user's, or every suitable class that a module defines. Usable as a decorator.

        Raises
        ------
        MisuseError
            For a class that declares no fields (see `shape_of`), or a module that defines no suitable class.
        """
        if isinstance(obj, types.ModuleType):
            self._register_module(obj)
        elif isinstance(obj, type):
            self._register_class(obj)
        else:
            raise MisuseError(f"{obj!r} is neither a class nor a module; register message classes or a module of them")
        return obj

    def _register_class(self, cls: type) -> None:
        entry = Entry(shape_of(cls))
        if is_castys(cls) and f"{cls.__module__}.{cls.__qualname__}" in self._by_name:
            return  # known already, and decoded to the class here that has the same fields
        self._by_name[f"{cls.__module__}.{cls.__qualname__}"] = entry
        self._add(entry)

    def _register_module(self, module: types.ModuleType) -> None:
        added = 0
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                try:
                    self._register_class(value)
                except MisuseError:
                    continue  # a helper class among messages; it would be refused by name if registered by itself
                added += 1
        if not added:
            raise MisuseError(f"{module.__name__} defines no dataclass, enum, NamedTuple or model that could be registered")

    def _add(self, entry: Entry) -> None:
        self.short_forms.clear()
        self._by_class[entry.cls] = entry
        if not entry.leaf:
            self.nesting |= {entry.cls}

    @property
    def shard_entry(self) -> Entry | None:
        """The class of which a snapshot holds thousands."""
        return self._by_name.get("casty.ShardAllocation")

    def entry(self, dotted: str) -> Entry | None:
        """Return the class by its wire name in any layout."""
        return self._by_name.get(dotted)

    def entry_of(self, cls: type) -> Entry | None:
        """Return the entry of a local class."""
        return self._by_class.get(cls)

    def wire_name(self, cls: type, layout: Layout) -> tuple[str, str]:
        """Return (module, qualified name) by which nodes of `layout` know `cls`, also casty's own."""
        entry = self._by_class.get(cls)
        if entry is None and is_castys(cls):
            entry = self._by_name.get(f"{cls.__module__}.{cls.__qualname__}")
        if entry is not None and entry.names is not None:
            return entry.names[layout]
        return cls.__module__, cls.__qualname__

    def known_as_castys(self, cls: type) -> bool:
        """Whether the class is one of the protocol's own messages, ours or that of an installed casty."""
        entry = self._by_class.get(cls)
        if entry is None and is_castys(cls):
            entry = self._by_name.get(f"{cls.__module__}.{cls.__qualname__}")
        return entry is not None and entry.names is not None

    def _is_ref(self, value: Any) -> bool:
        return self.ref_uri(value) is not None
