"""Stand-ins: inert instances of classes that are not here, received or to be sent (DESIGN sections 2.9 and 2.10).

A stand-in is data: a dotted name, positional arguments, named fields and, for subclasses of collections, contents.
Nothing of it is ever looked up or called; only the node, where the class exists, turns it into the real thing.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, final

from casty_notebook.errors import MisuseError
from casty_notebook.printable import printable

__all__ = ["StandIn", "StandInClass", "StandInModule", "module_proxy", "stand_in_class"]

STATE = "__state__"
"""Field under which a received state is kept that is not a dict of names (its class has a ``__getstate__``)."""

_NO_ITEMS: list[Any] = []
_NO_PAIRS: dict[Any, Any] = {}
# Shared by all stand-ins that are no collections: a reply may hold a hundred thousand of those. Never changed; see `own_items`.

# A field by such a name is never read as an attribute: notebooks and protocols probe objects for them and would call
# what they find.
_PROBED = ("__", "_repr_", "_ipython_")


@final
class StandIn:
    """An inert instance of a class that is not here.

    Fields are read as attributes, or through `to_dict` where a field's name is that of a method. Immutable, compared
    and hashed by name and contents (unhashable if its contents are).

    Examples
    --------
    >>> reply = stand_in_class("bank.messages.Balance")(amount=3)
    >>> reply
    bank.messages.Balance(amount=3)
    >>> reply.amount
    3
    """

    __slots__ = ("_standin_args", "_standin_cls", "_standin_fields", "_standin_items", "_standin_pairs")

    _standin_cls: StandInClass
    _standin_args: tuple[Any, ...]
    _standin_fields: dict[str, Any]
    _standin_items: list[Any]
    _standin_pairs: dict[Any, Any]

    def __init__(self, cls: StandInClass, args: tuple[Any, ...] = (), fields: dict[str, Any] | None = None) -> None:
        put = object.__setattr__
        put(self, "_standin_cls", cls)
        put(self, "_standin_args", args)
        put(self, "_standin_fields", {} if fields is None else fields)
        put(self, "_standin_items", _NO_ITEMS)
        put(self, "_standin_pairs", _NO_PAIRS)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(_PROBED):
            try:
                return self._standin_fields[name]
            except KeyError:
                if name in self._extra():
                    return _EXTRA[name](self)
        known = ", ".join(self._standin_fields) or "none"
        raise AttributeError(printable(f"{self._standin_cls.dotted} (a stand-in) has no field {name!r}; its fields are: {known}"))

    @property
    def __dataclass_fields__(self) -> dict[str, Any]:
        """What makes `dataclasses.asdict` and ``pandas.DataFrame([reply, …])`` read it as the dataclass it stands for."""
        return {name: _field(name) for name in (*self._standin_fields, *self._extra())}

    def _extra(self) -> tuple[str, ...]:
        """Names under which positional arguments and contents are read, where no field has them."""
        names = (("args", self._standin_args), ("items", self._standin_items or self._standin_pairs))
        return tuple(name for name, value in names if value and name not in self._standin_fields)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(printable(f"{self._standin_cls.dotted} is a stand-in and cannot be changed; make another one"))

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(printable(f"{self._standin_cls.dotted} is a stand-in and cannot be changed"))

    def __dir__(self) -> list[str]:
        return [*(name for name in self._standin_fields if name.isidentifier()), "to_dict"]

    def __eq__(self, other: object) -> bool:
        if type(other) is not StandIn:
            return NotImplemented
        return self._contents() == other._contents()

    def __hash__(self) -> int:
        if self._standin_items or self._standin_pairs:
            raise TypeError(printable(f"unhashable stand-in of {self._standin_cls.dotted}"))
        return hash((self._standin_cls, self._standin_args, frozenset(self._standin_fields.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, self._contents()

    def __repr__(self) -> str:
        parts = [repr(value) for value in self._standin_args]
        if self._standin_items:
            parts.append(repr(self._standin_items))
        if self._standin_pairs:
            parts.append(repr(self._standin_pairs))
        parts += [f"{name}={value!r}" for name, value in self._standin_fields.items()]
        return printable(f"{self._standin_cls.dotted}({', '.join(parts)})")

    def _contents(self) -> tuple[StandInClass, tuple[Any, ...], dict[str, Any], list[Any], dict[Any, Any]]:
        return self._standin_cls, self._standin_args, self._standin_fields, self._standin_items, self._standin_pairs

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, stand-ins within them as dicts too (like `dataclasses.asdict`).

        Positional arguments come under ``"args"``, contents of a collection under ``"items"``.

        Examples
        --------
        >>> stand_in_class("bank.Pair")(left=stand_in_class("bank.One")(x=1), right=2).to_dict()
        {'left': {'x': 1}, 'right': 2}
        """
        plain = {name: _plain(value) for name, value in self._standin_fields.items()}
        if self._standin_args:
            plain.setdefault("args", _plain(self._standin_args))
        if self._standin_items or self._standin_pairs:
            plain.setdefault("items", _plain(self._standin_items or self._standin_pairs))
        return plain


