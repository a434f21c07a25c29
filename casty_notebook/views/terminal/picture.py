"""A cluster as text: the nodes with what is placed on them, what is wrong, what happened. For terminals, live or once."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.console import cells, fitting, in_cells
from casty_notebook.printable import printable
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.kinds import Kind
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import natural
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.snapshot import Member
from casty_notebook.views.event_runs import runs
from casty_notebook.views.event_words import EVENT_WORDS, by_of, is_bad_news, name_of_event
from casty_notebook.views.reprs.cards import CardFacts, card_lines, card_title
from casty_notebook.views.reprs.plain import clipped, many
from casty_notebook.views.theme import MARKS, health_of

if TYPE_CHECKING:
    from casty_notebook.views.cluster import Cluster

__all__ = [
    "SORTS", "NodeRow", "Picture", "Room", "cells_of", "event_lines", "headings_of", "picture_of", "problem_lines", "room_of",
    "sorted_nodes",
]  # fmt: skip

LONGEST_NAME = 40
LONGEST_TEXT = 60
"""Cells of an address, of roles, of what a problem is of."""
LONGEST_LINE = 1_000
MOST_TYPES = 4
"""Types with a column of their own."""
EVENTS = 200
LAST_EVENTS = 12
"""Of a picture that is printed once."""


class Room(NamedTuple):
    """How much a row may take: signs of the bar of the node that owns most, cells of a node's name and of a type's."""

    bar: int = 16
    name: int = LONGEST_NAME
    type: int = 20
    status: str = "cluster says"
    """Heading of what the cluster says."""


WIDE, NARROW = Room(), Room(5, 16, 10, "cluster")
"""In a terminal of 80 columns the longest words about a node, and what it owns, have to be seen beside its name."""
ROOMY = 100


def room_of(width: int) -> Room:
    """What rows may take in a terminal of so many columns."""
    return WIDE if width >= ROOMY else NARROW


class NodeRow(NamedTuple):
    """One member: the cluster's word (`status`) beside ours (`words`, `tone`)."""

    name: str
    address: str
    tone: str
    status: str
    words: str
    leader: bool
    roles: str
    owned: Mapping[str, int]
    services: int
    rtt: float | None
    key: str = ""
    """Its own among all rows: two addresses may be printed alike."""

    @property
    def total(self) -> int:
        return sum(self.owned.values())


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment; prints as text."""

    title: str
    lines: tuple[tuple[str, str], ...]
    kind: Kind
    nodes: tuple[NodeRow, ...]
    types: tuple[str, ...]
    problems: tuple[Problem, ...]
    events: tuple[TopologyEvent, ...]

    def __repr__(self) -> str:
        return fitting("\n".join(_text(self)))


def picture_of(cluster: Cluster) -> Picture:
    """Take the picture of what is known now; asks nobody."""
    card, moment = cluster.card(), cluster.latest_moment
    problems = () if cluster.closed else cluster.current_problems()
    nodes = () if moment is None else tuple(_nodes(replace(moment, health={}) if cluster.closed else moment))
    types = Counter[str]()
    for node in nodes if not card.kind.every_key_has_a_place else ():  # where a ring is all there is
        types.update(node.owned)
    return Picture(
        card_title(card), _lines(card), card.kind, nodes,
        tuple(sorted(types, key=natural)), problems, tuple(cluster.recent_events)[-EVENTS:],
    )  # fmt: skip


def _lines(card: CardFacts) -> tuple[tuple[str, str], ...]:
    return tuple((label, text) for label, text in card_lines(card) if label in ("state", "members", "shards"))


def _nodes(moment: Moment) -> Iterator[NodeRow]:
    owned: dict[NodeAddress, Counter[str]] = {}
    for name, column in moment.placements.items():
        for placement, count in column.counts():
            owned.setdefault(placement.primary, Counter())[printable(name)] += count
    services = Counter(entry.node for entry in moment.services)
    members: dict[NodeAddress, Member | None] = dict(moment.members)
    # An owner that is no member is one of the things to be seen.
    members.update(dict.fromkeys((address for address in owned if address not in members), None))
    for address, member in members.items():
        view = moment.health.get(address)
        judged = health_of(member, reach=moment.reach(address), flagged=moment.flagged(address))
        yield NodeRow(
            printable(str(address) if member is None else member.id), printable(str(address)), judged.tone,
            "no member" if member is None else member.status.name, printable(judged.words), address == moment.snapshot.leader,
            "" if member is None else printable(", ".join(sorted(member.roles))), owned.get(address, {}), services[address],
            # What was measured before it was lost is not how far away it is now.
            view.rtt * 1000 if view is not None and view.rtt is not None and view.reachable else None,
            ascii((address.host, address.port)),
        )  # fmt: skip


# --- order and words ------------------------------------------------------------------------------------------------------

SORTS = ("trouble", "name", "shards", "round trip")
_TROUBLE = {"bad": 0, "open": 1, "good": 2}


def sorted_nodes(nodes: Iterable[NodeRow], by: str = "trouble", *, backwards: bool = False, wanted: str = "") -> list[NodeRow]:
    """The nodes in order, those that have the `wanted` text in their name, address, state or roles."""
    text = wanted.casefold()
    keys = {
        "trouble": lambda node: (_TROUBLE[node.tone], natural(node.name)),
        "name": lambda node: natural(node.name),
        "shards": lambda node: (-node.total, natural(node.name)),
        "round trip": lambda node: (-(node.rtt or 0.0), natural(node.name)),
    }
    return sorted((node for node in nodes if text in _searched(node)), key=keys[by], reverse=backwards)


def _searched(node: NodeRow) -> str:
    leader = "leader" if node.leader else ""
    return " ".join((node.name, node.address, node.status, node.words, node.roles, leader)).casefold()


def headings_of(picture: Picture, room: Room = WIDE) -> list[str]:
    """The columns of the nodes' table: first what one looks for when there is trouble, last what may be long."""
    leads = picture.kind.has_leader
    leader, roles = ["leader"] * leads, ["roles"] * leads
    types = [in_cells(name, room.type) for name in picture.types[:MOST_TYPES]]
    others = ["others"] if len(picture.types) > MOST_TYPES else []
    placed, found = picture.kind.placements, picture.kind.services
    return ["node", room.status, "from here", placed, *leader, "ms", found, *types, *others, "address", *roles]


