"""The table of a watch: what its targets answered, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, repeated, text

__all__ = ["PointLike", "watched"]


class PointLike(Protocol):
    """What a row is made of."""

    @property
    def time(self) -> datetime: ...
    @property
    def value(self) -> Any: ...
    @property
    def number(self) -> float | None: ...
    @property
    def latency(self) -> float: ...
    @property
    def node(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...


def watched(series: Iterable[tuple[str, Sequence[PointLike]]], *, cluster: str) -> pd.DataFrame:
    """One row per ask that is kept, by time.

    Columns
    -------
    time
        When the answer was there, or the failure (UTC).
    target, node
        Who was asked, and where it was then.
    value
        The reply or its field, where that is a number, a truth value or a short text; else a short text of it.
    number
        The value as a number; missing where it is none.
    latency_ms
        From asking to the reply or the failure, in milliseconds.
    error
        The failure's name and cause; missing if there was a reply.

    Examples
    --------
    >>> len(watched([], cluster="prod"))
    0
    """
    rows = sorted(((point.time, target, point) for target, points in series for point in points), key=lambda row: row[0])
    values = np.empty(len(rows), dtype=object)
    for place, (_, _, point) in enumerate(rows):
        values[place] = point.value
    return frame(
        {
            "time": pd.Series([time for time, _, _ in rows], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "target": repeated([target for _, target, _ in rows]),
            "node": repeated([point.node for _, _, point in rows]),
            "value": values,
            "number": np.array([np.nan if point.number is None else point.number for _, _, point in rows], dtype=np.float64),
            "latency_ms": np.array([point.latency * 1000 for _, _, point in rows], dtype=np.float64),
            "error": text([point.error for _, _, point in rows]),
        },
        attrs_of(cluster, None),
    )
