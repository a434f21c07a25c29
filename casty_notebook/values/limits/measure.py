"""How large a value is when everything shared in it is written out, and how deep: what printing or hashing it costs.

If parts are shared, 100 bytes of pickle can describe ``t = (t, t)`` forty levels deep, which is small in memory and takes for
ever to hash, compare or print. Deep nesting ends the process, since hashing a tuple recurses in C without a limit.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from casty_notebook.values.nesting import COLLECTIONS, MAPPINGS
from casty_notebook.values.registry import Registry
from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.standin import StandIn, contents

__all__ = ["Measure", "TooMuch"]


_FLAT = 3


class TooMuch(Exception):
    """A value is deeper, larger or more circular than allowed; says which."""


class Measure:
    """Weights and depths of values, each object visited once.

    The cache keeps what it measured alive, so that no id in it can become another object's. Where nothing is shared, `remember`
    may be False: no object is met twice, and a large value is measured without using memory.
    """

    __slots__ = ("_cache", "_max_depth", "_max_weight", "_registry", "_remember")

    def __init__(self, registry: Registry, max_depth: int, max_weight: int, *, remember: bool = True) -> None:
        self._remember = remember
        self._registry = registry
        self._max_depth = max_depth
        self._max_weight = max_weight
        self._cache: dict[int, tuple[int, int, Any]] = {}

    def __contains__(self, obj: object) -> bool:
        return id(obj) in self._cache

    def weigh(self, obj: Any) -> int:
        """Return the number of values in `obj`, shared ones counted each time they are met.

        Raises
        ------
        TooMuch
            Beyond either bound, or if `obj` contains itself.
        """
        known = self._cache.get(id(obj))
        if known is not None:
            return known[0]
        flat = self._flat(obj)
        if flat:
            return flat
        parts = self._parts(obj)
        return 1 if parts is None else self._walk(obj, parts)

    def _flat(self, obj: Any) -> int:
        """The weight of a message whose fields hold only leaves and sets of leaves, as members and services do; 0 of any other.

        A flat message is at most three deep and cannot contain itself, so it need not be walked through. A thousand of them are
        keys in the snapshot of a large cluster.
        """
        entry, nesting = self._registry.entry_of(type(obj)), self._registry.nesting
        if entry is None or entry.leaf or self._max_depth < _FLAT:
            return 0
        weight = 1
        for name in entry.shape.fields:
            part = getattr(obj, name)
            weight += 1
            if type(part) in nesting:
                if type(part) is not frozenset or not nesting.isdisjoint(map(type, part)):
                    return 0
                weight += len(part)
        return weight if weight <= self._max_weight else 0

    def weigh_alike(self, objs: Sequence[Any]) -> tuple[int, int] | None:
        """Weigh messages of one class in one go, if all are flat (see `_flat`); None if not.

        Returns a bound of the largest weight, and the sum of all.
        """
        entry, nesting = self._registry.entry_of(type(objs[0])), self._registry.nesting
        if entry is None or entry.leaf or self._max_depth < _FLAT:
            return None
        largest = 1 + len(entry.shape.fields)
        total = largest * len(objs)
        for name in entry.shape.fields:
            parts = list(map(attrgetter(name), objs))
            kinds = set(map(type, parts))
            if not nesting.isdisjoint(kinds):
                if kinds != {frozenset} or not nesting.isdisjoint(map(type, chain.from_iterable(parts))):
                    return None
                sizes = list(map(len, parts))
                largest, total = largest + max(sizes), total + sum(sizes)
        return (largest, total) if largest <= self._max_weight else None

    def _walk(self, root: Any, parts: Iterator[Any]) -> int:
        cache, weight = self._cache, 1
        open_ids = {id(root)}
        # One frame per open value: [value, its remaining parts, weight so far, deepest part so far].
        path: list[list[Any]] = [[root, parts, 1, 0]]
        while path:
            frame = path[-1]
            for part in frame[1]:
                inner = self._parts(part)
                if inner is None:
                    frame[2] += 1
                    continue
                known = cache.get(id(part))
                if known is None:
                    self._enter(part, open_ids, len(path))
                    path.append([part, inner, 1, 0])
                    break
                self._absorb(frame, known[0], known[1], len(path))
            else:
                obj, _, weight, depth = path.pop()
                open_ids.discard(id(obj))
                if self._remember:
                    cache[id(obj)] = (weight, depth + 1, obj)
                if path:
                    self._absorb(path[-1], weight, depth + 1, len(path))
        return weight

    def _enter(self, part: Any, open_ids: set[int], depth: int) -> None:
        if id(part) in open_ids:
            raise TooMuch(f"a {type(part).__qualname__} contains itself")
        if depth >= self._max_depth:
            raise TooMuch(f"nested deeper than {self._max_depth} levels (Settings.max_depth)")
        open_ids.add(id(part))

    def _absorb(self, frame: list[Any], weight: int, depth: int, level: int) -> None:
        frame[2] += weight
        if depth > frame[3]:
            frame[3] = depth
        if frame[2] > self._max_weight:
            raise TooMuch(f"holds more than {self._max_weight:,} values when shared parts are written out (Settings.max_items)")
        if level + depth > self._max_depth:
            raise TooMuch(f"nested deeper than {self._max_depth} levels (Settings.max_depth)")

    def _parts(self, obj: Any) -> Iterator[Any] | None:
        """What `obj` holds, None if it is a leaf."""
        kind = type(obj)
        if kind in COLLECTIONS:
            items: Iterator[Any] = iter(obj)
            return items
        if kind in MAPPINGS:
            return _pairs(obj.items())
        if kind is StandIn:
            return contents(obj)
        if kind is RemoteError:
            return iter((obj.args, obj.attributes))
        if kind is SimpleNamespace:
            return (value for value in vars(obj).values())
        if kind is ChainMap:
            return (each for each in obj.maps)
        if kind is slice:
            return iter((obj.start, obj.stop, obj.step))
        entry = self._registry.entry_of(kind)
        if entry is None or entry.leaf:
            return None
        return (getattr(obj, name) for name in entry.shape.fields)


def _pairs(items: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    for key, value in items:
        yield key
        yield value
