"""Asks the nodes what they are at while somebody looks at a map of them, once a second at most."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

from casty_notebook.backends.contract import Backend
from casty_notebook.errors import CastyNotebookError
from casty_notebook.logs import room_logger
from casty_notebook.topology.kinds import Kind
from casty_notebook.topology.node_report import HELPER
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["Glances"]

log = room_logger(__name__)

EVERY = 1.0

HOW = "active keys are not told: copy casty_notebook.nodeside.FILE to the nodes, then cluster.activations"


class Glances:
    """resting --somebody looks, due--> asking --answered--> resting. Asks nobody where no member has met the helper."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._asking: asyncio.Task[Mapping[Any, Any]] | None = None
        self._asked_at = float("-inf")
        self._registry: object = None
        self._met = False
        self._refusal = ""

    def look(self) -> None:
        """Ask the nodes, unless they cannot be asked, or it is too soon."""
        snapshot = self._backend.topology
        if snapshot is None or not self._is_met(snapshot) or self._asking is not None or monotonic() - self._asked_at < EVERY:
            return
        self._asked_at = monotonic()
        self._asking = asyncio.ensure_future(self._backend.node_reports(glance=True))
        self._asking.add_done_callback(self._answered)

    def _is_met(self, snapshot: TopologySnapshot) -> bool:
        if snapshot.registry is not self._registry:
            self._registry, self._met = snapshot.registry, any(entry.key == HELPER for entry in snapshot.registry)
        return self._met

    def _answered(self, done: asyncio.Task[Mapping[Any, Any]]) -> None:
        self._asking = None
        if done.cancelled():
            return
        error = done.exception()
        # The reports themselves are not kept here: they are read from `Backend.last_reports`.
        self._refusal = str(error) if isinstance(error, CastyNotebookError) else ""
        if error is not None:
            log.debug("the nodes did not say what they are at: %r", error)

    def hint(self, kind: Kind) -> str:
        """Why no active keys are shown, and what to do about it; empty where they are shown, or never can be."""
        snapshot = self._backend.topology
        if snapshot is None or not kind.tells_activity:
            return ""
        return self._refusal if self._is_met(snapshot) else HOW
