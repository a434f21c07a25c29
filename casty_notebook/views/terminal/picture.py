"""A cluster as text: the nodes with what is placed on them, what is wrong, what happened. For terminals, live or once."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
    "SORTS", "NodeRow", "Picture", "cells_of", "event_lines", "fitted", "headings_of", "picture_of", "problem_lines",
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


WIDE, NARROW, BARE = Room(), Room(5, 16, 10, "cluster"), Room(0, 16, 10, "cluster")
"""In a terminal of 80 columns the longest words about a node, and what it owns, have to be seen beside its name."""
ROOMY = 100
FIRST = 5
"""Columns that are to be seen before all others: name, the cluster's word, ours, what is placed there, address."""
BETWEEN = 2
"""Cells around a column."""
SHORTEST_ADDRESS, SHORTEST_WORDS = 9, 12
STEADY = 6
"""Cells of a column of figures, so that not every other one draws all columns anew."""


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


@dataclass(frozen=True)
class Picture:
    """One moment; prints as text."""

    title: str
    lines: tuple[tuple[str, str], ...]
    kind: Kind
    nodes: tuple[NodeRow, ...]
    types: tuple[str, ...]
    problems: tuple[Problem, ...]
    events: tuple[TopologyEvent, ...]

    @cached_property
    def most(self) -> int:
        """What the node that owns most owns: its bar is the longest."""
        return max((node.total for node in self.nodes), default=0)

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
    bar = "█" * (-(-node.total * room.bar // picture.most) if picture.most else 0)
    leads = picture.kind.has_leader
    leader, roles = ["★" if node.leader else ""] * leads, [in_cells(node.roles, LONGEST_TEXT)] * leads
    shown = [node.owned.get(name, 0) for name in picture.types[:MOST_TYPES]]
    others = [node.total - sum(shown)] if len(picture.types) > MOST_TYPES else []
    return [
        f"{MARKS[node.tone]} {in_cells(node.name, room.name)}", node.status, node.words,
        f"{bar:<{room.bar}} {node.total:,}".lstrip() if node.total else "", *leader,
        "" if node.rtt is None else f"{node.rtt:.1f}", f"{node.services:,}" if node.services else "",
        *(f"{count:,}" if count else "" for count in (*shown, *others)), in_cells(node.address, LONGEST_TEXT), *roles,
    ]  # fmt: skip


def fitted(picture: Picture, nodes: Sequence[NodeRow], width: int) -> tuple[list[str], list[list[str]]]:
    """Headings and rows for a table of so many cells, which may be moved sideways: no column is cut by its edge.

    First stands what one looks for when there is trouble. Where that has no room, bars go, then the address loses the middle
    of its host, the cluster's word (ours says where it differs) and what is placed there move beyond the edge, and last our
    words lose their middle.
    """
    for room in (WIDE, NARROW, BARE) if width >= ROOMY else (NARROW, BARE):
        columns = _columns(picture, nodes, room)
        if _width(columns[:FIRST]) <= width:
            break
    else:
        columns = _squeezed(columns[:FIRST], width) + columns[FIRST:]
    seen = len(columns)
    while seen > 1 and _width(columns[:seen]) > width:
        seen -= 1
    if seen < len(columns):  # the next one begins where the edge is
        last = columns[seen - 1]
        space = width - _width(columns[: seen - 1]) - BETWEEN
        last[0] += " " * (space - cells(last[0]))
    return [column[0] for column in columns], [list(row) for row in zip(*(column[1:] for column in columns), strict=True)]


def _columns(picture: Picture, nodes: Sequence[NodeRow], room: Room) -> list[list[str]]:
    """Each with its heading; the address behind the four before it."""
    rows = [headings_of(picture, room), *(cells_of(picture, node, room) for node in nodes)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns.insert(FIRST - 1, columns.pop(-1 - picture.kind.has_leader))
    for column in columns[FIRST:]:
        column[0] = f"{column[0]:<{STEADY}}"
    return columns


def _squeezed(first: list[list[str]], width: int) -> list[list[str]]:
    """Those that there is room for, then those that there is none for."""
    name, status, words, placed, address = first
    kept: list[list[str]] = [name, status, words, placed]
    beyond: list[list[str]] = []
    while (left := width - _width(kept) - BETWEEN) < SHORTEST_ADDRESS and len(kept) > len((name, words)):
        beyond.append(kept.pop(1 if kept[1] is status else -1))
    if left < SHORTEST_ADDRESS:
        most = max(SHORTEST_WORDS, width - _width([name]) - BETWEEN - SHORTEST_ADDRESS - BETWEEN)
        kept, left = [name, [words[0], *(in_cells(cell, most) for cell in words[1:])]], SHORTEST_ADDRESS
    return [*kept, [address[0], *_addresses_in(address[1:], left)], *beyond]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(cells, column)) + BETWEEN for column in columns)


def _addresses_in(addresses: Sequence[str], most: int) -> list[str]:
    """Return them in so many cells, with their ports; of a longer host what is not the same in all of them stays."""
    if all(cells(address) <= most for address in addresses):
        return list(addresses)
    hosts, ports = zip(*((host, port) for host, _, port in (address.rpartition(":") for address in addresses)), strict=True)
    begin = _alike(hosts)
    end = min(_alike([host[::-1] for host in hosts]), min(map(len, hosts)) - begin)
    return [f"{_host_in(host, most - len(port) - 1, begin, end)}:{port}" for host, port in zip(hosts, ports, strict=True)]


def _alike(texts: Sequence[str]) -> int:
    """How many signs all begin with."""
    pairs = zip(min(texts), max(texts), strict=False)
    return next((n for n, (first, last) in enumerate(pairs) if first != last), min(map(len, texts)))


def _host_in(host: str, most: int, begin: int, end: int) -> str:
    """What is its own, from `begin` to `end` before the last sign, and as much of what stands before as there is room for."""
    own = host[begin : len(host) - end]
    if not own or cells(host) <= most:
        return in_cells(host, most)
    behind = "…" if end and cells(own) + (begin > 0) < most else ""
    left, before = most - cells(own + behind), host[:begin]
    if cells(before) > left:
        while before and cells(before) >= left:
            before = before[1:]
        before = "…" * (left > 0) + before
    return in_cells(f"{before}{own}{behind}", most)


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
