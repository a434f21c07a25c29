"""The map as it is at one moment, drawn as SVG: for exports, GitHub and every page without widgets."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from casty_notebook.topology.names import natural
from casty_notebook.views.facts import Shown
from casty_notebook.views.live.activity_scene import DEEP, Activity
from casty_notebook.views.live.scene import Node, Scene, SceneBuilder
from casty_notebook.views.reprs.html import PLACE, Markup, element
from casty_notebook.views.reprs.plain import few, many
from casty_notebook.views.theme import BAD, MARKS

__all__ = ["map_html", "topology_svg"]

WIDTH, LABELS, LANE, CELL, GAP = 760, 200, 40, 9, 2
MOST_LANES = 60
MOST_CELLS = 2_000
"""Beyond that the shards of a type are one bar: the drawing is kept in the notebook's file."""

TEXT = "fill:currentColor;font:12px system-ui,sans-serif"

type Owned = Mapping[int, Mapping[str, int]]


def map_html(shown: Shown) -> str:
    """A figure with the map of a moment; nothing if there was none yet."""
    if shown.moment is None:
        return ""
    return str(element("div", topology_svg(SceneBuilder().build(shown)), class_=PLACE))


def topology_svg(scene: Scene) -> Markup:
    """Nodes as lanes, their shards by type, leader, services and trouble in words."""
    nodes = sorted(
        ((number, node) for number, node in enumerate(scene.nodes) if node is not None),
        key=lambda item: (natural(item[1].name), item[1].address),
    )
    owned = _owned(scene)
    looks = {look.name: (look.letter, look.colour) for look in scene.looks}
    cells = sum(sum(counts.values()) for counts in owned.values()) <= MOST_CELLS
    largest = max((sum(counts.values()) for counts in owned.values()), default=0)
    parts: list[Markup] = [element("title", f"Map of {scene.status.name}: {many(len(nodes), 'node')}")]
    top = 4
    for number, node in nodes[:MOST_LANES]:
        counts = owned.get(number, {})
        body, height = _cells(counts, looks, top) if cells else _bars(counts, looks, top, largest)
        drawn, dots = _dots(scene.activity, number, top + height - 4)
        body, height = [*body, *drawn], height + dots
        height = max(height, LANE + (0 if node.health == "good" else 16 * len(_lines_of(node.words))))
        # Types of a virtual cluster are met by all members before long, and say nothing of one.
        named = scene.services if scene.status.leads else ()
        services = sorted({service for service, where, _ in named if where == number}, key=natural)
        held = many(sum(counts.values()), *scene.status.words[:2])
        parts += [*_label(node, held, services, top, height), _faded(node, body)]
        top += height
    for line in _notes(scene, looks, len(nodes)):
        top += 18
        parts.append(_words(8, top, line))
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {top + 10}", width=str(WIDTH), role="img", style="max-width:100%")


def _owned(scene: Scene) -> Owned:
    owned: dict[int, dict[str, int]] = {}
    for name, column in scene.columns.items():
        for code in column.codes.tolist():
            counts = owned.setdefault(scene.placements[code][0], {})
            counts[name] = counts.get(name, 0) + 1
    return owned


def _words(x: int, y: int, text: str, colour: str = "", weight: str = "") -> Markup:
    style = TEXT + (f";fill:{colour}" if colour else "") + (f";font-weight:{weight}" if weight else "")
    return element("text", text, x=str(x), y=str(y), style=style)


def _label(node: Node, held: str, services: Sequence[str], top: int, height: int) -> Iterator[Markup]:
    bad = node.health == "bad"
    name = f"{MARKS[node.health]} {node.name[:18]}{' ★ leader' if node.leader else ''}"
    yield _words(8, top + 16, name, BAD if bad else "", "600")
    if services:
        held = f"{held} · {few(services, 1)}"[:34]
    yield _words(8, top + 32, held)
    if node.health != "good":  # Never cut: "reachable, but …" by itself would say the opposite.
        for place, line in enumerate(_lines_of(node.words)):
            yield _words(8, top + 48 + 16 * place, line, BAD if bad else "")
    line = f"M0 {top + height}h{WIDTH}"
    yield element("path", d=line, stroke="currentColor", stroke_opacity="0.2")


def _lines_of(words: str) -> list[str]:
    return textwrap.wrap(words, 32)


