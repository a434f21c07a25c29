"""Asks nodes that have the helper's file what they are doing (VIRTUAL section 10): only on demand, at most once a second."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from time import monotonic
from typing import NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.aio.face import SeeingFace
from casty_notebook.backends.virtual.codec.node_reports import look, read_report
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.backends.virtual.session.members import OWNING
from casty_notebook.backends.virtual.session.ring import NodeId
from casty_notebook.errors import AskFailed, MisuseError, NoSuchType, UndecodableMessage
from casty_notebook.logs import room_logger
from casty_notebook.loops.sparing import Sparing
from casty_notebook.topology.node_report import HELPER, LogLine, NodeReport

__all__ = ["ROWS", "NodeReports"]

log = room_logger(__name__)

FRESH = 1.0
"""Seconds for which a caller gets the last answers instead of new ones."""
SHOWN = 10.0
"""Seconds for which the last answers are shown in the members' table."""
PATIENCE = 3.0
"""Seconds that a node has to answer; one that is busy is left out."""
ABSENT = 30.0
"""Seconds for which a node without the helper's file is not asked again, as it would look for the file each time."""
ROWS = 5_000
"""Most active keys that a node is asked to name; its answer says how many more there are."""
LINES = 2_000
"""Records that are kept of each node's log."""
KEY = "casty_notebook"

WITHOUT = (
    "the nodes do not say which keys are active: copy casty_nodeside.py (casty_notebook.nodeside.FILE), which needs casty alone, "
    "to where they import from, and start them again"
)
NOT_MET = "No member has met it yet, and a read-only connection (or met_only=True) makes no node import anything"


class NodeReports:
    """What the nodes said last. Lives on the client's loop."""

    def __init__(self, client: SeeingFace) -> None:
        self._client = client
        self._asking: _Asking | None = None
        self._absent_until: dict[NodeId, float] = {}
        self._logs: dict[NodeAddress, tuple[bytes, deque[LogLine]]] = {}
        self._reports: Mapping[NodeAddress, NodeReport] = {}
        self._told_at = float("-inf")
        self._sparing = Sparing(log)

    @property
    def last(self) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes said when they were asked last; empty once that is too old to be shown beside the present members."""
        return self._reports if monotonic() - self._told_at < SHOWN else {}

    @property
    def known(self) -> bool:
        """Whether a member has met the helper: one has just answered, or the members' tables list its type (a moment later)."""
        members = self._client.members
        return bool(self.last) or (members is not None and HELPER in members.types)

    async def ask(self, keys: int = ROWS, *, met_only: bool = False) -> Mapping[NodeAddress, NodeReport]:
        """What the members say of themselves now, or said within the last second; those that do not answer are left out.

        Parameters
        ----------
        keys
            How many active keys each node names at most, of `ROWS`.
        met_only
            Ask only a helper that a member has met already, and no node twice that did not have it: a node that is asked for a
            type looks for its module each time.

        Raises
        ------
        MisuseError
            If none has the helper; says how to get it.
        UndecodableMessage
            If none answers in a form that can be read.
        """
        if met_only and not self.known:
            raise MisuseError(f"{WITHOUT}. {NOT_MET}")
        keys, asking = min(keys, ROWS), self._asking
        if asking is None or (asking.task.done() and monotonic() - asking.at >= FRESH) or not asking.serves(keys, met_only):
            # A caller that wants more than the last request makes a new one, which then serves all who want less, too.
            task = asyncio.ensure_future(self._ask(keys, met_only))
            asking = self._asking = _Asking(monotonic(), keys, met_only, task)
        # Shielded, as others may wait for the same task when this caller is cancelled.
        return await asyncio.shield(asking.task)

    async def _ask(self, keys: int, met_only: bool) -> Mapping[NodeAddress, NodeReport]:
        members = self._client.members or await self._client.wait_for_members()
        wanted = {each.id for each in members.members if each.status in OWNING}
        self._forget_others(wanted)
        asked = [node for node in wanted if self._may_be_asked(node, met_only)]
        answers = await asyncio.gather(*(self._ask_one(node, keys) for node in asked))
        self._reports = {answer.address: answer for answer in answers if isinstance(answer, NodeReport)}
        self._told_at = monotonic()
        for odd in (answer for answer in answers if isinstance(answer, UndecodableMessage)):
            if not self._reports:
                raise odd
            # One answer that cannot be read does not spoil those of the other nodes.
            self._sparing.warning(str(odd))
        if wanted and self._absent_until.keys() == wanted:
            raise MisuseError(WITHOUT)
        return self._reports

    def _forget_others(self, living: Set[NodeId]) -> None:
        self._absent_until = {node: until for node, until in self._absent_until.items() if node in living}
        here = {node.address for node in living}
        self._logs = {address: kept for address, kept in self._logs.items() if address in here}

    def _may_be_asked(self, node: NodeId, met_only: bool) -> bool:
        until = self._absent_until.get(node)
        view = self._client.health.get(node.address)
        # To ask a node that is not reached would only fail, each second anew.
        reached = view is None or view.reachable is not False
        return reached and (until is None or (not met_only and until <= monotonic()))

    async def _ask_one(self, node: NodeId, keys: int) -> NodeReport | UndecodableMessage | None:
        kept = self._log_of(node)
        target = EntityKey(HELPER, f"@{node.address}/{KEY}")
        try:
            answer = await self._client.ask(target, look(keys, _last_of(kept)), timeout=PATIENCE, fail_fast=True, force=True)
        except NoSuchType:
            self._absent_until[node] = monotonic() + ABSENT
            return None
        except UndecodableMessage as error:
            return error
        except AskFailed:
            return None
        self._absent_until.pop(node, None)
        try:
            report = read_report(node.address, answer)
        except UndecodableMessage as error:
            return error
        last = _last_of(kept)  # read again: another ask of the same node may have added these lines
        kept += (line for line in report.log if line.number > last)
        return replace(report, log=tuple(kept))

    def _log_of(self, node: NodeId) -> deque[LogLine]:
        """The lines kept of a node's log; none if it was started anew, since its records are then numbered from the beginning."""
        incarnation, log = self._logs.get(node.address, (b"", deque[LogLine](maxlen=LINES)))
        if incarnation != node.incarnation:
            log = deque(maxlen=LINES)
        self._logs[node.address] = node.incarnation, log
        return log


def _last_of(lines: Sequence[LogLine]) -> int:
    return max((line.number for line in lines), default=0)


class _Asking(NamedTuple):
    """The last time that the nodes were asked: when, for how much, and what comes of it."""

    at: float
    keys: int
    met_only: bool
    task: asyncio.Task[Mapping[NodeAddress, NodeReport]]

    def serves(self, keys: int, met_only: bool) -> bool:
        """Whether its answer is enough for a caller that wants `keys` keys."""
        return keys <= self.keys and (met_only or not self.met_only)
