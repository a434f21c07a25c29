"""What nodes of casty 0.30 reported of themselves, for each moment in which somebody asked them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from casty_notebook.address import NodeAddress
from casty_notebook.topology.node_report import NodeReport

__all__ = ["MOST_ROWS", "LoadHistory"]

MOST_ROWS = 20_000
"""Counts of one type on one node; 4 MB. Of three nodes with ten types each that is 600 moments, of 200 such nodes nine."""


class LoadHistory:
    """The last reports of each moment, by its time. Of a report only the counts by type are kept, no keys and no log."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._told: dict[datetime, Mapping[NodeAddress, NodeReport]] = {}
        self._rows = 0

    def note(self, moment: datetime, reports: Mapping[NodeAddress, NodeReport]) -> None:
        """Keep what nodes reported in the newest moment, in place of earlier reports in it; drop the oldest beyond the bound."""
        self._rows -= _rows_of(self._told.pop(moment, {}))
        kept = {address: _counts_of(report) for address, report in reports.items()}
        self._told[moment] = kept
        self._rows += _rows_of(kept)
        while self._rows > self._most_rows:
            oldest = next(iter(self._told))
            self._rows -= _rows_of(self._told.pop(oldest))

    def at(self, moment: datetime) -> Mapping[NodeAddress, NodeReport]:
        """What was said in the moment of that time; nothing where nobody asked, or it is forgotten. From any thread."""
        return self._told.get(moment, {})


def _counts_of(report: NodeReport) -> NodeReport:
    loads = tuple(load for load in report.loads if load.active or load.queued)
    return replace(report, activations=(), loads=loads, log=())


def _rows_of(reports: Mapping[NodeAddress, NodeReport]) -> int:
    return sum(1 + len(report.loads) for report in reports.values())
