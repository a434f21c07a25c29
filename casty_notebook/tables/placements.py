"""The columns of shards as numpy arrays over the memory that a snapshot has them in, without a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from casty_notebook.topology.shard_columns import ShardAllocation, as_column

__all__ = ["Placements"]


class Placements:
    """The shards of one type in order of their ids, and the placement of each.

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
        column = as_column(allocations)
        ids = column.ids
        self.shards: np.ndarray[Any, np.dtype[np.int64]] = (
            np.arange(ids.start, ids.stop) if isinstance(ids, range) else np.asarray(ids, dtype=np.int64)
        )
        self.codes: np.ndarray[Any, Any] = np.asarray(column.codes)
        self.distinct = column.placements
