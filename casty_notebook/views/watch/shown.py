"""What a watch shows: a reply made small, and the whole as rows for its view, as text, and as HTML for saved notebooks."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from casty_notebook.client.watched import Point, Series
from casty_notebook.errors import MisuseError
from casty_notebook.printable import printable
from casty_notebook.values.fields import fields_of
from casty_notebook.views.reprs.html import Markup, element, fragment, state, table
from casty_notebook.views.reprs.plain import age, brief, clipped, many
from casty_notebook.views.theme import BAD, COLOURS

__all__ = ["reader", "sparkline_svg", "spoken", "watch_html", "watch_text"]

LONGEST = 200
"""Characters of a value: thousands of them are kept."""
WIDEST = 1 << 63
"""Whole numbers beyond it are kept as text: a number may have millions of digits."""
BARS, LOST, OTHER = "▁▂▃▄▅▆▇█", "×", "·"
BAR_CELLS = 40
_PLAIN = (bool, int, float, str, type(None), decimal.Decimal, datetime.datetime, datetime.date, datetime.timedelta)


def reader(field: str | None) -> Callable[[Any], tuple[Any, float | None]]:
    """Return a function that turns a reply into what is kept of it, and the number that is drawn.

    Parameters
    ----------
    field
        A field of the reply, or of a field of it (``"stats.count"``); None: the reply itself.
    """
    path = field.split(".") if field is not None else []
    if not all(path):
        raise MisuseError(f"field must be a name like count or stats.count, not {field!r}")

    def read(reply: Any) -> tuple[Any, float | None]:
        for name in path:
            fields = fields_of(reply)
            if fields is None or name not in fields:
                known = ", ".join(fields) if fields else "none"
                raise MisuseError(
                    f"the reply {clipped(brief(reply), LONGEST)} has no field {name!r}; its fields: {clipped(known)}"
                )
            reply = fields[name]
        return _kept(reply), _number(reply)

    return read


def _kept(value: Any) -> Any:
    """The value where it is small and plain, else a short text of it."""
    if type(value) is str:
        return value if len(value) <= LONGEST else clipped(value, LONGEST)
    if type(value) is int:
        return value if abs(value) < WIDEST else clipped(brief(value), LONGEST)
    if type(value) in _PLAIN:
        return value
    if isinstance(value, enum.Enum):
        return value.name
    return clipped(brief(value), LONGEST)


def _number(value: Any) -> float | None:
    """What is drawn: truth values as 0 and 1; nothing for what is no number, or none that can be drawn."""
    if not isinstance(value, numbers.Real | decimal.Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def spoken(value: Any) -> str:
    """A kept value as people read it; a text without its quotes."""
    if type(value) is int:
        return f"{value:,}"
    return clipped(printable(value) if isinstance(value, str) else brief(value), LONGEST)


# --- text -------------------------------------------------------------------------------------------------------------


def watch_text(title: str, series: Sequence[Series], now: datetime.datetime) -> str:
    """A line for the whole, and one for each target."""
    width = min(40, max((len(printable(each.target)) for each in series), default=0))
    return "\n".join([title, *(f"  {printable(each.target):<{width}}  {_line(each, now)}" for each in series)])


def _line(series: Series, now: datetime.datetime) -> str:
    latest, answered = series.latest, series.answered
    if latest is None:
        return "no answer yet"
    parts = [] if answered is None else [f"{spoken(answered.value):<8}", _bars(series.points)]
    parts.append(f"{clipped(latest.error, 120)}" if latest.error is not None else changed(series, now))
    return "  ".join(parts)


def changed(series: Series, now: datetime.datetime) -> str:
    """When the value last changed, and from what."""
    if series.changed_at is None:
        return f"unchanged in {many(series.asked - series.failed, 'answer')}"
    return f"changed {age(max(0.0, (now - series.changed_at).total_seconds()))} ago, from {spoken(series.before)}"


def _bars(points: Sequence[Point]) -> str:
    """The last values as bars between the least and the largest of them; failures as crosses."""
    shown = points[-BAR_CELLS:]
    values = [point.number for point in shown if point.number is not None]
    if not values:
        return "".join(LOST if point.error is not None else OTHER for point in shown)
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def bar(point: Point) -> str:
        if point.number is None:
            return LOST if point.error is not None else OTHER
        return BARS[min(len(BARS) - 1, int((point.number - low) / span * len(BARS)))]

    return "".join(map(bar, shown))


# --- HTML -------------------------------------------------------------------------------------------------------------


def watch_html(title: str, series: Sequence[Series], now: datetime.datetime) -> str:
    """A table with a row for each target, and the line of its numbers drawn."""
    rows = ((each.target, _value(each), sparkline_svg(each.points), _said(each, now)) for each in series)
    when = element("p", f"as it was at {now:%Y-%m-%d %H:%M:%S} UTC", class_="casty-faint")
    return fragment(table(title, ("target", "value", "", ""), rows, len(series)), when)


def _value(series: Series) -> Markup:
    return element("strong", "–" if series.answered is None else spoken(series.answered.value))


def _said(series: Series, now: datetime.datetime) -> Markup:
    latest = series.latest
    if latest is None:
        return element("span", "no answer yet", class_="casty-faint")
    return state("bad", latest.error) if latest.error is not None else element("span", changed(series, now))


def sparkline_svg(points: Sequence[Point], width: int = 240, height: int = 28) -> Markup:
    """The numbers as a line over time, broken where there was none; failures as ticks below."""
    if not points:
        return Markup("")
    start, end = points[0].time, points[-1].time
    long = (end - start).total_seconds() or 1.0
    values = [point.number for point in points if point.number is not None]
    low, span = (min(values), (max(values) - min(values)) or 1.0) if values else (0.0, 1.0)

    def at(point: Point) -> float:
        return 2 + (point.time - start).total_seconds() / long * (width - 4)

    lines: list[str] = []
    pen = "M"
    for point in points:
        if point.number is None:
            pen = "M"
            continue
        lines.append(f"{pen}{at(point):.1f} {height - 6 - (point.number - low) / span * (height - 10):.1f}")
        pen = "L"
    lost = "".join(f"M{at(point):.1f} {height - 4}v4" for point in points if point.error is not None)
    drawn = _paths((("".join(lines), COLOURS[0]), (lost, BAD)))
    return element("svg", *drawn, viewBox=f"0 0 {width} {height}", width=str(width), height=str(height), aria_hidden="true")


def _paths(paths: Iterable[tuple[str, str]]) -> list[Markup]:
    look = {"fill": "none", "stroke_width": "1.5", "stroke_linecap": "round"}
    return [element("path", d=path, stroke=colour, **look) for path, colour in paths if path]
