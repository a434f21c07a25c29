"""The placements of a message's shard tables by number, as its columns have them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from casty_notebook.topology.shard_columns import ShardAllocation, ShardColumn, column_of, translated
from casty_notebook.values.limits.budget import CostGuard
from casty_notebook.values.limits.size_model import TUPLE

__all__ = ["Numbering"]

_OWNER, _REPLICAS = attrgetter("primary"), attrgetter("replicas")


class Numbering:
    """Numbers the different placements of a message. Columns in which all of them occur share one tuple of them."""

    __slots__ = ("_guard", "_listed", "_numbers", "_shared")

    def __init__(self, guard: CostGuard) -> None:
        self._guard = guard
        self._numbers: dict[tuple[Any, Any], int] = {}
        self._listed: list[ShardAllocation] = []
        self._shared: tuple[ShardAllocation, ...] = ()

    def __getitem__(self, number: int) -> ShardAllocation:
        return self._listed[number]

    def of(self, made: Sequence[ShardAllocation]) -> list[int]:
        """A number for each; equal ones have the same."""
        identities = list(map(id, made))
        different = dict(zip(identities, made, strict=True))
        keys = zip(map(_OWNER, different.values()), map(_REPLICAS, different.values()), strict=True)
        found: dict[int, int] = {}
        numbers, listed, before = self._numbers, self._listed, len(self._listed)
        for identity, key in zip(different, keys, strict=True):
            number = numbers.setdefault(key, len(listed))
            if number == len(listed):
                listed.append(different[identity])
            found[identity] = number
        self._guard.heap += TUPLE * (len(listed) - before)
        return list(map(found.__getitem__, identities))

    def column(self, ids: Sequence[int], codes: array[int]) -> ShardColumn:
        """A column of these ids, whose codes are numbers of placements."""
        if len(self._shared) != len(self._listed):
            self._shared = tuple(self._listed)
        used, placements = sorted(set(codes)), self._shared
        if len(used) != len(placements):
            places = [0] * (used[-1] + 1 if used else 0)
            for place, number in enumerate(used):
                places[number] = place
            placements = tuple(map(placements.__getitem__, used))
        else:
            places = used
        return column_of(ids, translated(codes, places, len(placements)), placements)
