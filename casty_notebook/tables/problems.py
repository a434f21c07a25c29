"""The table of problems."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, repeated, text
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import KINDS, Problem

__all__ = ["problems"]


def problems(found: Sequence[Problem], *, cluster: str, moment: Moment | None = None) -> pd.DataFrame:
    """One row per problem of the `moment`, the worst and oldest first; empty where nothing is wrong.

    Columns
    -------
    severity
        ``bad`` or ``warn``.
    kind, subject
        What it is, and of whom.
    since
        From when on it has been so without a break.
    says
        Whose word it is: ``here`` (our own connections), ``cluster``, or both; or a node's own, by its helper.
    text, remedy
        What was seen, and what to try.

    Examples
    --------
    >>> len(problems([], cluster="prod"))
    0
    """
    return frame(
        {
            "severity": repeated([each.severity for each in found], ["bad", "warn"]),
            "kind": repeated([each.kind for each in found], KINDS),
            "subject": text([each.subject for each in found]),
            "since": pd.Series([each.since for each in found], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "says": text([each.says for each in found]),
            "text": text([each.text for each in found]),
            "remedy": text([each.remedy for each in found]),
        },
        attrs_of(cluster, moment),
    )
