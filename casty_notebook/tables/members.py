"""The table of members."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.tables.activations import Reports, activity_columns
from casty_notebook.tables.columns import attrs_of, frame, reachable, repeated, round_trips, text
from casty_notebook.topology.events import opinions
from casty_notebook.topology.kinds import SHARDED
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import Member

__all__ = ["members"]


def members(moment: Moment | None, *, cluster: str, reports: Reports | None = None) -> pd.DataFrame:
    """One row per member, by name: what the cluster says of it (`status`) beside what we see (`reachable`).

    The columns depend on the kind of cluster: there is none for what it cannot say.

    Columns
    -------
    node, address
        The name its operator gave it, or that we gave it where the cluster knows none; and ``host:port``.
    status
        What the gossip says, and most members where they say it one by one; a dead node is often still ``up`` there (PROTOCOL
        section 6.5).
    opinions
        What all say, counted, where they do not agree. Virtual clusters.
    reachable
        What our own connection says; missing while we do not know.
    leader
        The snapshot names it as leader. Every row is False while there is none. Sharded clusters.
    roles
        In alphabetical order, joined by commas: ``table.roles.str.split(", ").explode()`` gives a row for each. Sharded clusters.
    shards, replicas
        Shards it owns, and those it keeps a copy of. Sharded clusters.
    ring_share, replica_share
        The part of all keys (0 to 1) of which it is the first replica, or any. Virtual clusters.
    services, types
        Service instances on it; on a virtual cluster how many actor types it has met.
    incarnation
        Which life of the node this is: the beginning of its identity. Virtual clusters.
    rtt_ms
        Last round trip to it in milliseconds; missing if none was measured, or it is not reached now.
    active, queued, writes, writes_failed, bytes_sent, bytes_received
        Only there for a moment after the nodes were asked for their reports (`activations`): active keys, messages in their
        mailboxes, and what was counted since the node was started.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.topology.snapshot import MemberStatus, TopologySnapshot
    >>> here, time = NodeAddress("10.0.1.10", 25520), datetime(2026, 1, 2, tzinfo=UTC)
    >>> one = Member(here, MemberStatus.up, frozenset({"web"}), "node-1")
    >>> table = members(Moment(time, TopologySnapshot(frozenset({one}), here, {}, 0)), cluster="prod")
    >>> print(table[["node", "address", "status", "leader", "roles"]].to_string(index=False))
      node         address status  leader roles
    node-1 10.0.1.10:25520     up    True   web
    >>> from casty_notebook.topology.kinds import VIRTUAL
    >>> one = Member(here, MemberStatus.alive, frozenset(), "node-1", "ab12cd34ef", (), 1.0, 1.0)
    >>> table = members(Moment(time, TopologySnapshot(frozenset({one}), None, {}, 0, kind=VIRTUAL)), cluster="prod")
    >>> print(table[["node", "status", "ring_share", "types", "incarnation"]].to_string(index=False))
      node status  ring_share  types incarnation
    node-1  alive         1.0      0    ab12cd34
    """
    return frame(_columns(moment, reports or {}), attrs_of(cluster, moment))


def _columns(moment: Moment | None, reports: Reports) -> dict[str, Any]:
    """All of them, in order."""
    by_address = moment.members if moment is not None else {}
    addresses, rows = list(by_address), list(by_address.values())
    kind = SHARDED if moment is None else moment.kind
    found = Counter(entry.node for entry in moment.services) if moment is not None else Counter[NodeAddress]()
    leads, said, lives = {}, {}, {}
    if kind.has_leader:
        leads["leader"] = np.array([moment is not None and address == moment.snapshot.leader for address in addresses], bool)
        leads["roles"] = text([", ".join(sorted(member.roles)) for member in rows])
    if kind.has_opinions:
        said["opinions"] = text([opinions(member) if member.disputed else "" for member in rows])
        lives["incarnation"] = text([member.incarnation[:8] for member in rows])
    return {
        "node": repeated([member.id for member in rows]),
        "address": repeated([str(address) for address in addresses]),
        "status": repeated([member.status.name for member in rows], kind.statuses),
        **said,
        "reachable": reachable(addresses, moment),
        **leads,
        **(_shares(rows) if kind.every_key_has_a_place else _loads(addresses, moment)),
        kind.services: _counts(addresses, found),
        **lives,
        "rtt_ms": round_trips(addresses, moment),
        **activity_columns(addresses, reports),
    }


def _loads(addresses: Sequence[NodeAddress], moment: Moment | None) -> dict[str, Any]:
    """Shards that each owns, and of which it keeps a copy."""
    owned: Counter[NodeAddress] = Counter()
    kept: Counter[NodeAddress] = Counter()
    for column in moment.placements.values() if moment is not None else ():
        for allocation, count in column.counts():
            owned[allocation.primary] += count
            for replica in allocation.replicas:
                kept[replica] += count
    return {"shards": _counts(addresses, owned), "replicas": _counts(addresses, kept)}


def _shares(rows: Sequence[Member]) -> dict[str, Any]:
    """Parts of all keys."""
    parts = {"ring_share": [member.share for member in rows], "replica_share": [member.replica_share for member in rows]}
    return {
        name: np.array([float("nan") if part is None else round(part, 4) for part in those], np.float64)
        for name, those in parts.items()
    }


def _counts(addresses: Sequence[NodeAddress], counted: Mapping[NodeAddress, int]) -> Any:
    return pd.array([counted.get(address, 0) for address in addresses], dtype="Int64")
