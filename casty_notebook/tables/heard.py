"""The table of what came to a listener."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import pandas as pd

from casty_notebook.tables.answers import in_words, whole_or_fields
from casty_notebook.tables.columns import attrs_of, frame, repeated, text

__all__ = ["NoteLike", "heard"]


class NoteLike(Protocol):
    """What a row is made of. It is a protocol, since tables do not import what listens."""

    @property
    def time(self) -> datetime: ...
    @property
    def node(self) -> str | None: ...
    @property
    def message(self) -> Any: ...
    @property
    def error(self) -> Exception | None: ...


def heard(
    rows: Sequence[NoteLike], *, cluster: str, target: str, received: int, dropped: int, fields: bool = False
) -> pd.DataFrame:
    """One row per message, in the order in which they came.

    Parameters
    ----------
    fields
        Show the fields of the messages as columns in place of ``message``. A field called like another column becomes
        ``message.FIELD``; messages without fields, of which there may be some, stay in ``message``.

    Columns
    -------
    time
        When it reached us, in UTC.
    node
        Who sent it.
    message
        The message itself.
    error
        Why there is none: it was refused, or listening was ended by this; missing otherwise.

    ``attrs["summary"]`` counts target, received, dropped (came faster than they were taken) and refused.

    Examples
    --------
    >>> from datetime import UTC
    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), node="node-1", message=42, error=None)
    >>> made = heard([row], cluster="prod", target="prices", received=1, dropped=0)
    >>> print(made.to_string(index=False))
                         time   node message error
    2026-01-02 03:04:05+00:00 node-1      42   NaN
    """
    made = frame(
        {
            "time": pd.Series([row.time for row in rows], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "node": repeated([row.node for row in rows]),
            **whole_or_fields("message", [row.message for row in rows], ("time", "node", "error"), fields=fields),
            "error": text([None if row.error is None else in_words(row.error) for row in rows]),
        },
        attrs_of(cluster, None),
    )
    refused = sum(row.error is not None for row in rows)
    made.attrs["summary"] = {"target": target, "received": received, "dropped": dropped, "refused": refused}
    return made
