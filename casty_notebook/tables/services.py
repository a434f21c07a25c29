"""The table of service instances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.tables.columns import attrs_of, frame, reachable, repeated, text
from casty_notebook.tables.virtual import virtual_types
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.names import member_at, name_of, natural
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["services"]


def services(
    snapshot: TopologySnapshot | None,
    health: Mapping[NodeAddress, NodeHealth],
    *,
    cluster: str,
    taken_at: datetime | None,
) -> pd.DataFrame:
    """One row per registered service instance, by service, node and path.

    Instances are candidates: one that stopped stays registered as long as its node lives (PROTOCOL section 9).

    Columns
    -------
    service, path
        The name it registered under, and the actor's path on its node.
    node, address
        Where it is; `node` is missing if that is no member.
    reachable
        Whether we reach the node; missing while we do not know.

    Examples
    --------
    >>> from casty_notebook.topology.snapshot import ServiceEntry
    >>> entry = ServiceEntry("payment", NodeAddress("10.0.1.10", 25520), "/payments")
    >>> snapshot = TopologySnapshot(frozenset(), None, {}, 0, registry=frozenset({entry}))
    >>> print(services(snapshot, {}, cluster="prod", taken_at=None).to_string(index=False))
    service node         address      path  reachable
    payment  NaN 10.0.1.10:25520 /payments       <NA>
    """
    if snapshot is not None and snapshot.kind is VIRTUAL:
        return virtual_types(snapshot, health, cluster=cluster, taken_at=taken_at)
    members = member_at(snapshot.members) if snapshot is not None else {}
    entries = sorted(
        snapshot.registry if snapshot is not None else (),
        key=lambda entry: (natural(entry.key), natural(name_of(entry.node, members)), entry.node, natural(entry.path)),
    )
    return frame(
        {
            "service": repeated([entry.key for entry in entries]),
            "node": repeated([members[entry.node].id if entry.node in members else None for entry in entries]),
            "address": repeated([str(entry.node) for entry in entries]),
            "path": text([entry.path for entry in entries]),
            "reachable": reachable([entry.node for entry in entries], health),
        },
        attrs_of(cluster, snapshot, taken_at),
    )