_EXTRA: dict[str, Callable[[StandIn], Any]] = {
    "args": lambda standin: standin._standin_args,
    "items": lambda standin: standin._standin_items or standin._standin_pairs,
}


@dataclasses.dataclass
class _Template:
    any: Any = None


def _field(name: str) -> Any:
    made = copy.copy(dataclasses.fields(_Template)[0])
    made.name = name
    return made


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is StandIn:
        return value.to_dict()
    if kind is list or kind is tuple:
        return kind(_plain(item) for item in value)
    if kind is dict:
        return {key: _plain(item) for key, item in value.items()}
    return value


def _restore(
    cls: StandInClass, args: tuple[Any, ...], fields: dict[str, Any], items: list[Any], pairs: dict[Any, Any]
) -> StandIn:
    made = StandIn(cls, args, fields)
    if items:
        own_items(made).extend(items)
    if pairs:
        own_pairs(made).update(pairs)
    return made


@final
class StandInClass:
    """The name of a class (or function, or enum member) that is not here. Calling it makes a `StandIn`, nothing else.

    Used as a value in a message it travels as the name itself, so ``module_proxy("bank").Color.RED`` sends the member.
    """

    __slots__ = ("__name__", "__qualname__", "dotted", "module", "qualname")

    def __init__(self, module: str, qualname: str) -> None:
        put = object.__setattr__
        put(self, "module", module)
        put(self, "qualname", qualname)
        put(self, "dotted", f"{module}.{qualname}" if module else qualname)
        put(self, "__name__", qualname.rpartition(".")[2])
        put(self, "__qualname__", qualname)

    module: str
    qualname: str
    dotted: str

    def __call__(self, *args: Any, **fields: Any) -> StandIn:
        return StandIn(self, args, fields)

    def __getattr__(self, name: str) -> StandInClass:
        if name.startswith(_PROBED) or not name.isidentifier():
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        return StandInClass(self.module, f"{self.qualname}.{name}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(other) is StandInClass and other.dotted == self.dotted

    def __hash__(self) -> int:
        return hash(self.dotted)

    def __reduce__(self) -> tuple[Any, ...]:
        return StandInClass, (self.module, self.qualname)

    def __repr__(self) -> str:
        return printable(f"<stand-in class {self.dotted}>")


@final
class StandInModule:
    """A module that is not here: capitalised attributes are stand-in classes, others are nested modules.

    Examples
    --------
    >>> bank = module_proxy("bank")
    >>> bank.messages.GetBalance(currency="EUR")
    bank.messages.GetBalance(currency='EUR')
    """

    __slots__ = ("_standin_module",)

    def __init__(self, name: str) -> None:
        self._standin_module = name

    def __getattr__(self, name: str) -> Any:  # a union would refuse `module.Message(…)`, and the name alone says which it is
        # Its own slot is asked for here only while it is being made (by `copy`, say).
        if name.startswith((*_PROBED, "_standin_")) or not name.isidentifier():
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        if name.lstrip("_")[:1].isupper():
            return StandInClass(self._standin_module, name)
        return StandInModule(f"{self._standin_module}.{name}")

    def __getitem__(self, name: str) -> StandInClass:
        """Return the class by its name, also where it starts with a small letter."""
        return stand_in_class(f"{self._standin_module}:{name}")

    def __eq__(self, other: object) -> bool:
        return type(other) is StandInModule and other._standin_module == self._standin_module

    def __hash__(self) -> int:
        return hash((StandInModule, self._standin_module))

    def __reduce__(self) -> tuple[Any, ...]:
        return StandInModule, (self._standin_module,)

    def __repr__(self) -> str:
        name = getattr(self, "_standin_module", "without a name yet")
        return printable(f"<stand-in module {name}>")


def stand_in_class(name: str) -> StandInClass:
    """Return the stand-in class of a dotted name, for messages whose class is not here.

    The module ends before the first capitalised part; write ``module:Qualname`` where that guess is wrong.

    Raises
    ------
    MisuseError
        If `name` is not a dotted name with a module.

    Examples
    --------
    >>> stand_in_class("bank.messages.GetBalance")(currency="EUR")
    bank.messages.GetBalance(currency='EUR')
    >>> stand_in_class("bank.Outer.Inner").qualname
    'Outer.Inner'
    """
    module, colon, qualname = name.partition(":")
    parts = f"{module}.{qualname}".split(".") if colon else name.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts) or not module:
        raise MisuseError(f"{name!r} is not the dotted name of a class; write for example bank.messages.GetBalance")
    if not colon:
        capitals = [index for index, part in enumerate(parts) if index and part.lstrip("_")[:1].isupper()]
        split = capitals[0] if capitals else len(parts) - 1
        module, qualname = ".".join(parts[:split]), ".".join(parts[split:])
    return StandInClass(module, qualname)


