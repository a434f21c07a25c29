"""The table of our own asks over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.tables.columns import attrs_of, frame, repeated
from casty_notebook.topology.traffic import TrafficRow

__all__ = ["traffic"]


def traffic(
    rows: Sequence[TrafficRow], node_name: Callable[[NodeAddress], str | None], now: datetime, *, cluster: str
) -> pd.DataFrame:
    """One row per stretch of time, node, type and cause, oldest first.

    Columns
    -------
    time, seconds
        When the stretch began, and how long it was.
    node
        Who was asked; of an ask that never left, who would have been. Missing where that is not known.
    type
        The sharded type, the path of a service's actor, the actor type of casty 0.30.
    cause
        The failure's name; missing for what was answered.
    count, errors
        How many asks; how many of them failed: all or none.
    per_s
        `count` in a second.
    p50_ms, p99_ms
        From asking to the answer or the failure, in milliseconds, to within 5 %.

    Examples
    --------
    >>> len(traffic([], str, datetime(2026, 11, 27), cluster="prod"))
    0
    """
    counts = np.array([row.count for row in rows], dtype=np.int64)
    failed = np.array([row.cause is not None for row in rows], dtype=bool)
    seconds = np.array([row.seconds for row in rows], dtype=np.float64)
    nodes = [None if row.node is None else node_name(row.node) or str(row.node) for row in rows]
    return frame(
        {
            "time": pd.Series([now - timedelta(seconds=row.age) for row in rows], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "seconds": seconds,
            "node": repeated(nodes),
            "type": repeated([row.kind for row in rows]),
            "cause": repeated([row.cause for row in rows]),
            "count": counts,
            "errors": counts * failed,
            "per_s": counts / seconds,
            "p50_ms": _milliseconds([row.p50 for row in rows]),
            "p99_ms": _milliseconds([row.p99 for row in rows]),
        },
        attrs_of(cluster, None),
    )


def _milliseconds(seconds: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Rounded to three digits: the percentiles are exact to within 5 % only."""
    return np.array([float(f"{each * 1000:.3g}") for each in seconds], dtype=np.float64)
