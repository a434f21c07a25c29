"""What a page asks the past for: which moments there are, and one of them at a time."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from casty_notebook.views.live.deltas import Packet, full
from casty_notebook.views.live.feed import Source
from casty_notebook.views.live.scene import SceneBuilder, milliseconds

__all__ = ["known_times", "past_moment"]

LATEST = 253_402_300_799_000
"""Milliseconds since 1970 of the last second that a time can name."""


def known_times(source: Source, after: int | None = None, before: int | None = None) -> list[int]:
    """When each moment was that can be asked for, oldest first: the first in milliseconds, then how much later each one is."""
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
    moment = source.at(_time(int(asked))) or (source.at(times[0]) if times else None)
    head: dict[str, Any] = {"kind": "past", "asked": asked, "oldest": milliseconds(times[0]) if times else None}
    if moment is None:
        return Packet(head, [])
    packet = full(SceneBuilder().build(moment), 0, ())
    return Packet({**head, "moment": packet.head}, packet.buffers)


def _time(milliseconds: int) -> datetime.datetime:
    """The end of what is that many milliseconds when it is rounded."""
    return datetime.datetime.fromtimestamp((milliseconds + 0.5) / 1000, datetime.UTC)
