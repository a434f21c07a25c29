"""The tables of a virtual cluster: members with lives, opinions and shares of the ring, slices of the ring, types."""

from __future__ import annotations

import numpy as np
import pandas as pd

from casty_notebook.tables.activations import Reports, activity_columns
from casty_notebook.tables.columns import attrs_of, frame, reachable, repeated, round_trips, text
from casty_notebook.topology.events import opinions
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import natural
from casty_notebook.topology.node_report import HELPER
from casty_notebook.topology.snapshot import MemberStatus

__all__ = ["virtual_members", "virtual_types"]

_STATUSES = [status.name for status in (MemberStatus.alive, MemberStatus.leaving, MemberStatus.suspect, MemberStatus.dead)]
_COLLECTIONS = "casty."
"""Where the types of casty's own collections live."""


def virtual_members(moment: Moment, *, cluster: str, reports: Reports | None = None) -> pd.DataFrame:
    """One row per member of a virtual cluster, by name.

    Columns
    -------
    node, address
        The name that we gave it (such a cluster knows none), and where it is.
    status, opinions
        What most members say of it; and what all say, counted, where they do not agree.
    reachable
        Whether we reach it; missing while we do not know.
    ring_share, replica_share
        The part of all keys (0 to 1) of which it is the first replica, or any.
    types
        How many actor types it has met.
    incarnation
        Which life of the node this is: the beginning of its identity.
    rtt_ms
        The last round trip; NaN while it is not reached.
    active, queued, writes, writes_failed, bytes_sent, bytes_received
        There only for a moment after the nodes were asked what they are at (`activations`): active keys, messages in their
        mailboxes, and what was counted since the node has started.

    Examples
    --------
    >>> from casty_notebook.topology.kinds import VIRTUAL
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.address import NodeAddress
    >>> from casty_notebook.topology.snapshot import Member, TopologySnapshot
    >>> here = NodeAddress("10.0.1.10", 25520)
    >>> member = Member(here, MemberStatus.alive, frozenset(), "node-1", "ab12cd34ef", (), 1.0, 1.0)
    >>> snapshot = TopologySnapshot(frozenset({member}), None, {}, 0, kind=VIRTUAL)
    >>> table = virtual_members(Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot), cluster="prod")
    >>> print(table[["node", "status", "ring_share", "types", "incarnation"]].to_string(index=False))
      node status  ring_share  types incarnation
    node-1  alive         1.0      0    ab12cd34
    """
    by_address = moment.members
    addresses, rows = list(by_address), list(by_address.values())
    met = pd.Series([entry.node for entry in moment.services], dtype=object).value_counts().to_dict()
    return frame(
        {
            "node": repeated([member.id for member in rows]),
            "address": repeated([str(address) for address in addresses]),
            "status": repeated([member.status.name for member in rows], _STATUSES),
            "opinions": text([opinions(member) if member.disputed else "" for member in rows]),
            "reachable": reachable(addresses, moment),
            "ring_share": _shares([member.share for member in rows]),
            "replica_share": _shares([member.replica_share for member in rows]),
            "types": pd.array([met.get(address, 0) for address in addresses], dtype="Int64"),
            "incarnation": text([member.incarnation[:8] for member in rows]),
            "rtt_ms": round_trips(addresses, moment),
            **activity_columns(addresses, reports or {}),
        },
        attrs_of(cluster, moment),
    )


def virtual_types(moment: Moment, *, cluster: str) -> pd.DataFrame:
    """One row per actor type and member that has met it, by type and node. A type is met when it is first used.

    Columns
    -------
    type, module
        Its name, and the module that the nodes import it from.
    kind
        ``collection`` for casty's own, ``helper`` for what lets the nodes be looked into, ``application`` for all others.
    node, address, reachable
        A member that has met it.

    Examples
    --------
    >>> from casty_notebook.topology.kinds import VIRTUAL
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.address import NodeAddress
    >>> from casty_notebook.topology.snapshot import ServiceEntry, TopologySnapshot
    >>> entry = ServiceEntry("shop.actors:counter", NodeAddress("10.0.1.10", 25520), "")
    >>> snapshot = TopologySnapshot(frozenset(), None, {}, 0, registry=frozenset({entry}), kind=VIRTUAL)
    >>> table = virtual_types(Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot), cluster="prod")
    >>> print(table[["type", "module", "kind"]].to_string(index=False))
       type      module        kind
    counter shop.actors application
    """
    members = moment.members
    place = {address: number for number, address in enumerate(members)}
    entries = sorted(moment.services, key=lambda entry: (natural(entry.key), place.get(entry.node, len(place)), entry.node))
    parted = [entry.key.partition(":") for entry in entries]
    return frame(
        {
            "type": repeated([name or module for module, _, name in parted]),
            "module": repeated([module if name else "" for module, _, name in parted]),
            "kind": repeated(
                [_kind(entry.key) for entry in entries],
                ["application", "collection", "helper"],
            ),
            "node": repeated([members[entry.node].id if entry.node in members else None for entry in entries]),
            "address": repeated([str(entry.node) for entry in entries]),
            "reachable": reachable([entry.node for entry in entries], moment),
        },
        attrs_of(cluster, moment),
    )


def _kind(name: str) -> str:
    return "helper" if name == HELPER else "collection" if name.startswith(_COLLECTIONS) else "application"


def _shares(parts: list[float | None]) -> object:
    return np.array([float("nan") if part is None else round(part, 4) for part in parts], dtype=np.float64)
