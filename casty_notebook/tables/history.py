"""The table of remembered moments."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, repeated
from casty_notebook.topology.history import Record
from casty_notebook.topology.names import member_at, name_of
from casty_notebook.topology.snapshot import MemberStatus

__all__ = ["history"]


def history(records: Iterable[Record], *, cluster: str) -> pd.DataFrame:
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
    >>> moment = Record(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), TopologySnapshot(frozenset(), None, {}, 7))
    >>> print(history([moment], cluster="prod")[["time", "members", "leader", "shards", "epoch"]].to_string(index=False))
                         time  members leader  shards  epoch
    2026-01-02 03:04:05+00:00        0    NaN       0      7
    """
    kept = list(records)
    return frame(
        {
            "time": pd.Series([record.time for record in kept], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "members": _numbers(len(record.snapshot.members) for record in kept),
            "up": _numbers(
                sum(member.status is MemberStatus.up for member in record.snapshot.members) for record in kept
            ),
            "unreachable": _numbers(len(record.snapshot.unreachable) for record in kept),
            "reachable": _numbers(
                sum(member.address in record.health and record.health[member.address].reachable is True
                    for member in record.snapshot.members)
                for record in kept
            ),
            "leader": repeated([_leader(record) for record in kept]),
            "shards": _numbers(record.snapshot.shard_count for record in kept),
            "services": _numbers(len(record.snapshot.registry) for record in kept),
            "epoch": _numbers(max(min(record.snapshot.allocation_epoch, 2**63 - 1), -(2**63)) for record in kept),
        },
        {
            **attrs_of(cluster, None, kept[-1].time if kept else None),
            "epoch": kept[-1].snapshot.allocation_epoch if kept else None,
        },
    )  # fmt: skip


def _numbers(values: Iterable[int]) -> pd.api.extensions.ExtensionArray:
    return pd.array(list(values), dtype="Int64")


def _leader(record: Record) -> str | None:
    leader = record.snapshot.leader
    return None if leader is None else name_of(leader, member_at(record.snapshot.members))
