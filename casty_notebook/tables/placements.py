"""Shard allocations in bulk: which distinct placement each shard has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.topology.snapshot import ShardAllocation

__all__ = ["Placements"]

type _Codes = np.ndarray[Any, np.dtype[np.intp]]


class Placements:
    """The shards of one type in order of their ids, and the placement of each.

    The shards of a snapshot share few allocations (unpickling builds one for each placement), so objects are told apart
    by identity first and only the distinct ones are looked into.

    Attributes
    ----------
    shards
        Shard ids, ascending.
    codes
        For each shard the place of its allocation in `distinct`.
    distinct
        The allocations that occur, each once.
    """

    __slots__ = ("codes", "distinct", "shards")

    def __init__(self, allocations: Mapping[int, ShardAllocation]) -> None:
        owned = list(allocations.values())
        codes, identities = pd.factorize(np.fromiter(map(id, owned), dtype=np.int64, count=len(owned)))
        first = np.empty(len(identities), dtype=np.intp)
        first[codes[::-1]] = np.arange(len(owned) - 1, -1, -1)
        self.shards = _shard_ids(allocations)
        self.codes, self.distinct = _merged(codes, [owned[place] for place in first.tolist()])
        if len(owned) and not (self.shards[1:] > self.shards[:-1]).all():
            order = np.argsort(self.shards, kind="stable")
            self.shards, self.codes = self.shards[order], self.codes[order]

    def counts(self) -> list[tuple[ShardAllocation, int]]:
        """Return each distinct allocation with the number of its shards."""
        return list(zip(self.distinct, np.bincount(self.codes, minlength=len(self.distinct)).tolist(), strict=True))


def _merged(codes: _Codes, allocations: list[ShardAllocation]) -> tuple[_Codes, list[ShardAllocation]]:
    """Make one of those that are equal, as json and msgpack build them."""
    places: dict[tuple[NodeAddress, tuple[NodeAddress, ...]], int] = {}
    new = [places.setdefault((each.primary, each.replicas), len(places)) for each in allocations]
    if len(places) == len(allocations):
        return codes, allocations
    return np.array(new, dtype=np.intp)[codes], [ShardAllocation(*place) for place in places]


def _shard_ids(allocations: Mapping[int, ShardAllocation]) -> np.ndarray[Any, np.dtype[np.int64]]:
    try:
        return np.fromiter(allocations, dtype=np.int64, count=len(allocations))
    except OverflowError:
        # Nodes allocate any number without a check (PROTOCOL section 6.4); a client's nonsense must not cost the table.
        low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        return np.array([min(max(shard, low), high) for shard in allocations], dtype=np.int64)
