"""What was seen of one target that is asked again and again: a bounded row of points. Time is given, never read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Point", "Series"]


@dataclass(frozen=True, slots=True)
class Point:
    """One ask: what came, or why nothing came.

    Attributes
    ----------
    time
        When the answer was there, or the failure.
    value
        The reply, or what was wanted of it, where it is a small plain value; else a short text of it. None for a failure.
    number
        The value as a number, where it is one.
    latency
        Seconds from asking to `time`.
    error
        Why there was no answer.
    """

    time: datetime
    value: Any
    number: float | None
    latency: float
    node: str | None
    error: str | None = None


class Series:
    """The last points of one target, oldest first.

    Attributes
    ----------
    asked, failed
        How often, since the beginning.
    reply
        The last reply, whole.
    before, changed_at
        The value before the last change, and when it changed; `changed_at` is None while it has not.
    """

    def __init__(self, target: str, keep: int) -> None:
        self.target = target
        self.asked = self.failed = 0
        self.reply: Any = None
        self.before: Any = None
        self.changed_at: datetime | None = None
        self._points: deque[Point] = deque(maxlen=keep)
        self._answered: Point | None = None

    def add(self, point: Point, reply: Any = None) -> None:
        """Take what became of one ask."""
        self.asked += 1
        self._points.append(point)
        if point.error is not None:
            self.failed += 1
            return
        last = self._answered
        if last is not None and _unlike(last.value, point.value):
            self.before, self.changed_at = last.value, point.time
        self._answered, self.reply = point, reply

    @property
    def points(self) -> Sequence[Point]:
        """All that are kept; a copy, to be taken from any thread."""
        return tuple(self._points)

    @property
    def latest(self) -> Point | None:
        """The last point, answered or not."""
        return self._points[-1] if self._points else None

    @property
    def answered(self) -> Point | None:
        """The last point that has a value."""
        return self._answered

    def since(self, asked: int) -> Sequence[Point]:
        """The points after the first so many asks, as far as they are kept."""
        new = self.asked - asked
        return self.points[-new:] if new > 0 else ()


def _unlike(one: Any, other: Any) -> bool:
    """Whether two values look different. By ``==`` NaN would differ from itself, and 1 would be the same as True."""
    return type(one) is not type(other) or repr(one) != repr(other)
