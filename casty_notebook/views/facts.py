"""What a view or a card is told beside the cluster's moment: the connection, or the recording, by which it came."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.recording_format import Label

__all__ = ["Facts", "Shown"]


@dataclass(frozen=True, slots=True)
class Facts:
    """How a moment came to us, and what was found in it and those before.

    Facts are kept apart from the `Moment`, which is the cluster's alone. They are there before the first moment and after the
    last, most of them change while the moment stays the same, and nothing of them is remembered but counts of the reports.

    Attributes
    ----------
    label
        Which cluster, by which connection.
    time
        The time that the facts are of: the moment's own, or now if the connection is closed or nothing has been seen yet.
    age
        Seconds since a node last sent a snapshot, changed or not; None before the first and for a recording.
    closed
        The connection was closed: nothing will change any more.
    recorded
        The moment comes from a recording, not from a connection.
    problems
        What is wrong; None where nobody has looked.
    reports, activity_hint
        What the nodes report of themselves, and how to get reports if there are none; for a remembered moment only counts.
    colour, read_only
        How the connection was marked; left out for a remembered moment.
    """

    label: Label
    time: datetime.datetime
    age: float | None = None
    closed: bool = False
    recorded: bool = False
    problems: Sequence[Problem] | None = None
    reports: Mapping[NodeAddress, NodeReport] = field(default_factory=dict)
    activity_hint: str = ""
    colour: str | None = None
    read_only: bool = False


class Shown(NamedTuple):
    """All that a view shows, at one time; `moment` is None while nothing has been seen."""

    moment: Moment | None
    facts: Facts
