"""What the nodes' own reports tell over time that is worth a line: few, folded, and nothing of a cluster that is well."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from casty_notebook.address import NodeAddress
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.mailboxes import Mailboxes, Turn, Waiting
from casty_notebook.topology.names import member_at, name_of
from casty_notebook.topology.node_report import LogLine, NodeReport, key_of, short_of
from casty_notebook.topology.snapshot import Member, MemberStatus, TopologySnapshot

__all__ = ["Reported"]

WARNINGS = {"WARNING", "ERROR", "CRITICAL"}
OF_MEMBERS = re.compile(r"member \S+ (is|went from) ")
"""What a node logs about other members. It is left out: the timeline has it already, and here every node would repeat it."""
LOG_EVERY = timedelta(seconds=10)
"""What a node logs within so long is one row."""
LONGEST = 300
"""Characters of a record that a row quotes."""
MINUTE = timedelta(seconds=60)
MAILBOXES_A_MINUTE = 10
"""Rows about mailboxes in a minute. Further mailboxes are only listed among the problems."""
REMEMBERED = timedelta(seconds=60)
"""When a node dies, keys that it reported within so long are said to be gone. Older ones may have ended before it did."""
GONE = {MemberStatus.dead, MemberStatus.removed, MemberStatus.down}


class Reported:
    """silent --note--> following --note--> following.

    What a node's log already holds at the first look is not told, since it happened at some earlier time.
    """

    def __init__(self) -> None:
        self._mailboxes = Mailboxes()
        self._logs: dict[NodeAddress, _Log] = {}
        self._active: dict[NodeAddress, _Active] = {}
        self._told: deque[datetime] = deque()
        self._told_of: set[tuple[NodeAddress, str, str]] = set()

    def note(
        self, time: datetime, reports: Mapping[NodeAddress, NodeReport], snapshot: TopologySnapshot
    ) -> list[TopologyEvent]:
        """Take what the nodes say now. Returns what is news in it."""
        members = member_at(snapshot.members)
        rows = [
            *self._gone(time, reports, members),
            *self._turns(time, self._mailboxes.note(time, reports), members),
            *self._logged(time, reports, members),
        ]
        return [TopologyEvent(time, kind.value, subject, before, after) for kind, subject, before, after in rows]

    def waiting(self, now: datetime) -> tuple[Waiting, ...]:
        """Keys whose mailboxes grow or stand, the deepest first."""
        return self._mailboxes.waiting(now)

    # --- keys that went with their node -------------------------------------------------------------------------------

    def _gone(
        self, time: datetime, reports: Mapping[NodeAddress, NodeReport], members: Mapping[NodeAddress, Member]
    ) -> Iterator[_Row]:
        for address, active in list(self._active.items()):
            member = members.get(address)
            if member is not None and member.incarnation == active.incarnation and member.status not in GONE:
                continue
            del self._active[address]
            if active.total and time - active.time <= REMEMBERED:
                yield Change.activations_gone, active.name, active.words, "active again where they are asked for next"
        for address, report in reports.items():
            if (member := members.get(address)) is not None and member.status not in GONE:
                self._active[address] = _Active.of(time, member, report)

    # --- mailboxes ----------------------------------------------------------------------------------------------------

    def _turns(self, time: datetime, turns: Iterable[Turn], members: Mapping[NodeAddress, Member]) -> Iterator[_Row]:
        while self._told and time - self._told[0] > MINUTE:
            self._told.popleft()
        untold = 0
        for waiting, over in turns:
            place = waiting.node, waiting.actor, waiting.key
            subject = key_of(waiting.actor, waiting.key)
            if over:
                if place in self._told_of:
                    self._told_of.discard(place)
                    yield Change.mailbox_falls, subject, f"{waiting.most:,} waiting", _waiting_now(waiting)
            elif len(self._told) < MAILBOXES_A_MINUTE:
                self._told.append(time)
                self._told_of.add(place)
                kind = Change.mailbox_grows if waiting.kind == "grows" else Change.mailbox_stands
                yield kind, subject, f"{waiting.first:,} waiting", f"{waiting.now:,} waiting on {name_of(waiting.node, members)}"
            else:
                untold += 1
        if untold and len(self._told) == MAILBOXES_A_MINUTE:
            self._told.append(time)  # once a minute
            yield Change.mailbox_grows, f"{untold:,} more keys", "", "see the problems"

    # --- logs ---------------------------------------------------------------------------------------------------------

    def _logged(
        self, time: datetime, reports: Mapping[NodeAddress, NodeReport], members: Mapping[NodeAddress, Member]
    ) -> Iterator[_Row]:
        for address in self._logs.keys() - members.keys():
            del self._logs[address]
        for address, report in reports.items():
            if address not in members:
                continue
            log = self._logs.get(address)
            if log is None:
                self._logs[address] = _Log(_last_number(report.log))
            elif (said := log.note(time, report.log)) is not None:
                yield Change.node_warned, name_of(address, members), "", said


type _Row = tuple[Change, str, str, str]


def _waiting_now(waiting: Waiting) -> str:
    return f"{waiting.now:,} waiting" if waiting.now else "no longer among the deepest"


def _last_number(lines: Iterable[LogLine]) -> int:
    return max((line.number for line in lines), default=0)


@dataclass(frozen=True, slots=True)
class _Active:
    """The active keys of a node, of one incarnation, when it was last asked."""

    time: datetime
    name: str
    incarnation: str
    total: int
    words: str

    @classmethod
    def of(cls, time: datetime, member: Member, report: NodeReport) -> _Active:
        counts: Counter[str] = Counter()
        for load in report.loads:
            counts[short_of(load.actor)] += load.active
        total = counts.total()
        named = ", ".join(f"{count:,} of {name}" for name, count in counts.most_common(3) if count)
        words = f"{total:,} active {'key' if total == 1 else 'keys'}: {named}"
        return cls(time, member.id, member.incarnation, total, words)


@dataclass(slots=True)
class _Log:
    """What of a node's log was told: up to which record, and what waits for its row."""

    last: int
    due: datetime | None = None
    newest: LogLine | None = None
    count: int = 0

    def note(self, time: datetime, lines: tuple[LogLine, ...]) -> str | None:
        """Take the log as it is kept now, and give what is due of it: the newest, and how many there were."""
        newest = _last_number(lines)
        if newest < self.last:
            self.last = 0  # the node was restarted, and its log counts from 1 again
        for line in lines:
            if line.number > self.last and line.level in WARNINGS and not OF_MEMBERS.match(line.text):
                self.newest, self.count = line, self.count + 1
        self.last = newest
        if self.newest is None or (self.due is not None and time < self.due):
            return None
        line, count = self.newest, self.count
        self.newest, self.count, self.due = None, 0, time + LOG_EVERY
        more = f" (and {count - 1:,} more: see the nodes' log)" if count > 1 else ""
        text = line.text if len(line.text) <= LONGEST else f"{line.text[:LONGEST]}…"
        return f"{line.level}: {text}{more}"
