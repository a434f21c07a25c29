"""Checks of casty's own messages against their annotations, so that the rooms above may trust the types they read."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from casty_notebook.values.short_repr import brief

__all__ = ["Check", "Conformity"]

type Check = Callable[[Any], bool]
_PLAIN = (str, int, bool, float, bytes, type(None))


class Conformity:
    """What the annotations of one class demand of a finished instance, as far as it comes from a peer: of these `fields`.

    Attributes
    ----------
    mutable
        A field is a dict: check once more when the whole message is finished, since a peer may fill it late.
    closed
        No field is `Any`: how deep an instance can be is settled by its annotations.
    """

    __slots__ = ("_checks", "closed", "mutable")

    def __init__(self, cls: type, fields: Collection[str], is_ref: Check) -> None:
        self.mutable = False
        self.closed = True
        hints = get_type_hints(cls)
        # Most fields are of one class, and a call for each is what a check costs most.
        self._checks = [(name, hints[name], self._check(hints[name], is_ref)) for name in fields]

    def complaint(self, made: Any) -> str | None:
        """Say which field is wrong and what it holds, or None."""
        for name, kind, check in self._checks:
            value = getattr(made, name)
            if type(value) is not kind and not check(value):
                return f"{type(made).__qualname__}.{name} came as {type(value).__qualname__}: {brief(value)}"
        return None

    def _check(self, hint: Any, is_ref: Check) -> Check:
        hint = _plain(hint)
        if hint is Any:
            self.closed = False
            return _anything
        origin, args = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            if all(choice in _PLAIN or _is_message(choice) for choice in args):
                kinds = frozenset(args)
                return lambda value: type(value) in kinds
            choices = [self._check(choice, is_ref) for choice in args]
            return lambda value: any(check(value) for check in choices)
        if origin is frozenset:
            return self._collection(frozenset, args[0], is_ref)
        if origin is tuple:
            return self._collection(tuple, args[0], is_ref)
        if origin is Mapping:
            self.mutable = True
            keys, values = self._all(args[0], is_ref), self._all(args[1], is_ref)
            return lambda value: (
                type(value) is dict and keys(value.keys()) and values(value.values())
            ) or getattr(type(value), "holds", None) == args
        if hint in _PLAIN or _is_message(hint):
            return lambda value: type(value) is hint
        return is_ref

    def _collection(self, kind: type, hint: Any, is_ref: Check) -> Check:
        items = self._all(hint, is_ref)
        return lambda value: type(value) is kind and items(value)

    def _all(self, hint: Any, is_ref: Check) -> Check:
        hint = _plain(hint)
        if hint in _PLAIN or _is_message(hint):
            # In C for the one big case, a shard table.
            return lambda values: {hint}.issuperset(map(type, values))
        check = self._check(hint, is_ref)
        return lambda values: all(map(check, values))


def _plain(hint: Any) -> Any:
    """The hint without type variables and arguments, which only mean something to a type checker."""
    if isinstance(hint, TypeVar):
        return Any
    origin = get_origin(hint)
    return origin if _is_message(origin) else hint


def _anything(_: object) -> bool:
    return True


def _is_message(hint: Any) -> bool:
    return isinstance(hint, type) and (
        hasattr(hint, "__dataclass_fields__") or hasattr(hint, "_fields") or issubclass(hint, enum.Enum)
    )
