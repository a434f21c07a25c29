"""The table of remembered moments."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, repeated
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of
from casty_notebook.topology.snapshot import MemberStatus

__all__ = ["history"]


def history(moments: Iterable[Moment], *, cluster: str) -> pd.DataFrame:
    """One row per remembered moment, oldest first. A moment that showed nothing new has none.

    Columns
    -------
    time
        When the snapshot reached us, or when we noticed that a node could be reached no more or again; in UTC.
    members, up
        Members that were listed, and those of them that the cluster called up.
    unreachable
        Members that the cluster called unreachable.
    reachable
        Members that we reached ourselves.
    leader
        Its name; missing if there was none.
    shards, services
        Allocated shards of all types, and registered service instances.
    epoch
        The coordinator's count of allocation changes, as the snapshot gave it.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.topology.snapshot import TopologySnapshot
    >>> moment = Moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), TopologySnapshot(frozenset(), None, {}, 7))
    >>> print(history([moment], cluster="prod")[["time", "members", "leader", "shards", "epoch"]].to_string(index=False))
                         time  members leader  shards  epoch
    2026-01-02 03:04:05+00:00        0    NaN       0      7
    """
    kept = list(moments)
    return frame(
        {
            "time": pd.Series([moment.time for moment in kept], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "members": _numbers(len(moment.snapshot.members) for moment in kept),
            "up": _numbers(
                sum(member.status is MemberStatus.up for member in moment.snapshot.members) for moment in kept
            ),
            "unreachable": _numbers(len(moment.snapshot.unreachable) for moment in kept),
            "reachable": _numbers(
                sum(moment.reach(member.address) is True for member in moment.snapshot.members) for moment in kept
            ),
            "leader": repeated([_leader(moment) for moment in kept]),
            "shards": _numbers(moment.snapshot.shard_count for moment in kept),
            "services": _numbers(len(moment.services) for moment in kept),
            "epoch": _numbers(max(min(moment.snapshot.allocation_epoch, 2**63 - 1), -(2**63)) for moment in kept),
        },
        attrs_of(cluster, kept[-1] if kept else None),
    )  # fmt: skip


def _numbers(values: Iterable[int]) -> pd.api.extensions.ExtensionArray:
    return pd.array(list(values), dtype="Int64")


def _leader(moment: Moment) -> str | None:
    leader = moment.snapshot.leader
    return None if leader is None else name_of(leader, moment.members)
