"""What one payload may cost: how many values and containers, how deep, and how expensive its keys are to hash."""

from __future__ import annotations

from typing import Any

from casty_notebook.codec.measure import Measure
from casty_notebook.codec.nesting import Unfinished
from casty_notebook.codec.registry import Registry
from casty_notebook.settings import Settings

__all__ = ["MAX_SAME_HASH", "CostGuard", "Refused"]

MAX_SAME_HASH = 64
"""Keys of one dict or set with the same hash. Honest ones have one or two; more is an attack on its running time."""
_OPS_PER_ITEM = 2
"""Opcodes allowed per value of `Settings.max_items`: one makes it, one remembers it."""
_ITEMS_PER_CONTAINER = 4
"""A container costs about as much memory as four plain values."""
_SAFE_KEYS = frozenset({str, bytes, bool, type(None)})
"""Hashed with a secret, or too few to collide."""
_SAFE_KEYS_AND_INT = _SAFE_KEYS | {int}
_SAFE_INT = 2**61 - 1
"""Ints below this hash to themselves."""
_SCALARS = _SAFE_KEYS_AND_INT | {float, complex}


class Refused(Exception):
    """The payload does what no honest peer writes; says what."""


class CostGuard:
    """Counts for one payload. Cheap as long as the pickle is as simple as honest ones are.

    Attributes
    ----------
    shared
        Something that can nest was referred to twice, so that a small pickle may describe a large value.
    ops
        Opcodes that shard runs executed at once; counted against `max_ops` like all others.
    """

    __slots__ = (
        "_hashed",
        "_max_containers",
        "_measure",
        "_registry",
        "_same_hash",
        "_scope",
        "bulk_containers",
        "containers",
        "max_depth",
        "max_items",
        "max_ops",
        "ops",
        "shared",
    )

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.shared = False
        self.ops = 0
        self.containers = 0
        self.bulk_containers = 0
        self.max_depth = settings.max_depth
        self.max_items = settings.max_items
        self.max_ops = settings.max_items * _OPS_PER_ITEM
        self._max_containers = settings.max_items // _ITEMS_PER_CONTAINER
        self._registry = registry
        self._measure: Measure | None = None
        self._hashed = 0
        self._same_hash: dict[tuple[int, int], int] = {}
        self._scope = 0

    def count(self, ops: int) -> None:
        """Count opcodes; `Refused` beyond the bound."""
        if ops + self.ops > self.max_ops:
            raise Refused(f"more than {self.max_items:,} values (Settings.max_items)")

    def container(self) -> None:
        """Count one more container."""
        self.containers += 1
        if self.containers + self.bulk_containers > self._max_containers:
            raise Refused(f"more than {self._max_containers:,} containers (a quarter of Settings.max_items)")

    def bulk(self, ops: int, containers: int) -> None:
        """Count what a shard run made."""
        self.ops += ops
        self.bulk_containers += containers - 1
        self.count(0)
        self.container()

    def new_scope(self) -> int:
        """Return a number for a frozenset that does not exist yet; ids of containers are positive."""
        self._scope -= 1
        return self._scope

    def check_keys(self, keys: list[Any], scope: int) -> None:
        """Refuse keys that are expensive to hash, or that collide on purpose. `scope` tells containers apart."""
        kinds = set(map(type, keys))
        if kinds <= _SAFE_KEYS:
            return
        if kinds <= _SAFE_KEYS_AND_INT:
            ints = keys if len(kinds) == 1 else [key for key in keys if type(key) is int]
            if min(ints) > -_SAFE_INT and max(ints) < _SAFE_INT:
                return
        for key in keys:
            self.check_hashing(key)
            slot = (scope, hash(key))
            seen = self._same_hash.get(slot, 0) + 1
            if seen > MAX_SAME_HASH:
                raise Refused(f"more than {MAX_SAME_HASH} keys of one dict or set have the same hash")
            self._same_hash[slot] = seen

    def check_hashing(self, key: Any) -> None:
        """Refuse to hash what is too deep, too large when written out, or not finished."""
        if type(key) in _SCALARS:
            return
        if type(key) is Unfinished:
            raise Refused("an object is used as a key before it has its state")
        if self.shared or self.containers > self.max_depth:
            if self._measure is None:
                self._measure = Measure(self._registry, self.max_depth, self.max_items)
            self._hashed += self._measure.weigh(key)
            if self._hashed > self.max_items:
                raise Refused(f"its keys hold more than {self.max_items:,} values (Settings.max_items)")

    def check_change(self, target: Any) -> None:
        """Refuse to change what was measured as a key."""
        if self._measure is not None and target in self._measure:
            raise Refused("a stand-in is changed after it was used as a key")

    def check_result(self, result: Any, *, depth_known: bool) -> None:
        """Refuse a message that would take for ever, or the whole stack, to print or compare."""
        # Without sharing it is no larger than its pickle; with few containers it cannot be deep either.
        if self.shared or (self.containers > self.max_depth and not depth_known):
            Measure(self._registry, self.max_depth, self.max_items).weigh(result)
