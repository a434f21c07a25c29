"""What is sent to the front end: a scene in full, or what differs from the one before. Names as JSON, shards as bytes.

Read in ``static/state.js``. A shard costs 4 bytes of id and 1, 2 or 4 of placement in a delta, 1, 2 or 4 in full.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from casty_notebook.topology.events import TopologyEvent
from casty_notebook.views.event_words import EVENT_WORDS, EventWords
from casty_notebook.views.live.activity_scene import activity_change, activity_whole
from casty_notebook.views.live.scene import Array, Column, Node, Scene, milliseconds, shown

__all__ = ["EventRow", "Packet", "Story", "delta", "event_row", "full", "reach_events"]

MOST_PAST = 2_000
MOST_PAST_BYTES = 8_000_000
"""Moments, and bytes of them, that a page is given when it opens."""

type EventRow = tuple[int, str, str, str, str, str]
"""Time in milliseconds since 1970, kind, subject, before, after, who says so where that is known."""


class Packet(NamedTuple):
    """JSON and the bytes that it speaks of, in order."""

    head: dict[str, Any]
    buffers: list[bytes]

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(json.dumps(self.head).encode()) + sum(map(len, self.buffers))


def full(scene: Scene, sequence: int, events: Sequence[EventRow], untold: int = 0) -> Packet:
    """All of a scene, with the last events; `untold` is how many went before those."""
    buffers: list[bytes] = []
    types = [_whole(name, column, len(scene.placements), buffers) for name, column in scene.columns.items()]
    head = {
        **_frame("full", scene, sequence, events),
        "status": scene.status._asdict(),
        "epoch": scene.epoch,
        "nodes": scene.nodes,
        "placements": scene.placements,
        "types": types,
        "services": sorted(scene.services),
        "looks": scene.looks,
        "problems": scene.problems,
        "activity": activity_whole(scene.activity),
        "kinds": _kinds(scene),
        "untold": untold,
    }
    return Packet(head, buffers)


def _kinds(scene: Scene) -> dict[str, EventWords]:
    """What kinds of events are called, in the words of this kind of cluster."""
    _, placements, *_ = scene.status.words
    return {kind: words._replace(words=words.words.replace("shards", placements)) for kind, words in EVENT_WORDS.items()}


def delta(before: Scene, after: Scene, sequence: int, events: Sequence[EventRow]) -> Packet | None:
    """What `after` has that `before` had not; None if nothing that is shown differs and nothing happened.

    Scenes of different editions have no difference: send `full`.
    """
    buffers: list[bytes] = []
    parts: dict[str, Any] = {}
    if before.status != after.status:
        parts["status"] = after.status._asdict()
    if before.epoch != after.epoch:
        parts["epoch"] = after.epoch
    if before.nodes != after.nodes:
        parts["nodes"] = list(_changed_nodes(before.nodes, after.nodes))
    if before.placements != after.placements:
        parts["placements"] = after.placements[len(before.placements) :]
    if before.services != after.services:
        parts["services"] = {
            "gone": sorted(before.services - after.services), "new": sorted(after.services - before.services)
        }  # fmt: skip
    if before.looks != after.looks:
        parts["looks"] = after.looks
    if before.problems != after.problems:
        parts["problems"] = after.problems
    if before.activity != after.activity:
        parts["activity"] = activity_change(before.activity, after.activity)
    if types := list(_changed_types(before, after, buffers)):
        parts["types"] = types
    if not parts.keys() - {"epoch"} and not events:
        return None  # An epoch by itself is nothing to look at, and rides along with the next change.
    return Packet({**_frame("delta", after, sequence, events), **parts}, buffers)


class Story:
    """The packets of a past: one in full, then what changed.

    When there are more than a page can hold, all are dropped and the story begins anew, in full. Each packet says how many were
    dropped before it (``forgotten``).
    """

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.sequence = 0
        self._last: Scene | None = None
        self._forgotten = self._size = 0

    def add(self, scene: Scene) -> None:
        if self._size > MOST_PAST_BYTES or len(self.packets) >= MOST_PAST:
            self._forgotten += len(self.packets)
            self.packets, self._size, self._last = [], 0, None
        if self._last is None or self._last.edition != scene.edition:
            packet: Packet | None = full(scene, self.sequence + 1, ())
        else:
            packet = delta(self._last, scene, self.sequence + 1, ())
        if packet is None:
            return
        packet.head["forgotten"] = self._forgotten
        self.sequence, self._last, self._size = self.sequence + 1, scene, self._size + packet.size
        self.packets.append(packet)


def _frame(kind: str, scene: Scene, sequence: int, events: Sequence[EventRow]) -> dict[str, Any]:
    return {
        "kind": kind, "edition": scene.edition, "sequence": sequence, "time": scene.time, "age": scene.age,
        "events": _texts_once(events, scene.time),
    }  # fmt: skip


def _changed_nodes(before: tuple[Node | None, ...], after: tuple[Node | None, ...]) -> Iterator[tuple[int, Node | None]]:
    for number, node in enumerate(after):
        if number >= len(before) or before[number] != node:
            yield number, node


# --- shards -----------------------------------------------------------------------------------------------------------


def _whole(name: str, column: Column, placements: int, buffers: list[bytes]) -> dict[str, Any]:
    """A type with all its shards; ids that have no gaps are given by the first."""
    ids, width = column.ids, _width(placements)
    dense = len(ids) == 0 or int(ids[-1]) - int(ids[0]) + 1 == len(ids)
    if not dense:
        buffers.append(ids.astype("<i4").tobytes())
    buffers.append(column.codes.astype(f"<u{width}").tobytes())
    first = (int(ids[0]) if len(ids) else 0) if dense else None
    return {**_about(name, column), "whole": True, "count": len(ids), "first": first, "width": width}


def _about(name: str, column: Column) -> dict[str, Any]:
    return {"name": name, "total": column.total, "odd": column.odd, "ownerless": column.ownerless}


def _changed_types(before: Scene, after: Scene, buffers: list[bytes]) -> Iterator[dict[str, Any]]:
    for name in before.columns.keys() - after.columns.keys():
        yield {"name": name, "gone": True}
    for name, column in after.columns.items():
        old = before.columns.get(name)
        if old is None:
            yield _whole(name, column, len(after.placements), buffers)
        elif old is not column:
            ids, codes = _changed_shards(old, column)
            if 2 * len(ids) > len(column.ids):
                yield _whole(name, column, len(after.placements), buffers)
            elif len(ids) or _about(name, old) != _about(name, column):
                width = _width(len(after.placements))
                gone = 256**width - 1
                buffers.append(ids.astype("<i4").tobytes())
                buffers.append(np.where(codes < 0, gone, codes).astype(f"<u{width}").tobytes())
                yield {**_about(name, column), "count": len(ids), "width": width}


def _changed_shards(old: Column, new: Column) -> tuple[Array, Array]:
    """Ids and placements of the shards that differ; placement -1 for those that are no longer listed."""
    if len(old.ids) == len(new.ids) and (old.ids == new.ids).all():
        at = np.flatnonzero(old.codes != new.codes)
        return new.ids[at], new.codes[at]
    place = np.searchsorted(old.ids, new.ids)
    there = np.zeros(len(new.ids), dtype=bool)
    inside = place < len(old.ids)
    there[inside] = old.ids[place[inside]] == new.ids[inside]
    same = there.copy()
    same[there] = old.codes[place[there]] == new.codes[there]
    gone = np.setdiff1d(old.ids, new.ids, assume_unique=True)
    return np.concatenate([new.ids[~same], gone]), np.concatenate([new.codes[~same], np.full(len(gone), -1)])


def _width(placements: int) -> int:
    """Bytes of a placement's number. The highest number of each width means none."""
    return 1 if placements < 255 else 2 if placements < 65_535 else 4


