"""Types by their printed names: what a collection says of its keys and values (VIRTUAL section 8.2).

The first use of a collection fixes their types, and the collection keeps the text that Python prints for them: ``<class 'str'>``,
``int | None``, ``tuple[str, float]``, ``<class 'shop.models.Price'>``. Here that text is read; nothing that it names is imported.
Nodes keep a value as bytes that they do not look into, so that one of a wrong type would harm whoever reads it next: it is
refused before it is sent.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from casty_notebook.backends.virtual.codec.packing import pack, unpack
from casty_notebook.backends.virtual.codec.values import Misfit, ValueReader, write_value
from casty_notebook.errors import MisuseError
from casty_notebook.values.standin import StandIn, StandInClass

__all__ = ["Annotation", "read_annotation"]

MAX_TEXT = 1_000
"""Characters of a type's printed name; a type with a longer one counts as unknown."""
_PRINTED = re.compile(r"<(?:class|enum) '([\w.]+)'>")
_SPELLED = re.compile(r"[\w\s.,|\[\]]*")
"""The characters of all printed types that can be read here; text with any other is not parsed."""
_PLAIN: dict[str, type] = {
    **{kind.__name__: kind for kind in (int, float, str, bytes, bool)},
    **{f"{kind.__module__}.{kind.__name__}": kind for kind in (datetime, date, timedelta, Decimal, UUID)},
    "None": type(None), "NoneType": type(None), "UUID": UUID, "Decimal": Decimal,
}  # fmt: skip
_MAPPINGS = ("collections.abc.Mapping", "typing.Mapping", "Mapping")

type Parts = tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """A type as it was printed.

    Attributes
    ----------
    text
        For people.
    kind
        ``plain``, ``class`` (one that is not known here, by its name), ``tuple``, ``row`` (a tuple of any length), ``set``,
        ``mapping``, ``union``, or ``unknown``: then a value is shown as it came, and none is written.
    parts
        The types inside it.
    plain
        The class of a plain type.
    """

    text: str
    kind: str
    parts: Parts = ()
    plain: type = object

    def write(self, value: Any, where: str) -> bytes:
        """Write a value of this type, as casty does.

        Raises
        ------
        MisuseError
            If it is none; says what it would have to be. Nothing was sent then.
        """
        if self._is_known():
            fitting = self._fitted(value, tagged=True)  # a dataclass that is the whole value is written with its name
            if fitting is not None:
                return pack(fitting[0])
            raise MisuseError(f"{where} takes {self.text}, not {value!r:.200} ({type(value).__qualname__}); nothing was sent")
        raise MisuseError(f"{where} takes {self.text}, which is not known here well enough to write it; its application can")

    def _is_known(self) -> bool:
        return self.kind != "unknown" and all(part._is_known() for part in self.parts)

    def _fitted(self, value: Any, *, tagged: bool = False) -> tuple[Any] | None:
        """The tree of a value, in a tuple; None if the value is not of this type."""
        return _FITTING[self.kind](self, value, tagged)

    def read(self, data: bytes, reader: ValueReader) -> Any:
        """Read a value; one that is not of this type is shown as it came.

        Raises
        ------
        UndecodableMessage
            For what is not msgpack, or outside the bounds.
        """
        tree = unpack(data)
        try:
            return self._shown(tree, reader)
        except (Misfit, ValueError, TypeError, KeyError, OverflowError):
            return reader.shown(tree)

    def _shown(self, tree: Any, reader: ValueReader) -> Any:
        parts = self.parts
        match self.kind, tree:
            case "plain", _:
                return reader.as_type(tree, self.plain)
            case "class", dict():
                return reader.instance(self.text, tree)
            case "class", [str() as name, dict() as fields] if name == self.text.rpartition(".")[2]:
                return reader.instance(self.text, fields)
            case "class", str():
                return tree  # a member of an enum, by its name
            case "tuple", list() if len(tree) == len(parts):
                return tuple([part._shown(item, reader) for part, item in zip(parts, tree, strict=True)])
            case "row", list():
                return tuple([parts[0]._shown(item, reader) for item in tree])
            case "set", list():
                return frozenset([parts[0]._shown(item, reader) for item in tree])
            case "mapping", list():
                return {parts[0]._shown(key, reader): parts[1]._shown(value, reader) for key, value in tree}
            case "union", _:
                return self._shown_one_of(tree, reader)
        return reader.shown(tree)

    def _shown_one_of(self, tree: Any, reader: ValueReader) -> Any:
        for part in self.parts:
            if part.kind == "plain" and part.plain is type(tree):
                return tree
        for part in self.parts:
            if part.kind != "class" or isinstance(tree, str):
                try:
                    return part._shown(tree, reader)
                except (Misfit, ValueError, TypeError, KeyError):
                    continue
        return reader.shown(tree)


