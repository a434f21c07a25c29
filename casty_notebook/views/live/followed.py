"""What a live view needs to know of an open connection, which itself knows of live views."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import Backend
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.node_report import NodeReport

__all__ = ["Followed"]


class Followed(Protocol):
    """The part of `Cluster` that views follow."""

    name: str
    uri: str
    backend: Backend
    colour: str | None
    read_only: bool

    @property
    def system_name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def clock(self) -> datetime.datetime: ...
    @property
    def recent_events(self) -> Sequence[TopologyEvent]: ...
    @property
    def recent_moments(self) -> Sequence[Moment]: ...
    @property
    def latest_moment(self) -> Moment | None: ...
    @property
    def recent_waiting(self) -> Sequence[Waiting]: ...
    def told_in(self, moment: Moment) -> Mapping[NodeAddress, NodeReport]: ...
    def report_page(self) -> str: ...
