"""What pages ask for: which moments there were, one of them at a time, where an entity is, a report to keep."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from casty_notebook.errors import CastyNotebookError
from casty_notebook.printable import printable
from casty_notebook.views.live.deltas import Packet, full
from casty_notebook.views.live.feed import Source
from casty_notebook.views.live.scene import SceneBuilder, milliseconds, shown

__all__ = ["known_times", "past_moment", "place_of", "report_for"]

LONGEST_TARGET = 300

LATEST = 253_402_300_799_000
"""Milliseconds since 1970 of the last second that a time can name."""


def known_times(source: Source, after: int | None = None, before: int | None = None) -> list[int]:
    """The times of all moments that can be asked for: the oldest in milliseconds, then each as the distance to the one before."""
    times = (milliseconds(time) for time in source.times(None if after is None else _time(after)))
    wanted = sorted({time for time in times if (after is None or time > after) and (before is None or time < before)})
    return [time - last for time, last in zip(wanted, [0, *wanted], strict=False)]


def past_moment(source: Source, asked: object) -> Packet:
    """All of the moment that was true at a time, or, where that is no longer known, of the first that is.

    The answer says what was asked, and since when moments are known.
    """
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 <= asked <= LATEST:
        return Packet({"kind": "past", "asked": None}, [])
    times: Sequence[datetime.datetime] = source.times()
    told = source.at(_time(int(asked))) or (source.at(times[0]) if times else None)
    head: dict[str, Any] = {"kind": "past", "asked": asked, "oldest": milliseconds(times[0]) if times else None}
    if told is None:
        return Packet(head, [])
    packet = full(SceneBuilder().build(told), 0, ())
    return Packet({**head, "moment": packet.head}, packet.buffers)


def place_of(source: Source, asked: object) -> Packet:
    """The placement that a target belongs to, by the name and the number that the map has for it; or why there is none."""
    target = str(asked)[:LONGEST_TARGET]
    head: dict[str, Any] = {"kind": "found", "target": asked if isinstance(asked, str) else None}
    try:
        where = source.where(target)
    except CastyNotebookError as error:
        return Packet({**head, "error": printable(str(error))}, [])
    if where.shard is None:
        return Packet({**head, "words": printable(repr(where).strip("<>"))}, [])
    # Placements that serve all types are drawn under one name.
    name = where.shard_type if where.kind.places_by_type else None
    drawn = source.current().moment
    known = [] if drawn is None else list(drawn.snapshot.shard_allocations)
    return Packet({**head, "type": shown(name or (known[0] if known else "")), "shard": where.shard}, [])


def report_for(source: Source, _asked: object) -> Packet:
    """All that is known as one page to be kept; or why there is none."""
    try:
        page = source.report()
    except CastyNotebookError as error:
        return Packet({"kind": "report", "error": printable(str(error))}, [])
    return Packet({"kind": "report"}, [page.encode()])


def _time(milliseconds: int) -> datetime.datetime:
    """The latest time that rounds to so many milliseconds: a moment that a page was told of must not lie behind it."""
    return datetime.datetime.fromtimestamp((milliseconds + 0.5) / 1000, datetime.UTC)
