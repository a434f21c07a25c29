"""How often the keys of a dict or set will collide, found out before they are inserted.

CPython hashes text with a secret, but numbers by their value: whoever chooses the numbers chooses their places in the table.
A million ints that all have to pass the places of the others take hours to insert, in a single call that nothing can interrupt.
So the insertion is imitated here first, with the hashes alone, and refused after a bounded number of steps. Most honest keys
are spared this: text, few keys, and numbers so close together that no two can collide.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from casty_notebook.values.limits.work import Refused, WorkBudget

__all__ = ["FEW", "MAX_SAME_HASH", "KeyWatch"]

MAX_SAME_HASH = 64
"""Keys of one dict or set with the same hash. Honest ones have one or two; more is an attack on its running time."""
FEW = 64
"""Keys of one container that need no look: so few can collide without costing anything."""
_STEPS = 24
"""Steps from place to place that are allowed per key on average. Random keys take 1, multiples of a power of two up to 8."""
_FREE_STEPS = 4096
_PER_STEP = 150
"""Nanoseconds of one step here; in CPython it takes a tenth."""
_UNSIGNED = (1 << 64) - 1
_SAFE_INT = (1 << 61) - 1
"""Ints below this hash to themselves."""
_SMALL_RANGE = 1 << 14
"""Ints in so small a range cost at most a microsecond each to insert, which is less than finding out what they cost."""
_LINEAR = 9
"""Places that a set tries behind the first before it jumps."""
_PERTURB = 5


class KeyWatch:
    """The keys of one container, as they arrive.

    The container is kept alive, so that no other object gets its id while it is watched. `final`: it is made of these keys in
    one go, and other containers may be made of the same keys.
    """

    __slots__ = ("_final", "_high", "_low", "_table", "_target")

    def __init__(self, target: Collection[Any], *, final: bool = False) -> None:
        self._target = target
        self._final = final
        self._table: _Table | None = None
        self._low: int | None = None
        self._high = 0
        if target and all(type(key) is int for key in target):
            self._low, self._high = min(target), max(target)

    def are_apart(self, keys: list[Any], *, ints: bool) -> bool:
        """Whether `keys` and those in the container are ints of which no two can collide, so that nothing has to be counted."""
        if not ints or (self._low is None and self._target):
            self._low, self._high = None, _UNSIGNED
            return False
        close = self._close(keys)
        if close:
            self._table = None
        return close

    @property
    def unseen(self) -> int:
        """How many keys of the container were not counted, and have to be with the next ones."""
        return len(self._target) if self._table is None else 0

    def add(self, keys: list[Any], work: WorkBudget) -> None:
        """See that inserting `keys`, which are about to be inserted, is cheap.

        Raises
        ------
        Refused
            If they collide more than by chance.
        """
        if self._table is None:
            self._table = _Table(isinstance(self._target, set | frozenset))
            if self._target:
                self._table.add(list(map(hash, self._target)), work)
        self._table.add(list(map(hash, keys)), work)

    def _close(self, keys: list[int]) -> bool:
        """Whether all keys lie in so small a range that each has a place of its own, in whatever order they come."""
        low, high = min(keys), max(keys)
        follows = not self._target
        if self._low is not None:
            follows = low == self._high + 1 and len(self._target) == low - self._low
            low, high = min(low, self._low), max(high, self._high)
        elif self._high:
            return False  # not only numbers
        self._low, self._high = low, high
        if low <= -_SAFE_INT or high >= _SAFE_INT:
            return False
        # A table has at least one and a half times as many places as keys, and keys go where their last bits say.
        if 2 * (high - low) < 3 * len(self._target) or (high - low < _SMALL_RANGE and not self._final):
            return True
        first = keys[0]
        return follows and high - first == len(keys) - 1 and keys == list(range(first, high + 1))


class _Table:
    """The table of a dict or set, with hashes in it instead of keys."""

    __slots__ = ("_hashes", "_linear", "_mask", "_places", "_room", "_steps", "_used")

    def __init__(self, is_set: bool) -> None:
        self._linear = _LINEAR if is_set else 0
        self._hashes: list[int] = []
        self._places: list[int | None] = []
        self._used = bytearray()
        self._mask = self._room = self._steps = 0
        self._resize(8)

    def _resize(self, size: int) -> None:
        self._places = [None] * size
        self._used = bytearray(size)
        self._mask = size - 1
        self._steps = 0
        self._room = 3 * size // 5 if self._linear else 2 * size // 3

    def add(self, hashes: list[int], work: WorkBudget) -> None:
        """Insert keys with these hashes."""
        at = 0
        while at < len(hashes):
            piece = hashes[at : at + max(1, self._room - len(self._hashes))]
            at += len(piece)
            self._insert(piece, len(self._hashes) + len(piece), work)
            self._hashes += piece
            if len(self._hashes) >= self._room:
                self._resize(2 * len(self._places))
                self._insert(self._hashes, len(self._hashes), work)

    def _insert(self, hashes: Collection[int], count: int, work: WorkBudget) -> None:
        places, used, mask, linear = self._places, self._used, self._mask, self._linear
        before = steps = self._steps
        most = _STEPS * count + _FREE_STEPS
        for number in hashes:
            at = base = number & mask
            if places[at] is None:
                places[at], used[at] = number, 1
                continue
            perturb, same = number & _UNSIGNED, 0
            while True:
                steps += 1
                same += (1 + linear) * (places[base] == number)
                if base + linear <= mask and (at := used.find(0, base, base + linear + 1)) >= 0:
                    break
                if same >= MAX_SAME_HASH:
                    raise Refused(f"more than {MAX_SAME_HASH} keys of one dict or set have the same hash")
                if steps > most:
                    raise Refused(f"its {count:,} keys are chosen to collide: they make one dict or set slow beyond measure")
                perturb >>= _PERTURB
                at = base = (5 * base + perturb + 1) & mask
                if places[at] is None:
                    break
            places[at], used[at] = number, 1
        self._steps = steps
        work.charge(_PER_STEP * (len(hashes) + steps - before))
