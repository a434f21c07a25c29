"""A moment as a live view draws it: nodes and placements by number, shards as columns. Pure; compared and sent by `deltas`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from casty_notebook.address import NodeAddress
from casty_notebook.printable import printable
from casty_notebook.tables.placements import Placements
from casty_notebook.topology.events import opinions
from casty_notebook.topology.kinds import SHARDED, Kind
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import natural
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.snapshot import Member, ShardAllocation
from casty_notebook.views.facts import Facts, Shown
from casty_notebook.views.live.activity_scene import NOTHING, Activity, activity_of
from casty_notebook.views.reprs.plain import clipped
from casty_notebook.views.theme import Look, health_of, looks_of

__all__ = ["Column", "Node", "ProblemRow", "Scene", "SceneBuilder", "Status", "milliseconds", "shown"]

STALE_AFTER = 5.0
"""Seconds without any snapshot after which the view says so. A lone node is made to answer every 3 s."""

SPARE_NUMBERS = 2_000
"""Numbers of placements and nodes that may be out of use before all are numbered anew, in another edition."""

LONGEST_NAME = 200

MOST_PROBLEMS = 100
"""Problems that are sent to a page, with the number of all that there are."""

type ProblemRow = tuple[str, str, str, int, str, str, str]
"""Severity, kind, subject, since in milliseconds, who says so, what was seen, and what to do."""

type Array = np.ndarray[Any, np.dtype[np.int64]]


class Node(NamedTuple):
    """One lane, as it is sent.

    `status` is None for a node that is no member, `flagged` the cluster's word that it is unreachable, `reach` ours; `health`
    and `words` are what both come to (see `theme`), `opinions` what the members say where they differ.
    """

    address: str
    name: str
    status: str | None
    roles: str
    leader: bool
    flagged: bool
    reach: bool | None
    reason: str
    rtt: float | None
    health: str
    words: str
    opinions: str


class Column(NamedTuple):
    """The shards of one type: ids in ascending order, and for each the number of its placement.

    `total` is how many there are if we were told; `odd` counts ids that fit no view (nodes check none, PROTOCOL section 6.4),
    `ownerless` those that had an owner once and have none now.
    """

    ids: Array
    codes: Array
    total: int | None
    odd: int
    ownerless: int = 0


class Status(NamedTuple):
    """What the banner says. Times are milliseconds since 1970."""

    name: str
    system: str
    connection: str
    since: int
    stale: bool
    words: tuple[str, str, str, str]
    """One and many of what is placed on nodes, and of what can be found by name."""
    leads: bool
    """Whether such clusters have a leader."""
    by_type: bool
    """Whether each type has placements of its own."""
    colour: str = ""
    read_only: bool = False
    """How the connection was marked; of moments that are gone back to, nothing is said again."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment, by numbers. `placements` are (owner, replica …), each a number into `nodes`; a node that is gone is None.

    Scenes of one `edition` share their numbering, which only grows.
    """

    edition: int
    time: int
    age: float | None
    status: Status
    epoch: int | None
    nodes: tuple[Node | None, ...]
    placements: tuple[tuple[int, ...], ...]
    columns: Mapping[str, Column]
    services: frozenset[tuple[str, int, str]]
    looks: tuple[Look, ...]
    problems: tuple[int, tuple[ProblemRow, ...]] | None
    """How many there are, and the first of them; None where nobody has looked."""
    activity: Activity = NOTHING


def milliseconds(time: datetime.datetime) -> int:
    """Since 1970, as the front end counts time."""
    return round(time.timestamp() * 1000)


def shown(name: str) -> str:
    """A name from the network, fit to be sent and shown."""
    return printable(clipped(name, LONGEST_NAME))


def _problem_row(problem: Problem) -> ProblemRow:
    text, remedy = (printable(clipped(words, 2 * LONGEST_NAME)) for words in (problem.text, problem.remedy))
    since = milliseconds(problem.since)
    return problem.severity, problem.kind, shown(problem.subject), since, problem.says, text, remedy


class SceneBuilder:
    """Makes scenes of the moments of one source, and remembers what keeps their numbers and figures steady."""

    def __init__(self) -> None:
        self._edition = 0
        self._status: Status | None = None
        self._rtt: dict[NodeAddress, float] = {}
        self._told: tuple[object, object, Activity] = (None, None, NOTHING)
        self._active: tuple[str, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self._edition += 1
        self._nodes: dict[NodeAddress, int] = {}
        self._placements: dict[tuple[int, ...], int] = {}
        self._columns: dict[str, tuple[Mapping[int, ShardAllocation], Column]] = {}

    def build(self, told: Shown) -> Scene:
        moment, facts = told
        members = moment.members if moment is not None else {}
        columns = self._columns_of(moment, facts.label.shard_counts)
        used = set().union(*(np.unique(column.codes).tolist() for column in columns.values()))
        if len(self._placements) > 2 * len(used) + SPARE_NUMBERS:
            self._forget()
            return self.build(told)
        placements = tuple(self._placements)
        for address in members:
            self._number(address)
        services = frozenset(
            (shown(entry.key), self._number(entry.node), shown(entry.path))
            for entry in (moment.services if moment is not None else ())
        )
        wanted = {node for code in used for node in placements[code]} | {node for _, node, _ in services}
        nodes = tuple(
            self._node(address, members.get(address), moment)
            if address in members or number in wanted
            else None
            for address, number in self._nodes.items()
        )
        if len(nodes) > 2 * sum(node is not None for node in nodes) + SPARE_NUMBERS:
            self._forget()
            return self.build(told)
        return Scene(
            self._edition, milliseconds(facts.time), facts.age,
            self._status_of(facts, nodes, SHARDED if moment is None else moment.kind),
            None if moment is None else moment.snapshot.allocation_epoch, nodes, placements, columns, services, looks_of(columns),
            None if facts.problems is None else (len(facts.problems), tuple(map(_problem_row, facts.problems[:MOST_PROBLEMS]))),
            self._activity_of(facts, nodes, tuple(columns)),
        )  # fmt: skip

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _number(self, address: NodeAddress) -> int:
        return self._nodes.setdefault(address, len(self._nodes))

    def _placement(self, allocation: ShardAllocation) -> int:
        nodes = tuple(map(self._number, (allocation.primary, *allocation.replicas)))
        return self._placements.setdefault(nodes, len(self._placements))

    def _columns_of(self, moment: Moment | None, counts: Mapping[str, int]) -> dict[str, Column]:
        if moment is None:
            self._columns = {}
            return {}
        ownerless = moment.ownerless or {}
        # A type of which all shards lost their owner is in no snapshot any more, and must not vanish for that.
        nothing: Mapping[int, ShardAllocation] = {}
        allocations = {**dict.fromkeys(ownerless, nothing), **moment.snapshot.shard_allocations}
        made = {
            name: self._column(name, allocations[name], counts.get(name), ownerless.get(name, 0))
            for name in sorted(allocations, key=natural)
        }
        self._columns = {name: (allocations[name], made[name]) for name in made}
        return {shown(name): column for name, column in made.items()}

    def _column(self, name: str, owned: Mapping[int, ShardAllocation], total: int | None, ownerless: int) -> Column:
        before = self._columns.get(name)
        if before is not None and before[0] is owned and (before[1].total, before[1].ownerless) == (total, ownerless):
            return before[1]
        placed = Placements(owned)
        numbers = np.array([self._placement(allocation) for allocation in placed.distinct], dtype=np.int64)
        fits = (placed.shards > -(2**31)) & (placed.shards < 2**31)
        ids, codes = placed.shards[fits], placed.codes[fits]
        return Column(ids, numbers[codes] if len(codes) else codes, total, int((~fits).sum()), ownerless)

    def _activity_of(self, facts: Facts, nodes: tuple[Node | None, ...], types: tuple[str, ...]) -> Activity:
        """Sum up the reports, once only: they are the same object until the nodes were asked again."""
        if not facts.reports:
            return NOTHING._replace(hint=printable(clipped(facts.activity_hint, 2 * LONGEST_NAME)))
        reports, shape, activity = self._told
        lanes = self._edition, tuple(node is not None for node in nodes), types
        if reports is not facts.reports or shape != lanes:

            def looks(names: list[str]) -> tuple[Look, ...]:
                return looks_of([*types, *names])[len(types) :]

            activity, self._active = activity_of(facts.reports, self._lane(nodes), looks, shown, self._active)
            self._told = facts.reports, lanes, activity
        return activity

    def _lane(self, nodes: tuple[Node | None, ...]) -> Callable[[NodeAddress], int | None]:
        def lane(address: NodeAddress) -> int | None:
            number = self._nodes.get(address)
            return None if number is None or nodes[number] is None else number

        return lane

    # --- nodes and banner ---------------------------------------------------------------------------------------------

    def _node(self, address: NodeAddress, member: Member | None, moment: Moment | None) -> Node:
        flagged, reach, view = False, None, None
        if moment is not None:
            flagged, reach, view = moment.flagged(address), moment.reach(address), moment.health.get(address)
        health = health_of(member, reach=reach, flagged=flagged)
        return Node(
            shown(str(address)),
            shown(member.id if member is not None else str(address)),
            member.status.name if member is not None else None,
            shown(", ".join(sorted(member.roles))) if member is not None else "",
            moment is not None and moment.snapshot.leader == address,
            flagged,
            reach,
            shown(view.reason) if view is not None else "",
            self._steady_rtt(address, view.rtt if view is not None else None),
            health.tone,
            health.words,
            opinions(member) if member is not None and member.disputed else "",
        )

    def _steady_rtt(self, address: NodeAddress, rtt: float | None) -> float | None:
        """The round trip to show: the same until it has halved or doubled, else each measurement would be a change to send."""
        if rtt is None:
            return None
        before = self._rtt.get(address)
        if before is None or not before / 2 < rtt < before * 2:
            before = self._rtt[address] = rtt
        return float(f"{before * 1000:.2g}")

    def _status_of(self, facts: Facts, nodes: tuple[Node | None, ...], kind: Kind) -> Status:
        reach = [node.reach for node in nodes if node is not None and node.status is not None]
        connection = (
            "recorded" if facts.recorded else
            "closed" if facts.closed else
            "lost" if reach and all(each is False for each in reach) else
            "live" if reach else
            "connecting"
        )  # fmt: skip
        same = self._status is not None and self._status.connection == connection
        since = self._status.since if self._status is not None and same else milliseconds(facts.time)
        stale = facts.age is not None and facts.age > STALE_AFTER
        words = (kind.placement, kind.placements, kind.service, kind.services)
        self._status = Status(
            shown(facts.label.name), shown(facts.label.system), connection, since, stale, words, kind.has_leader,
            kind.places_by_type, facts.colour or "", facts.read_only,
        )  # fmt: skip
        return self._status
