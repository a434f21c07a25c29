"""Asks the nodes what they are at, where the helper lies on them (VIRTUAL section 10): never unasked, once a second at most."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.aio.face import ClientFace
from casty_notebook.backends.virtual.codec.node_reports import look, read_report
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.backends.virtual.session.members import OWNING
from casty_notebook.backends.virtual.session.ring import NodeId
from casty_notebook.errors import AskFailed, MisuseError, NoSuchType, UndecodableMessage
from casty_notebook.logs import Sparing, room_logger
from casty_notebook.topology.node_report import HELPER, LogLine, NodeReport

__all__ = ["NodeReports"]

log = room_logger(__name__)

FRESH = 1.0
"""Seconds for which what the nodes said is good enough for whoever looks again."""
SHOWN = 10.0
"""Seconds for which it is shown in the members' table."""
PATIENCE = 3.0
"""Seconds that a node has to answer; one that is busy is left out."""
ABSENT = 30.0
"""Seconds for which a node that has no such file is not asked again: it would look for it each time."""
ROWS = 5_000
"""Keys of each node; the helper says how many more there are."""
LINES = 2_000
"""Records that are kept of each node's log."""
KEY = "casty_notebook"

WITHOUT = (
    "the nodes do not say which keys are active: copy casty_nodeside.py (casty_notebook.nodeside.FILE), which needs casty alone, "
    "to where they import from, and start them again"
)


class NodeReports:
    """What the nodes said last. Lives on the client's loop.

    Parameters
    ----------
    read_only
        Ask only a helper that a member has met already: a node that is asked for a type imports its module.
    """

    def __init__(self, client: ClientFace, *, read_only: bool) -> None:
        self._client = client
        self._read_only = read_only
        self._asking: asyncio.Task[Mapping[NodeAddress, NodeReport]] | None = None
        self._asked_at = float("-inf")
        self._absent_until: dict[NodeAddress, float] = {}
        self._logs: dict[NodeAddress, tuple[bytes, deque[LogLine]]] = {}
        self._reports: Mapping[NodeAddress, NodeReport] = {}
        self._told_at = float("-inf")
        self._sparing = Sparing(log)

    @property
    def last(self) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes said when they were asked last; empty once that is too old to be shown beside what is so now."""
        return self._reports if monotonic() - self._told_at < SHOWN else {}

    @property
    def known(self) -> bool:
        """Whether a member has met the helper."""
        members = self._client.members
        return members is not None and HELPER in members.types

    async def ask(self) -> Mapping[NodeAddress, NodeReport]:
        """What the members say of themselves now, or said within the last second; those that do not answer are left out.

        Raises
        ------
        MisuseError
            If none has the helper; says how to get it.
        UndecodableMessage
            If none answers in a form that can be read.
        """
        if self._asking is None or (self._asking.done() and monotonic() - self._asked_at >= FRESH):
            self._asked_at = monotonic()
            self._asking = asyncio.ensure_future(self._ask())
        # Whoever stops waiting does not stop the others who wait for the same.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Mapping[NodeAddress, NodeReport]:
        members = self._client.members or await self._client.wait_for_members()
        if self._read_only and not self.known:
            raise MisuseError(f"{WITHOUT}. No member has met it yet, and a read-only connection makes no node import anything")
        now = monotonic()
        wanted = {each.address: each.id for each in members.members if each.status in OWNING}
        for kept in (self._absent_until, self._logs):
            for address in kept.keys() - wanted.keys():
                del kept[address]
        asked = [node for address, node in wanted.items() if self._absent_until.get(address, 0.0) <= now]
        answers = await asyncio.gather(*map(self._ask_one, asked))
        self._reports = {answer.address: answer for answer in answers if isinstance(answer, NodeReport)}
        self._told_at = monotonic()
        for odd in (answer for answer in answers if isinstance(answer, UndecodableMessage)):
            if not self._reports:
                raise odd
            # What one node says takes nothing from what the others say.
            self._sparing.warning(str(odd))
        if wanted and self._absent_until.keys() == wanted.keys():
            raise MisuseError(WITHOUT)
        return self._reports

    async def _ask_one(self, node: NodeId) -> NodeReport | UndecodableMessage | None:
        kept = self._log_of(node)
        after = kept[-1].number if kept else 0
        target = EntityKey(HELPER, f"@{node.address}/{KEY}")
        try:
            answer = await self._client.ask(target, look(ROWS, after), timeout=PATIENCE, fail_fast=True, force=True)
        except NoSuchType:
            self._absent_until[node.address] = monotonic() + ABSENT
            return None
        except UndecodableMessage as error:
            return error
        except AskFailed:
            return None
        self._absent_until.pop(node.address, None)
        try:
            report = read_report(node.address, answer)
        except UndecodableMessage as error:
            return error
        kept += report.log
        return replace(report, log=tuple(kept))

    def _log_of(self, node: NodeId) -> deque[LogLine]:
        """What is kept of a node's log. One that was started anew counts its records from the beginning."""
        incarnation, log = self._logs.get(node.address, (b"", deque[LogLine](maxlen=LINES)))
        if incarnation != node.incarnation:
            log = deque(maxlen=LINES)
        self._logs[node.address] = node.incarnation, log
        return log