def _faded(node: Node, body: Sequence[Markup]) -> Markup:
    bad = node.health == "bad"
    look = {"opacity": "0.35", "stroke": BAD} if bad else {}
    return element("g", *body, **look)


def _cells(counts: Mapping[str, int], looks: Mapping[str, tuple[str, str]], top: int) -> tuple[list[Markup], int]:
    """One path for all cells of a type on a node."""
    step = CELL + GAP
    columns = (WIDTH - LABELS) // step
    parts, place = [], 0
    for name, count in counts.items():
        letter, colour = looks[name]
        if place % columns > columns - 3:
            place += columns - place % columns
        corners = [(LABELS + at % columns * step, top + 8 + at // columns * step) for at in range(place, place + count + 1)]
        x, y = corners[0]
        parts.append(_words(x, y + 9, letter))
        path = "".join(f"M{x} {y}h{CELL}v{CELL}h-{CELL}z" for x, y in corners[1:])
        parts.append(element("path", element("title", f"{name}: {many(count, 'shard')}"), d=path, fill=colour))
        place += count + 2
    return parts, -(-place // columns) * step + 16


def _bars(counts: Mapping[str, int], looks: Mapping[str, tuple[str, str]], top: int, largest: int) -> tuple[list[Markup], int]:
    parts: list[Markup] = []
    left = LABELS
    for name, count in counts.items():
        letter, colour = looks[name]
        width = max(1, round(count / largest * (WIDTH - LABELS - 16)))
        title = element("title", f"{name}: {many(count, 'shard')}")
        parts.append(element("rect", title, x=str(left), y=str(top + 10), width=str(width), height="20", fill=colour))
        if width > 16:
            parts.append(_words(left + 4, top + 24, letter))
        left += width + 1
    return parts, LANE


def _dots(activity: Activity, number: int, top: int) -> tuple[list[Markup], int]:
    """Active keys by type, a dot for so many of them, and what waits in their mailboxes."""
    parts: list[Markup] = []
    left, row = LABELS, 0
    for place, active, queued, deepest in activity.rows.get(number, ()):
        look = activity.looks[place]
        dots = -(-active // activity.per)
        deep = deepest >= DEEP
        words = f"{active:,}" + (f" · {deepest:,} deep" if deep else f" · {queued:,} waiting" if queued else "")
        width = 16 + 8 * dots + 7 * len(words) + 14
        if left > LABELS and left + width > WIDTH:
            left, row = LABELS, row + 1
        y = top + 8 + 16 * row
        parts.append(_words(left, y + 4, look.letter))
        # One line of round dashes: a dot is no element of its own.
        waiting = f"{many(queued, 'message')} waiting, {deepest:,} in the deepest mailbox"
        title = element("title", f"{look.name}: {many(active, 'active key')}, {waiting}")
        parts.append(element("path", title, d=f"M{left + 18} {y}h{max(0, 8 * dots - 7)}", stroke=look.colour, stroke_width="6",
                             stroke_linecap="round", stroke_dasharray="0 8", fill="none"))  # fmt: skip
        parts.append(_words(left + 18 + 8 * dots, y + 4, words, weight="600" if deep else ""))
        left += width
    return parts, 16 * (row + 1) if parts else 0


def _notes(scene: Scene, looks: Mapping[str, tuple[str, str]], nodes: int) -> Iterator[str]:
    legend = (f"{letter} {name} ({_count(scene, name)})" for name, (letter, _) in looks.items())
    yield few(legend, 6) if looks else f"no {scene.status.words[1]} listed"
    if scene.activity.looks:
        living = {place for rows in scene.activity.rows.values() for place, *_ in rows}
        keys = few((f"{look.letter} {look.name}" for place, look in enumerate(scene.activity.looks) if place in living), 8)
        each = f"; {scene.activity.per:,} a dot" if scene.activity.per > 1 else ""
        yield from textwrap.wrap(f"dots: active keys of {keys}{each}", 110)
    if nodes > MOST_LANES:
        yield f"{MOST_LANES:,} of {nodes:,} nodes shown"
    yield f"as it was at {_date(scene.time)}"


def _count(scene: Scene, name: str) -> str:
    column = scene.columns[name]
    without = f", {column.ownerless:,} without an owner" if column.ownerless else ""
    return many(len(column.ids), *scene.status.words[:2]) + without


def _date(time: int) -> str:
    return f"{datetime.datetime.fromtimestamp(time / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
