"""What one payload may cost: memory, values and containers, depth, work, and how expensive its keys are to hash."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from casty_notebook.settings import Settings
from casty_notebook.values.limits.measure import Measure
from casty_notebook.values.limits.probing import FEW, MAX_SAME_HASH, KeyWatch
from casty_notebook.values.limits.work import CALL, COPIED, OPCODE, Refused, WorkBudget
from casty_notebook.values.nesting import COLLECTIONS, MAPPINGS, Unfinished
from casty_notebook.values.registry import Registry

__all__ = ["MAX_SAME_HASH", "CostGuard", "Refused"]

_OPS_PER_ITEM = 2
"""Opcodes allowed per value of `Settings.max_items`: one makes it, one remembers it."""
_ITEMS_PER_CONTAINER = 4
"""A container costs about as much memory as four plain values."""
_PER_KEY = 130
"""Bytes to remember the hash of one key that could collide on purpose."""
_BLOB = 64 * 1024
"""Bytes from which on a piece that is copied out of the payload is long (see `CostGuard.blob`)."""
_PER_WATCH = 800
"""Bytes to watch the keys of one container, beside those of each key."""
_MOST_IN_KEY = 10_000
"""Values of one key with everything shared written out: it is hashed, and compared, in one go."""
_PER_VALUE_IN_KEY = 100
"""Nanoseconds for each value in a key, which is hashed here, hashed again when it is inserted, and compared with an equal one."""
_PER_STRANGE_KEY = 3_000
"""Nanoseconds of a key whose hash is computed in Python, as that of a Fraction."""
_PER_MEASURED = 200
"""Bytes to remember the size of one container."""
_SAFE_KEYS = frozenset({str, bytes, bool, type(None)})
"""Types of keys that cannot collide on purpose: their hashes have a secret, or they have only a few values."""
_SIZED = COLLECTIONS | MAPPINGS
_INT = frozenset({int})
_SCALARS = _SAFE_KEYS | _INT | {float, complex}


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
    calls
        Objects made since opcodes were counted last, each of which is charged as a call then.
    ops
        Opcodes executed so far.
    work
        What is left of the time that it may take.
    """

    __slots__ = (
        "_hashed",
        "_max_containers",
        "_measure",
        "_registry",
        "_watches",
        "bulk_containers",
        "calls",
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
        "work",
    )

    def __init__(self, registry: Registry, settings: Settings, held: int = 0, size: int | None = None) -> None:
        self.work = WorkBudget(settings, held if size is None else size)
        self.shared = False
        self.heap = 0
        self.live = 0
        self.held = held
        self.max_heap = settings.max_memory - held
        self.ops = 0
        self.calls = 0
        self.containers = 0
        self.bulk_containers = 0
        self.max_depth = settings.max_depth
        self.max_items = settings.max_items
        self.max_ops = settings.max_items * _OPS_PER_ITEM
        self._max_containers = settings.max_items // _ITEMS_PER_CONTAINER
        self._registry = registry
        self._measure: Measure | None = None
        self._hashed = 0
        self._watches: dict[int, KeyWatch] = {}

    def count(self, ops: int) -> None:
        """Count opcodes; `Refused` beyond the bound."""
        self.ops += ops
        self.work.charge(OPCODE * ops + CALL * self.calls)
        self.calls = 0
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

    def blob(self, size: int) -> None:
        """Raise the bound by a long piece that is copied out of the payload: all of them together are no longer than it is."""
        if size >= _BLOB:
            self.max_heap += size

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

    def copy(self, items: int) -> None:
        """Count items that are about to be copied, or looked at one by one, in one go."""
        self.work.charge(COPIED * items)

    def check_fields(self, values: Collection[Any]) -> None:
        """Count the work of comparing fields with their annotations, which goes through collections and collections in them."""
        for value in values:
            kind = type(value)
            if kind in _SIZED:
                self.copy(len(value))
                if kind in MAPPINGS:
                    self.copy(sum(len(inner) for inner in value.values() if type(inner) in _SIZED))

    def bulk(self, ops: int, containers: int) -> None:
        """Count what a shard run made."""
        self.bulk_containers += containers - 1
        self.count(ops)
        self.container(0)

    def check_keys(self, keys: list[Any], target: Collection[Any] | type) -> None:
        """Refuse keys that are expensive to hash, or that collide on purpose, before they go into `target`.

        `target` is the container, or the class of one that will be made of these keys alone.
        """
        kinds = set(map(type, keys))
        # Picklers write an empty batch where the one before was full.
        if not keys or (kinds <= _SAFE_KEYS and id(target) not in self._watches):
            return
        here = () if isinstance(target, type) else target
        if not kinds <= _SCALARS:
            if len(kinds) > 1 or not self._check_alike(keys):
                for key in keys:
                    self.check_hashing(key)
        elif len(here) + len(keys) <= FEW:
            return
        watch = self._watch(target)
        if not watch.are_apart(keys, ints=kinds == _INT):
            # Of a container that gets no more keys, the hashes are forgotten at once: there need only be room for them.
            count = self.reserve if isinstance(target, type) else self.spend
            count(_PER_KEY * (len(keys) + watch.unseen))
            watch.add(keys, self.work)

    def _watch(self, target: Collection[Any] | type) -> KeyWatch:
        if isinstance(target, type):
            return KeyWatch(target(), final=True)
        watch = self._watches.get(id(target))
        if watch is None:
            self.spend(_PER_WATCH)
            watch = self._watches[id(target)] = KeyWatch(target)
        return watch

    def _check_alike(self, keys: list[Any]) -> bool:
        """As `check_hashing` of each; False, and nothing is done, if they have to be looked at one by one."""
        weights = self._measured().weigh_alike(keys) if self._must_measure else None
        if weights is None or weights[0] > _MOST_IN_KEY:
            return False
        self.work.charge(_PER_STRANGE_KEY * len(keys))
        self._count_hashed(weights[1])
        return True

    @property
    def _must_measure(self) -> bool:
        """Whether a key may be too deep, or too large when written out."""
        return self.shared or self.containers > self.max_depth

    def _measured(self) -> Measure:
        if self._measure is None:
            self.spend(_PER_MEASURED * self.containers)  # containers made later are not counted
            self._measure = Measure(self._registry, self.max_depth, self.max_items)
        return self._measure

    def _count_hashed(self, weight: int) -> None:
        self.work.charge(_PER_VALUE_IN_KEY * weight)
        self._hashed += weight
        if self._hashed > self.max_items:
            raise Refused(f"its keys hold more than {self.max_items:,} values (Settings.max_items)")

    def check_hashing(self, key: Any) -> None:
        """Refuse to hash what is too deep, too large when written out, or not finished."""
        if type(key) in _SCALARS:
            return
        if type(key) is Unfinished:
            raise Refused("an object is used as a key before it has its state")
        self.work.charge(_PER_STRANGE_KEY)
        if self._must_measure:
            weight = self._measured().weigh(key)
            if weight > _MOST_IN_KEY:
                raise Refused(f"a key of {weight:,} values; at most {_MOST_IN_KEY:,} are hashed")
            self._count_hashed(weight)

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
