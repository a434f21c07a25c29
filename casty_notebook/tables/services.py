"""The table of service instances, or of the types that members have met."""

from __future__ import annotations

import pandas as pd

from casty_notebook.tables.columns import attrs_of, frame, reachable, repeated, text
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of, natural
from casty_notebook.topology.node_report import TYPE_KINDS, type_kind

__all__ = ["services"]


def services(moment: Moment | None, *, cluster: str) -> pd.DataFrame:
    """One row per registered service instance, by service, node and path; or per type and member that has met it.

    Instances are candidates: one that stopped stays registered as long as its node lives (PROTOCOL section 9).

    Columns
    -------
    service, path
        The name it registered under, and the actor's path on its node.
    node, address
        Where it is; `node` is missing if that is no member.
    reachable
        Whether we reach the node; missing while we do not know.
    type, module, kind
        On a virtual cluster in place of service and path: a type's name, the module that the nodes import it from, and
        ``application``, which come first, ``collection`` for casty's own, ``helper`` for what lets the nodes be looked into.

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
    if moment is not None and moment.kind.finds_types:
        return _types(moment, cluster)
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


def _types(moment: Moment, cluster: str) -> pd.DataFrame:
    """One row per type and member that has met it; a type is met when it is first used.

    Examples
    --------
    >>> from casty_notebook.topology.kinds import VIRTUAL
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.address import NodeAddress
    >>> from casty_notebook.topology.snapshot import ServiceEntry, TopologySnapshot
    >>> entry = ServiceEntry("shop.actors:counter", NodeAddress("10.0.1.10", 25520), "")
    >>> snapshot = TopologySnapshot(frozenset(), None, {}, 0, registry=frozenset({entry}), kind=VIRTUAL)
    >>> table = services(Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot), cluster="prod")
    >>> print(table[["type", "module", "kind"]].to_string(index=False))
       type      module        kind
    counter shop.actors application
    """
    members = moment.members
    place = {address: number for number, address in enumerate(members)}
    entries = sorted(
        moment.services,
        key=lambda entry: (
            TYPE_KINDS.index(type_kind(entry.key)), natural(entry.key), place.get(entry.node, len(place)), entry.node,
        ),
    )
    parted = [entry.key.partition(":") for entry in entries]
    return frame(
        {
            "type": repeated([name or module for module, _, name in parted]),
            "module": repeated([module if name else "" for module, _, name in parted]),
            "kind": repeated(
                [type_kind(entry.key) for entry in entries],
                TYPE_KINDS,
            ),
            "node": repeated([members[entry.node].id if entry.node in members else None for entry in entries]),
            "address": repeated([str(entry.node) for entry in entries]),
            "reachable": reachable([entry.node for entry in entries], moment),
        },
        attrs_of(cluster, moment),
    )
