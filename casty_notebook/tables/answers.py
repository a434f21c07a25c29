"""The table of a fan-out: what each target answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from casty_notebook.errors import AskFailed, Interrupted
from casty_notebook.tables.columns import attrs_of, frame, repeated, text
from casty_notebook.values.fields import field_columns, fields_of

__all__ = ["AnswerLike", "answers", "in_words", "milliseconds", "whole_or_fields"]

COLUMNS = ("target", "node", "shard", "latency_ms", "error")


class AnswerLike(Protocol):
    """What a row is made of. It is a protocol, since tables do not import what asks."""

    @property
    def target(self) -> str: ...
    @property
    def node(self) -> str | None: ...
    @property
    def shard(self) -> int | None: ...
    @property
    def reply(self) -> Any: ...
    @property
    def latency(self) -> float | None: ...
    @property
    def error(self) -> Exception | None: ...


def answers(rows: Sequence[AnswerLike], *, cluster: str, fields: bool = False) -> pd.DataFrame:
    """One row per target, in the order given, failures included.

    Parameters
    ----------
    fields
        Show the fields of the replies as columns in place of ``reply``. A field called like another column becomes
        ``reply.FIELD``; replies without fields, of which there may be some, stay in ``reply``.

    Columns
    -------
    target
        What was asked.
    node, shard
        Where it was, as known when its row was made; missing if unknown.
    reply
        The reply itself; None may be a reply, see `error`.
    latency_ms
        From asking to the reply or the failure, in milliseconds; missing if it was not asked any more.
    error
        The failure's name and cause; missing if there is a reply. Text, since an exception keeps its whole stack alive.

    ``attrs["summary"]`` counts what was asked for, answered, failed and given up by Ctrl-C, with the median and the 99th
    percentile of the latencies of what was answered in milliseconds; None if nothing was.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(target="cart/7", node="node-1", shard=3, reply=42, latency=0.0015, error=None)
    >>> print(answers([row], cluster="prod").to_string(index=False))
    target   node  shard reply  latency_ms error
    cart/7 node-1      3    42         1.5   NaN
    """
    made = frame(
        {
            "target": text([row.target for row in rows]),
            "node": repeated([row.node for row in rows]),
            "shard": pd.array([row.shard for row in rows], dtype="Int64"),
            **whole_or_fields("reply", [row.reply for row in rows], COLUMNS, fields=fields),
            "latency_ms": milliseconds(rows),
            "error": text([None if row.error is None else in_words(row.error) for row in rows]),
        },
        attrs_of(cluster, None),
    )
    made.attrs["summary"] = _summary(rows)
    return made


def whole_or_fields(name: str, values: Sequence[Any], taken: Sequence[str], *, fields: bool) -> dict[str, Any]:
    """Values as one column of that name, or as a column for each of their fields, beside the columns that are `taken`."""
    replies = _objects(values)
    columns = field_columns(replies, (*taken, name), name) if fields else None
    if columns is None:
        return {name: replies}
    spread: dict[str, Any] = {field: _column(column) for field, column in columns.items()}
    whole = [reply if fields_of(reply) is None else None for reply in replies]
    return spread if all(value is None for value in whole) else {name: _objects(whole), **spread}


def _objects(values: Sequence[Any]) -> Any:
    column = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        column[place] = value  # One by one: lists of one length would become a matrix.
    return column


def _column(values: Sequence[Any]) -> Any:
    """Numbers, truth values and text as such, with missing ones; anything else as the objects that they are."""
    kinds = {type(value) for value in values if value is not None}
    kind: Any
    for types, kind in (({bool}, "boolean"), ({int}, "Int64"), ({int, float}, "Float64"), ({float}, "Float64")):
        if kinds == types and (int not in kinds or all(value is None or abs(value) < 1 << 63 for value in values)):
            return pd.array(list(values), dtype=kind)
    return text(values) if kinds == {str} else _objects(values)


def milliseconds(rows: Sequence[AnswerLike]) -> Any:
    """The latencies, NaN where there is none."""
    return np.array([np.nan if row.latency is None else row.latency * 1000 for row in rows], dtype=np.float64)


def _summary(rows: Sequence[AnswerLike]) -> dict[str, int | float | None]:
    """Plain numbers, so that attrs stay comparable; the percentiles are latencies that occurred."""
    latencies = [row.latency * 1000 for row in rows if row.error is None and row.latency is not None]
    median, tail = np.percentile(latencies, [50, 99], method="inverted_cdf").tolist() if latencies else (None, None)
    given_up = sum(isinstance(row.error, Interrupted) for row in rows)
    return {
        "asked": len(rows),
        "answered": len(latencies),
        "failed": len(rows) - len(latencies) - given_up,
        "interrupted": given_up,
        "p50_ms": median,
        "p99_ms": tail,
    }


def in_words(error: Exception) -> str:
    """An error as a table shows it: its name and cause."""
    cause = error.report.headline() if isinstance(error, AskFailed) else str(error)
    return f"{type(error).__name__}: {cause}"
