"""The table of service instances."""

from __future__ import annotations

import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, reachable, repeated, text
from casty_notebook.tables.virtual import virtual_types
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of, natural

__all__ = ["services"]


def services(moment: Moment | None, *, cluster: str) -> pd.DataFrame:
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
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.address import NodeAddress
    >>> from casty_notebook.topology.snapshot import ServiceEntry, TopologySnapshot
    >>> entry = ServiceEntry("payment", NodeAddress("10.0.1.10", 25520), "/payments")
    >>> snapshot = TopologySnapshot(frozenset(), None, {}, 0, registry=frozenset({entry}))
    >>> moment = Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot)
    >>> print(services(moment, cluster="prod").to_string(index=False))
    service node         address      path  reachable
    payment  NaN 10.0.1.10:25520 /payments       <NA>
    """
    if moment is not None and moment.kind is VIRTUAL:
        return virtual_types(moment, cluster=cluster)
    members = moment.members if moment is not None else {}
    entries = sorted(
        moment.services if moment is not None else (),
        key=lambda entry: (natural(entry.key), natural(name_of(entry.node, members)), entry.node, natural(entry.path)),
    )
    return frame(
        {
            "service": repeated([entry.key for entry in entries]),
            "node": repeated([members[entry.node].id if entry.node in members else None for entry in entries]),
            "address": repeated([str(entry.node) for entry in entries]),
            "path": text([entry.path for entry in entries]),
            "reachable": reachable([entry.node for entry in entries], moment),
        },
        attrs_of(cluster, moment),
    )
