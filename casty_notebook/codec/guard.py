"""What one payload may cost: memory, values and containers, depth, and how expensive its keys are to hash."""

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
_PER_KEY = 300
"""Bytes to remember the hash of one key that could collide on purpose."""
_PER_MEASURED = 200
"""Bytes to remember the size of one container."""
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
    heap
        Estimated bytes of what was built and is not on the machine's stack or in its memo: see `weights`.
    live
        Bytes of that stack and memo, as of the last look.
    shared
        Something that can nest was referred to twice, so that a small pickle may describe a large value.
    ops
        Opcodes executed so far.
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
        "heap",
        "held",
        "live",
        "max_depth",
        "max_heap",
        "max_items",
        "max_ops",
        "ops",
        "shared",
    )

    def __init__(self, registry: Registry, settings: Settings, held: int = 0) -> None:
        self.shared = False
        self.heap = 0
        self.live = 0
        self.held = held
        self.max_heap = settings.max_memory - held
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
        self.ops += ops
        if self.ops > self.max_ops:
            raise Refused(f"more than {self.max_items:,} values (Settings.max_items)")

    def container(self, weight: int) -> None:
        """Count one more container."""
        self.containers += 1
        if self.containers + self.bulk_containers > self._max_containers:
            raise Refused(f"more than {self._max_containers:,} containers (a quarter of Settings.max_items)")
        self.spend(weight)

    def spend(self, weight: int) -> None:
        """Count bytes that stay."""
        self.heap += weight
        if self.heap + self.live > self.max_heap:
            self._refuse_memory(0)

    def reserve(self, weight: int) -> None:
        """See that there is room for bytes that are about to be used."""
        if self.heap + self.live + weight > self.max_heap:
            self._refuse_memory(weight)

    @property
    def room(self) -> int:
        """Bytes that may still be used."""
        return self.max_heap - self.heap - self.live

    def _refuse_memory(self, weight: int) -> None:
        needed = (self.heap + self.live + weight) / 2**20
        raise Refused(
            f"it would take more than {needed:,.0f} MiB; beside the {self.held / 2**20:,.1f} MiB that came there is room for "
            f"{max(self.max_heap, 0) / 2**20:,.0f} MiB (Settings.max_memory)"
        )

    def bulk(self, ops: int, containers: int) -> None:
        """Count what a shard run made."""
        self.bulk_containers += containers - 1
        self.count(ops)
        self.container(0)

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
        self.spend(_PER_KEY * len(keys))
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
                self.spend(_PER_MEASURED * self.containers)  # those that are still to come are not
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
            self.measure(result, self.containers)

    def measure(self, result: Any, containers: int) -> None:
        """Refuse a message that is too deep, or too large with everything shared in it written out."""
        if self.shared:
            self.reserve(_PER_MEASURED * containers)
        Measure(self._registry, self.max_depth, self.max_items, remember=self.shared).weigh(result)
