"""The table of what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, repeated, text
from casty_notebook.topology.events import OURS, Change, TopologyEvent

if TYPE_CHECKING:
    from casty_notebook.topology.moment import Moment

__all__ = ["events"]


def events(rows: Iterable[TopologyEvent], *, cluster: str, moment: Moment | None = None) -> pd.DataFrame:
    """One row per change, in the order given; up to the `moment`, of which `attrs` tell.

    Columns
    -------
    time
        When the snapshot that showed it reached us, in UTC.
    kind
        One of `Change`.
    subject
        A node's name, ``leader``, a sharded type or a service.
    before, after
        In words; empty where there was or is nothing.
    says
        Whose word it is: ``here`` (our own connections), the members that say so by name, or ``cluster``.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> row = TopologyEvent(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "member_status", "node-1", "joining", "up")
    >>> print(events([row], cluster="prod").to_string(index=False))
                         time          kind subject  before after    says
    2026-01-02 03:04:05+00:00 member_status  node-1 joining    up cluster
    """
    told = list(rows)
    return frame(
        {
            "time": pd.Series([event.time for event in told], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "kind": repeated([event.kind for event in told], list(Change)),
            "subject": repeated([event.subject for event in told]),
            "before": text([event.before for event in told]),
            "after": text([event.after for event in told]),
            "says": repeated([event.says or ("here" if event.kind in OURS else "cluster") for event in told]),
        },
        attrs_of(cluster, moment),
    )