# --- events -----------------------------------------------------------------------------------------------------------


def _texts_once(events: Sequence[EventRow], time: int) -> dict[str, list[Any]]:
    """Rows with the places of their texts, and how long before `time` they were: a hundred moved shards are 5 KB, not 12.

    Texts that name shards are all different: "1 shard on node-3 (4711)". So the end that `before` and `after` have in common is
    a text of its own, the row's last. Who says so is sent with the number of successive rows that it holds for, mostly all.
    """
    places: dict[str, int] = {}
    rows = []
    for at, kind, subject, before, after, _ in events:
        end = _named(before, after)
        without = [text.removesuffix(end) for text in (before, after)]
        texts = (kind, subject, *without, end) if end else (kind, subject, *without)
        rows.append([time - at, *(places.setdefault(text, len(places)) for text in texts)])
    says = [[text, sum(1 for _ in alike)] for text, alike in groupby(row[-1] for row in events)]
    return {"texts": list(places), "rows": rows, "says": says}


def _named(before: str, after: str) -> str:
    """The text in brackets that both end in; if one of them is empty, the one that the other ends in."""
    start = (after or before).rfind(" (")
    end = (after or before)[start:] if start > 0 else ""
    alike = all(text.endswith(end) and text != end for text in (before, after) if text)  # an empty text is one without brackets
    return end if end.endswith(")") and alike else ""


def event_row(event: TopologyEvent) -> EventRow:
    """One of the cluster's own events."""
    words = map(shown, (event.subject, event.before, event.after, event.says))
    return milliseconds(event.time), event.kind, *words  # type: ignore[return-value]


def reach_events(before: Scene, after: Scene) -> Iterable[EventRow]:
    """What our own connections say of the nodes, which the cluster may never say (PROTOCOL section 6.5)."""
    if before.edition != after.edition:
        return
    for old, new in zip(before.nodes, after.nodes, strict=False):
        if old is None or new is None or old.reach == new.reach or new.reach is None:
            continue
        if new.reach:
            if old.reach is False:
                yield after.time, "reached_again", new.name, "not reachable from here", "reachable from here", ""
        else:
            why = f"not reachable from here: {new.reason}".rstrip(": ")
            yield after.time, "lost", new.name, "reachable from here", why, ""
