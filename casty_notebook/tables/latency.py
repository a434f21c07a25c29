"""The table of a sampling: how long one target took to answer, again and again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from casty_notebook.tables.answers import AnswerLike, in_words, milliseconds
from casty_notebook.tables.columns import attrs_of, frame, repeated, text

__all__ = ["SampleLike", "samples", "sparkline"]

PERCENTILES = (50, 90, 95, 99)
BARS = "▁▂▃▄▅▆▇█"
LOST = "×"


class SampleLike(AnswerLike, Protocol):
    """What a row is made of."""

    @property
    def started(self) -> float | None: ...


def samples(rows: Sequence[SampleLike], *, cluster: str) -> pd.DataFrame:
    """One row per ask, in order; those that Ctrl-C prevented are left out.

    Columns
    -------
    at_s
        When it was asked, in seconds from the first.
    node
        Who was asked, as known then.
    latency_ms
        From asking to the reply or the failure, in milliseconds.
    error
        The failure's name and cause; missing if there was a reply.

    ``attrs["percentiles"]`` has min, p50, p90, p95, p99 and max of the latencies of what was answered, in milliseconds;
    ``attrs["summary"]`` counts target, asked, answered and failed; ``attrs["sparkline"]`` draws the latencies in one line.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(target="a/1", node="node-1", shard=3, reply=1, latency=0.0015, error=None, started=0.0)
    >>> made = samples([row], cluster="prod")
    >>> made.attrs["percentiles"]["p50"], made.attrs["sparkline"]
    (1.5, '█')
    """
    made_rows = [row for row in rows if row.latency is not None]
    latencies = milliseconds(made_rows)
    made = frame(
        {
            "at_s": np.array([row.started or 0.0 for row in made_rows], dtype=np.float64),
            "node": repeated([row.node for row in made_rows]),
            "latency_ms": latencies,
            "error": text([None if row.error is None else in_words(row.error) for row in made_rows]),
        },
        attrs_of(cluster, None),
    )
    answered = latencies[[row.error is None for row in made_rows]] if made_rows else latencies
    made.attrs["percentiles"] = _percentiles(answered)
    made.attrs["summary"] = {
        "target": rows[0].target if rows else None,
        "asked": len(made_rows),
        "answered": len(answered),
        "failed": len(made_rows) - len(answered),
        "interrupted": len(rows) - len(made_rows),
    }
    made.attrs["sparkline"] = sparkline([row.latency * 1000 if row.error is None else None for row in made_rows])  # type: ignore[operator]
    return made


def _percentiles(latencies: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float | None]:
    names = ["min", *(f"p{percent}" for percent in PERCENTILES), "max"]
    if not len(latencies):
        return dict.fromkeys(names)
    return dict(zip(names, np.percentile(latencies, [0, *PERCENTILES, 100], method="inverted_cdf").tolist(), strict=True))


def sparkline(values: Sequence[float | None], width: int = 60) -> str:
    """Values as bars in one line, from 0 to the largest; None, a lost one, as a cross.

    More values than `width` share cells: each shows the largest of its own, and a cross if one is lost.

    Examples
    --------
    >>> sparkline([1.0, 2.0, None, 8.0])
    '▁▂×█'
    >>> len(sparkline(range(1000)))
    60
    """
    if not values:
        return ""
    cells = min(width, len(values))
    edges = [round(cell * len(values) / cells) for cell in range(cells + 1)]
    groups = [values[start:end] for start, end in itertools.pairwise(edges)]
    top = max((value for value in values if value is not None), default=0.0)
    return "".join(_cell(group, top) for group in groups)


def _cell(group: Sequence[float | None], top: float) -> str:
    known = [value for value in group if value is not None]
    if len(known) < len(group):
        return LOST
    share = max(known) / top if top > 0 else 0.0
    return BARS[min(len(BARS) - 1, max(0, math.ceil(share * len(BARS)) - 1))]