def module_proxy(name: str) -> StandInModule:
    """Return a stand-in for the module `name`, to write messages as if it were imported.

    Raises
    ------
    MisuseError
        If `name` is not a dotted module name.
    """
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise MisuseError(f"{name!r} is not the name of a module; write for example bank.messages")
    return StandInModule(name)


def own_items(standin: StandIn) -> list[Any]:
    """The items, to be filled by a reader."""
    if standin._standin_items is _NO_ITEMS:
        object.__setattr__(standin, "_standin_items", [])
    return standin._standin_items


def own_pairs(standin: StandIn) -> dict[Any, Any]:
    """The pairs, to be filled by a reader."""
    if standin._standin_pairs is _NO_PAIRS:
        object.__setattr__(standin, "_standin_pairs", {})
    return standin._standin_pairs


def contents(standin: StandIn) -> Iterator[Any]:
    """All that a stand-in holds, one level deep."""
    yield from standin._standin_args
    yield from standin._standin_fields.values()
    yield from standin._standin_items
    for pair in standin._standin_pairs.items():
        yield from pair


def parts(standin: StandIn) -> tuple[StandInClass, tuple[Any, ...], dict[str, Any], list[Any], dict[Any, Any]]:
    """Class, positional arguments, fields, items and pairs of a stand-in, for whoever shows it. Not to be changed."""
    return standin._contents()


def with_missing(standin: StandIn, name: str, value: Any) -> StandIn:
    """Return the stand-in with a field filled in, if it lacks that field or holds None there.

    Examples
    --------
    >>> with_missing(stand_in_class("bank.GetBalance")(currency="EUR"), "reply_to", 1)
    bank.GetBalance(currency='EUR', reply_to=1)
    """
    if standin._standin_fields.get(name) is not None:
        return standin
    return StandIn(standin._standin_cls, standin._standin_args, {**standin._standin_fields, name: value})
