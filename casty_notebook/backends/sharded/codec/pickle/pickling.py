"""`Pickling`: one message being written. It knows what was written already; `plans` say how each kind of object is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from casty_notebook.backends.sharded.codec.pickle import atoms
from casty_notebook.errors import UnsendableMessage

__all__ = ["Classes", "Pickling", "Plan"]


class Classes(Protocol):
    """How classes are written: what a writer knows for all its messages."""

    def plan(self, cls: type, example: Any) -> Plan:
        """Work out how instances of `cls` are written."""
        ...

    def class_name(self, cls: Any) -> bytes:
        """Return the opcodes that name `cls` or a function, as the nodes know it."""
        ...

    def importable_name(self, obj: Any, name: str | None = None) -> bytes:
        """Return the opcodes that name what a node can import."""
        ...


class Pickling:
    """One message being written: output, and what was written already by identity."""

    __slots__ = ("_classes", "_kept", "_max_depth", "_memo", "_plans", "out")

    def __init__(self, classes: Classes, plans: Mapping[type, Plan], max_depth: int) -> None:
        self.out: list[bytes] = [b"\x80\x05"]
        self._classes = classes
        self._plans = plans
        self._memo: dict[int, int] = {}
        self._kept: list[Any] = []
        self._max_depth = max_depth

    def save(self, obj: Any, depth: int) -> None:
        kind = type(obj)
        scalar = atoms.SCALARS.get(kind)
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
            plan = self._classes.plan(kind, obj)
        plan(self, obj, depth + 1)

    def remember(self, obj: Any) -> None:
        """Note that MEMOIZE was just written for `obj`, and keep it alive, so that no other object gets its id."""
        self._memo[id(obj)] = len(self._memo)
        self._kept.append(obj)

    def recalled(self, obj: Any) -> bytes | None:
        """The opcode for an object that was written already."""
        index = self._memo.get(id(obj))
        return None if index is None else atoms.recall(index)

    def class_opcodes(self, key: object, name: bytes) -> bytes:
        """Return what to write for a class or function: `name` the first time, later (for the same `key`) a memo reference."""
        memo = self._memo
        index = memo.get(id(key))
        if index is not None:
            return atoms.recall(index)
        memo[id(key)] = len(memo)
        self._kept.append(key)
        return name + b"\x94"

    def save_class(self, cls: Any) -> None:
        self.out.append(self.class_opcodes(cls, self._classes.class_name(cls)))

    def save_named(self, obj: Any, name: str) -> None:
        """Write an object whose `__reduce_ex__` returned a name, as a reference to that name in its module."""
        self.out.append(self.class_opcodes(obj, self._classes.importable_name(obj, name)))

    def save_call(self, key: object, name: bytes, args: tuple[Any, ...], obj: Any, depth: int) -> None:
        """Write a call of one argument that makes `obj`."""
        self.out.append(self.class_opcodes(key, name))
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


type Plan = Callable[[Pickling, Any, int], None]
"""Writes an object that is so many levels deep."""
