"""The tables of what the nodes of a virtual cluster report of themselves: active keys, loads by type, their logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.tables.columns import attrs_of, frame, repeated, text
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import natural
from casty_notebook.topology.node_report import NodeReport

__all__ = ["activations", "activity_columns", "loads", "node_log"]

type Reports = Mapping[NodeAddress, NodeReport]


def activations(reports: Reports, moment: Moment | None, *, cluster: str) -> pd.DataFrame:
    """One row per active key: the deepest mailboxes first, then those that have been active longest.

    ``attrs["left_out"]`` says how many there are beside these: nodes name 5,000 at most.

    Columns
    -------
    node, type, key
        Where it is active, and what it is called.
    since
        When it became active there, by that node's clock.
    queued
        Messages that wait in its mailbox, without the one that it is handling now.
    module
        Where the nodes import its type from.

    Examples
    --------
    >>> from datetime import UTC
    >>> from casty_notebook.topology.node_report import Activation
    >>> here, since = NodeAddress("10.0.1.10", 25520), datetime(2026, 11, 27, tzinfo=UTC)
    >>> row = Activation("shop.actors:counter", "user-42", since, 9)
    >>> report = NodeReport(here, "0.30.2", (row,), 3, (), 0, 0, 0, 0, 0, 0)
    >>> table = activations({here: report}, None, cluster="prod")
    >>> print(table[["node", "type", "key", "queued"]].to_string(index=False), table.attrs["left_out"])
               node    type     key  queued
    10.0.1.10:25520 counter user-42       9 3
    """
    rows = sorted(
        ((address, each) for address, report in reports.items() for each in report.activations),
        key=lambda row: (-row[1].queued, row[1].since),
    )
    parted = [each.actor.partition(":") for _, each in rows]
    return frame(
        {
            "node": _nodes((address for address, _ in rows), moment),
            "type": repeated([name or module for module, _, name in parted]),
            "key": text([each.key for _, each in rows]),
            "since": _times(each.since for _, each in rows),
            "queued": _counts(each.queued for _, each in rows),
            "module": repeated([module if name else "" for module, _, name in parted]),
        },
        attrs_of(cluster, moment) | {"left_out": sum(report.left_out for report in reports.values())},
    )


def loads(reports: Reports, moment: Moment | None, *, cluster: str) -> pd.DataFrame:
    """One row per type and node. It counts all active keys, also those that `activations` leaves out.

    Columns
    -------
    type, module, node
        The type, and a node that has met it.
    active
        Its keys that are active there.
    queued, deepest
        Messages in all their mailboxes, and in the deepest one.
    """
    rows = [(address, load) for address, report in reports.items() for load in report.loads]
    rows.sort(key=lambda row: (natural(row[1].actor), row[0]))
    parted = [load.actor.partition(":") for _, load in rows]
    return frame(
        {
            "type": repeated([name or module for module, _, name in parted]),
            "module": repeated([module if name else "" for module, _, name in parted]),
            "node": _nodes((address for address, _ in rows), moment),
            "active": _counts(load.active for _, load in rows),
            "queued": _counts(load.queued for _, load in rows),
            "deepest": _counts(load.deepest for _, load in rows),
        },
        attrs_of(cluster, moment),
    )


def node_log(reports: Reports, moment: Moment | None, *, cluster: str) -> pd.DataFrame:
    """One row per record of casty's own log on the nodes, oldest first, from when they were first asked.

    Columns
    -------
    time, node
        When, by that node's clock, and where.
    level, text
        As it was logged: a failure, a write that did not go through, a dropped message, a member that another suspects.
    """
    rows = [(address, line) for address, report in reports.items() for line in report.log]
    rows.sort(key=lambda row: (row[1].time, row[1].number))
    return frame(
        {
            "time": _times(line.time for _, line in rows),
            "node": _nodes((address for address, _ in rows), moment),
            "level": repeated([line.level for _, line in rows]),
            "text": text([line.text for _, line in rows]),
        },
        attrs_of(cluster, moment),
    )


def activity_columns(addresses: Iterable[NodeAddress], reports: Reports) -> dict[str, Any]:
    """What the nodes report, as columns of the members' table; no columns if there are no reports."""
    if not reports:
        return {}
    told = [reports.get(address) for address in addresses]
    return {
        "active": _counts(None if each is None else sum(load.active for load in each.loads) for each in told),
        "queued": _counts(None if each is None else sum(load.queued for load in each.loads) for each in told),
        "writes": _counts(None if each is None else each.writes for each in told),
        "writes_failed": _counts(None if each is None else each.writes_failed for each in told),
        "bytes_sent": _counts(None if each is None else each.bytes_sent for each in told),
        "bytes_received": _counts(None if each is None else each.bytes_received for each in told),
    }


def _nodes(addresses: Iterable[NodeAddress], moment: Moment | None) -> Any:
    members = moment.members if moment is not None else {}
    return repeated([members[address].id if address in members else str(address) for address in addresses])


def _times(times: Iterable[datetime]) -> Any:
    return pd.Series(list(times), dtype="datetime64[us, UTC]")


def _counts(values: Iterable[int | None]) -> Any:
    return pd.array(list(values), dtype="Int64")