def read_annotation(text: str) -> Annotation:
    """Read what Python prints for a type. Whatever is of another form is ``unknown``, never an error.

    Examples
    --------
    >>> read_annotation("tuple[str, ...]").kind, read_annotation("<class 'shop.models.Price'>").text
    ('row', 'shop.models.Price')
    """
    plain = _PRINTED.sub(r"\1", text[: MAX_TEXT + 1])
    try:
        if len(plain) > MAX_TEXT or _SPELLED.fullmatch(plain) is None:
            raise ValueError
        return _read(ast.parse(plain, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Annotation(plain[:80], "unknown")


def _read(node: ast.expr) -> Annotation:
    text = ast.unparse(node)
    match node:
        case ast.Constant(value=None):
            return Annotation(text, "plain", plain=type(None))
        case ast.Name() | ast.Attribute():
            return _named(text)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Annotation(text, "union", (*_alternatives(left), *_alternatives(right)))
        case ast.Subscript(value=value, slice=inside):
            return _generic(text, ast.unparse(value), inside.elts if isinstance(inside, ast.Tuple) else [inside])
    return Annotation(text, "unknown")


def _alternatives(node: ast.expr) -> Parts:
    made = _read(node)
    return made.parts if made.kind == "union" else (made,)


def _named(text: str) -> Annotation:
    plain = _PLAIN.get(text)
    if plain is not None:
        return Annotation(plain.__qualname__, "plain", plain=plain)
    return Annotation(text, "class" if all(each.isidentifier() for each in text.split(".")) else "unknown")


def _generic(text: str, name: str, inside: list[ast.expr]) -> Annotation:
    if name == "tuple" and len(inside) == 2 and isinstance(inside[1], ast.Constant) and inside[1].value is Ellipsis:
        return Annotation(text, "row", (_read(inside[0]),))
    parts = tuple(_read(each) for each in inside)
    if name == "tuple":
        return Annotation(text, "tuple", parts)
    if name == "frozenset" and len(parts) == 1:
        return Annotation(text, "set", parts)
    if name in _MAPPINGS and len(parts) == 2:
        return Annotation(text, "mapping", parts)
    return Annotation(text, "unknown")


# --- values into trees: each gives the tree in a tuple, or None -----------------------------------------------------------------


type Fit = Callable[[Annotation, Any, bool], tuple[Any] | None]


def _plain(made: Annotation, value: Any, _tagged: bool) -> tuple[Any] | None:
    if made.plain is float and type(value) is int:
        value = float(value)
    return (write_value(value),) if type(value) is made.plain else None


def _class(made: Annotation, value: Any, tagged: bool) -> tuple[Any] | None:
    """An instance of a class of that name. A stand-in has only the name and is not written: nobody would check its fields."""
    name = made.text.rpartition(".")[2]
    if isinstance(value, StandIn | StandInClass) or type(value).__qualname__.rpartition(".")[2] != name:
        return None
    if isinstance(value, enum.Enum):
        return (value.name,)
    return (write_value(value, tagged=tagged),)


def _tuple(made: Annotation, value: Any, _tagged: bool) -> tuple[Any] | None:
    if not isinstance(value, tuple) or len(value) != len(made.parts):
        return None
    return _all([part._fitted(item) for part, item in zip(made.parts, value, strict=True)])


def _row(made: Annotation, value: Any, _tagged: bool) -> tuple[Any] | None:
    return _all([made.parts[0]._fitted(item) for item in value]) if isinstance(value, tuple | list) else None


def _set(made: Annotation, value: Any, _tagged: bool) -> tuple[Any] | None:
    if not isinstance(value, Set):
        return None
    items = _all([made.parts[0]._fitted(item) for item in value])
    return None if items is None else (sorted(items[0], key=pack),)


def _mapping(made: Annotation, value: Any, _tagged: bool) -> tuple[Any] | None:
    if not isinstance(value, Mapping):
        return None
    pairs = _all([_all([made.parts[0]._fitted(key), made.parts[1]._fitted(item)]) for key, item in value.items()])
    return None if pairs is None else (sorted(pairs[0], key=lambda pair: pack(pair[0])),)


def _union(made: Annotation, value: Any, _tagged: bool) -> tuple[Any] | None:
    exact = [part for part in made.parts if part.plain is type(value)]  # an int is an int before it is a float
    return next((tree for part in (*exact, *made.parts) if (tree := part._fitted(value, tagged=True)) is not None), None)


def _all(trees: list[tuple[Any] | None]) -> tuple[list[Any]] | None:
    return None if None in trees else ([tree[0] for tree in trees if tree is not None],)


_FITTING: dict[str, Fit] = {
    "plain": _plain, "class": _class, "tuple": _tuple, "row": _row, "set": _set, "mapping": _mapping, "union": _union,
    "unknown": lambda *_: None,
}  # fmt: skip