def cells_of(picture: Picture, node: NodeRow, room: Room = WIDE) -> list[str]:
    """What stands under the headings."""
    most = max((each.total for each in picture.nodes), default=0)
    bar = "█" * (-(-node.total * room.bar // most) if most else 0)
    leads = picture.kind.has_leader
    leader, roles = ["★" if node.leader else ""] * leads, [in_cells(node.roles, LONGEST_TEXT)] * leads
    shown = [node.owned.get(name, 0) for name in picture.types[:MOST_TYPES]]
    others = [node.total - sum(shown)] if len(picture.types) > MOST_TYPES else []
    return [
        f"{MARKS[node.tone]} {in_cells(node.name, room.name)}", node.status, node.words,
        f"{bar:<{room.bar}} {node.total:,}" if node.total else "", *leader,
        "" if node.rtt is None else f"{node.rtt:.1f}", f"{node.services:,}" if node.services else "",
        *(f"{count:,}" if count else "" for count in (*shown, *others)), in_cells(node.address, LONGEST_TEXT), *roles,
    ]  # fmt: skip


def problem_lines(problems: Sequence[Problem]) -> list[tuple[str, str, str]]:
    """Tone, what is wrong, and what to do."""
    return [
        ("bad" if each.severity == "bad" else "open", in_cells(_said(each), LONGEST_LINE), in_cells(each.remedy, LONGEST_LINE))
        for each in problems
    ]


def _said(each: Problem) -> str:
    return f"{in_cells(each.subject, LONGEST_TEXT)}: {each.text} (since {_clock(each.since)}, says {each.says})"


def event_lines(picture: Picture) -> list[tuple[str, str]]:
    """Tone and text of the events, the oldest first; times are in UTC."""
    return [_run_line(run, picture.kind) for run in runs(picture.events)]


def _run_line(run: tuple[TopologyEvent, ...], kind: Kind) -> tuple[str, str]:
    event, last = run[0], run[-1]
    words = EVENT_WORDS.get(event.kind)
    tone = "bad" if is_bad_news(event) else "" if words is None else words.tone
    by, what = by_of(event), name_of_event(event.kind, kind)
    change = " → ".join(filter(None, (event.before, event.after)))
    if len(run) > 1:
        what, change = f"{what}, {len(run):,} times", f"until {_clock(last.time)}"
    return tone, in_cells(clipped(f"{_clock(event.time)} {by:<7} {event.subject}: {what} ({change})", 300), LONGEST_LINE)


def _clock(time: datetime.datetime) -> str:
    return f"{time.astimezone(datetime.UTC):%H:%M:%S}"


# --- once -----------------------------------------------------------------------------------------------------------------


def _text(picture: Picture) -> Iterator[str]:
    yield picture.title
    yield from (f"  {label:<8}  {text}" for label, text in picture.lines)
    yield ""
    yield from _aligned([headings_of(picture), *(cells_of(picture, node) for node in sorted_nodes(picture.nodes))])
    if picture.problems:
        yield f"\n{many(len(picture.problems), 'problem')}"
        yield from (f"{MARKS[tone]} {what}\n    {remedy}" for tone, what, remedy in problem_lines(picture.problems))
    if picture.events:
        yield f"\nlast of {many(len(picture.events), 'event')} (UTC)"
        yield from (line for _, line in event_lines(picture)[-LAST_EVENTS:])


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell + " " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
