"""The table of a fan-out: what each target answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from casty_notebook.errors import AskFailed
from casty_notebook.tables.columns import attrs_of, frame, repeated, text

__all__ = ["AnswerLike", "answers"]


class AnswerLike(Protocol):
    """What a row is made of. The room that asks is not known here."""

    @property
    def target(self) -> str: ...
    @property
    def node(self) -> str | None: ...
    @property
    def shard(self) -> int | None: ...
    @property
    def reply(self) -> Any: ...
    @property
    def latency(self) -> float: ...
    @property
    def error(self) -> Exception | None: ...


def answers(rows: Sequence[AnswerLike], *, cluster: str) -> pd.DataFrame:
    """One row per target, in the order given, failures included.

    Columns
    -------
    target
        What was asked.
    node, shard
        Where it was, as known when its row was made; missing if unknown.
    reply
        The reply itself; None may be a reply, see `error`.
    latency_ms
        From asking to the reply or the failure, in milliseconds.
    error
        The failure's name and cause; missing if there is a reply. Text, since an exception keeps its whole stack alive.

    ``attrs["summary"]`` counts what was asked, answered and failed, with the median and the 99th percentile of the
    latencies of what was answered in milliseconds; None if nothing was.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(target="cart/7", node="node-1", shard=3, reply=42, latency=0.0015, error=None)
    >>> print(answers([row], cluster="prod").to_string(index=False))
    target   node  shard reply  latency_ms error
    cart/7 node-1      3    42         1.5   NaN
    """
    replies = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        replies[place] = row.reply  # One by one: replies that are lists of one length would become a matrix.
    made = frame(
        {
            "target": text([row.target for row in rows]),
            "node": repeated([row.node for row in rows]),
            "shard": pd.array([row.shard for row in rows], dtype="Int64"),
            "reply": replies,
            "latency_ms": np.array([row.latency * 1000 for row in rows], dtype=np.float64),
            "error": text([None if row.error is None else _in_words(row.error) for row in rows]),
        },
        attrs_of(cluster, None, None),
    )
    made.attrs["summary"] = _summary([row.latency * 1000 for row in rows if row.error is None], len(rows))
    return made


def _summary(latencies: Sequence[float], asked: int) -> dict[str, int | float | None]:
    """Plain numbers, so that attrs stay comparable; the percentiles are latencies that occurred."""
    median, tail = np.percentile(latencies, [50, 99], method="inverted_cdf").tolist() if latencies else (None, None)
    return {
        "asked": asked,
        "answered": len(latencies),
        "failed": asked - len(latencies),
        "p50_ms": median,
        "p99_ms": tail,
    }


def _in_words(error: Exception) -> str:
    cause = error.report.headline() if isinstance(error, AskFailed) else str(error)
    return f"{type(error).__name__}: {cause}"
