"""The table of members."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.tables.activations import Reports
from casty_notebook.tables.columns import attrs_of, frame, reachable, repeated, round_trips, text
from casty_notebook.tables.virtual import virtual_members
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import MemberStatus

__all__ = ["members"]


def members(moment: Moment | None, *, cluster: str, reports: Reports | None = None) -> pd.DataFrame:
    """One row per member, by name: what the cluster says of it (`status`) beside what we see (`reachable`).

    Columns
    -------
    node, address
        The name its operator gave it, and ``host:port``.
    status
        What the gossip says; a dead node is often still ``up`` there (PROTOCOL section 6.5).
    reachable
        What our own connection says; missing while we do not know.
    leader
        The snapshot names it as leader. Every row is False while there is none.
    roles
        In alphabetical order, joined by commas: ``table.roles.str.split(", ").explode()`` gives a row for each.
    shards, replicas, services
        Shards it owns, shards it keeps a copy of, service instances on it.
    rtt_ms
        Last round trip to it in milliseconds; missing if none was measured, or it is not reached now.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.topology.snapshot import Member, TopologySnapshot
    >>> here = NodeAddress("10.0.1.10", 25520)
    >>> one = Member(here, MemberStatus.up, frozenset({"web"}), "node-1")
    >>> moment = Moment(datetime(2026, 1, 2, tzinfo=UTC), TopologySnapshot(frozenset({one}), here, {}, 0))
    >>> table = members(moment, cluster="prod")
    >>> print(table[["node", "address", "status", "leader", "roles"]].to_string(index=False))
      node         address status  leader roles
    node-1 10.0.1.10:25520     up    True   web
    """
    if moment is not None and moment.kind is VIRTUAL:
        return virtual_members(moment, cluster=cluster, reports=reports)
    by_address = moment.members if moment is not None else {}
    addresses, rows = list(by_address), list(by_address.values())
    owned, kept, offered = _loads(moment)
    return frame(
        {
            "node": repeated([member.id for member in rows]),
            "address": repeated([str(address) for address in addresses]),
            "status": repeated([member.status.name for member in rows], _STATUSES),
            "reachable": reachable(addresses, moment),
            "leader": np.array([moment is not None and address == moment.snapshot.leader for address in addresses], bool),
            "roles": text([", ".join(sorted(member.roles)) for member in rows]),
            "shards": pd.array([owned[address] for address in addresses], dtype="Int64"),
            "replicas": pd.array([kept[address] for address in addresses], dtype="Int64"),
            "services": pd.array([offered[address] for address in addresses], dtype="Int64"),
            "rtt_ms": round_trips(addresses, moment),
        },
        attrs_of(cluster, moment),
    )


_STATUSES = [status.name for status in MemberStatus if status.value <= MemberStatus.removed.value]

type _Load = Counter[NodeAddress]


def _loads(moment: Moment | None) -> tuple[_Load, _Load, _Load]:
    """Count shards, replicas and service instances by node."""
    owned: _Load = Counter()
    kept: _Load = Counter()
    if moment is None:
        return owned, kept, Counter()
    for column in moment.placements.values():
        for allocation, count in column.counts():
            owned[allocation.primary] += count
            for replica in allocation.replicas:
                kept[replica] += count
    return owned, kept, Counter(entry.node for entry in moment.services)
