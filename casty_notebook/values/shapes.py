"""Shapes: how a local class is put together from named values without running its code.

Unpickling skips ``__init__``, so nodes and clients agree on a class by its fields alone. Only families of classes that
declare their fields can be built like that; anything else would run its own code on a peer's data and is refused.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Mapping
from typing import Any

from casty_notebook.errors import MisuseError
from casty_notebook.values.limits.size_model import instance_weight
from casty_notebook.values.short_repr import brief

__all__ = ["ORIGINAL", "Shape", "shape_of"]

ORIGINAL = "__orig_class__"
"""Where an instance keeps with which arguments its generic class was called."""
_MISSING: Any = dataclasses.MISSING


class Shape:
    """The fields of a class, and the way to an instance that has them.

    Attributes
    ----------
    family
        dataclass, attrs, namedtuple, enum, struct (msgspec) or model (pydantic).
    fields
        Names in order of declaration; empty for an enum.
    required
        Those without a default.
    weight
        Estimated bytes of an instance.
    """

    __slots__ = ("_defaults", "_ignored", "_make", "_names", "cls", "family", "fields", "required", "weight")

    def __init__(
        self,
        cls: type,
        family: str,
        fields: tuple[str, ...],
        defaults: Mapping[str, Callable[[], Any]],
        make: Callable[[dict[str, Any]], Any],
    ) -> None:
        self.cls = cls
        self.family = family
        self.fields = fields
        self._names = frozenset(fields)
        self.required = self._names - defaults.keys()
        self._defaults = defaults
        self._make = make
        self.weight = instance_weight(family, len(fields))
        # A cached_property that was read before pickling lies beside the fields in the instance's dict, and so does what
        # `Box[int](3)` leaves there.
        cached = {
            name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, functools.cached_property)
        }
        self._ignored = frozenset(cached | {ORIGINAL})

    def build(self, values: dict[str, Any]) -> Any:
        """Make an instance that holds `values`, with defaults for what is missing.

        Raises
        ------
        ValueError
            If a required field is missing or a name is not a field.
        """
        if values.keys() != self._names:
            values = self._complete(values)
        return self._make(values)

    def _complete(self, values: dict[str, Any]) -> dict[str, Any]:
        missing = self.required.difference(values)
        if missing:
            raise ValueError(f"{self.cls.__qualname__} came without its fields {', '.join(sorted(missing))}")
        strange = [name for name in values if name not in self.fields and name not in self._ignored]
        if strange:
            raise ValueError(
                f"{self.cls.__qualname__} has no field {brief(strange[0])} here; "
                f"its fields are {', '.join(self.fields) or 'none'} (is it another version than the node's?)"
            )
        return {name: values[name] if name in values else self._defaults[name]() for name in self.fields}


def shape_of(cls: type) -> Shape:
    """Work out how instances of `cls` are put together.

    Raises
    ------
    MisuseError
        If the class is of no family that can be built without running its code.
    """
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        return Shape(cls, "enum", (), {}, _no_make)
    if isinstance(cls, type) and issubclass(cls, BaseException):
        raise MisuseError(
            f"{cls.__qualname__} is an exception, whose state pickle builds by calling it; "
            "leave it out, it arrives as a stand-in with its arguments"
        )
    for family in (_struct, _model, _namedtuple, _attrs, _dataclass):
        shape = family(cls)
        if shape is not None:
            return shape
    raise MisuseError(
        f"{cls!r} declares no fields: only dataclasses, enums, NamedTuples, attrs classes, msgspec Structs and "
        "pydantic models can be registered, since building anything else would run its code on data from the network. "
        "Without it replies of that class arrive as stand-ins"
    )


def _no_make(_: dict[str, Any]) -> Any:
    raise ValueError("an enum member cannot be built from fields")


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _dataclass(cls: type) -> Shape | None:
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        return None
    defaults: dict[str, Callable[[], Any]] = {}
    sent = [item for item in dataclasses.fields(cls) if item.metadata.get("sent", True)]
    for item in sent:
        if item.default is not _MISSING:
            defaults[item.name] = _constant(item.default)
            continue
        factory: Any = item.default_factory
        if factory is not _MISSING:
            defaults[item.name] = factory
    names = tuple(item.name for item in sent)
    return Shape(cls, "dataclass", names, defaults, _maker(cls, names))


def _attrs(cls: type) -> Shape | None:
    attributes = getattr(cls, "__attrs_attrs__", None)
    if attributes is None:
        return None
    defaults: dict[str, Callable[[], Any]] = {}
    for item in attributes:
        factory = getattr(item.default, "factory", None)
        if type(item.default).__name__ == "Factory" and factory is not None and not item.default.takes_self:
            defaults[item.name] = factory
        elif "NOTHING" not in repr(item.default) and type(item.default).__name__ != "Factory":
            defaults[item.name] = _constant(item.default)
    names = tuple(item.name for item in attributes)
    return Shape(cls, "attrs", names, defaults, _maker(cls, names))


def _maker(cls: type, names: tuple[str, ...]) -> Callable[[dict[str, Any]], Any]:
    """Set the fields as pickle does: past ``__init__``, ``__post_init__`` and a frozen ``__setattr__``."""
    new, put = object.__new__, object.__setattr__
    try:
        new(cls)
    except TypeError:
        raise MisuseError(f"{cls.__qualname__} inherits from a built-in type and cannot be built from its fields alone") from None

    # One by one and not through `__dict__`, which, once asked for, makes every instance twice as large.
    def make(values: dict[str, Any]) -> Any:
        made: Any = new(cls)
        for name in names:
            put(made, name, values[name])
        return made

    return make


def _namedtuple(cls: type) -> Shape | None:
    names = getattr(cls, "_fields", None)
    if not issubclass(cls, tuple) or not isinstance(names, tuple):
        return None
    defaults = {name: _constant(value) for name, value in getattr(cls, "_field_defaults", {}).items()}

    def make(values: dict[str, Any]) -> Any:
        return tuple.__new__(cls, [values[name] for name in names])

    return Shape(cls, "namedtuple", names, defaults, make)


def _struct(cls: type) -> Shape | None:
    names = getattr(cls, "__struct_fields__", None)
    if not isinstance(names, tuple):
        return None
    if hasattr(cls, "__post_init__"):
        raise MisuseError(
            f"{cls.__qualname__} is a msgspec Struct with __post_init__, which cannot be skipped: it would run on data "
            "from the network. Without it replies of that class arrive as stand-ins"
        )
    # msgspec lists the defaults of the last fields only, or of all where some are keyword-only, with its own markers
    # for "none" and "a factory". Its C constructor knows them all and, without __post_init__, runs no other code.
    defaults = getattr(cls, "__struct_defaults__", ())
    known = [
        name for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True) if repr(default) != "NODEFAULT"
    ]

    def make(values: dict[str, Any]) -> Any:
        return cls(**{name: value for name, value in values.items() if value is not _MISSING})

    return Shape(cls, "struct", names, {name: _constant(_MISSING) for name in known}, make)


def _model(cls: type) -> Shape | None:
    declared = getattr(cls, "__pydantic_fields__", None)
    if not isinstance(declared, dict) or dataclasses.is_dataclass(cls):
        return None
    defaults: dict[str, Callable[[], Any]] = {
        name: functools.partial(item.get_default, call_default_factory=True)
        for name, item in declared.items()
        if not item.is_required()
    }

    def make(values: dict[str, Any]) -> Any:
        made: Any = object.__new__(cls)
        put = object.__setattr__
        put(made, "__dict__", dict(values))
        put(made, "__pydantic_fields_set__", set(values))
        put(made, "__pydantic_extra__", None)
        put(made, "__pydantic_private__", None)
        return made

    return Shape(cls, "model", tuple(declared), defaults, make)
