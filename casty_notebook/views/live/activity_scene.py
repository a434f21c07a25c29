"""What the nodes are at, as a live view draws it: how many keys of each type are active on each, and how deep mailboxes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.topology.names import natural
from casty_notebook.topology.node_report import NodeReport, short_of
from casty_notebook.views.theme import Look

__all__ = ["DEEP", "NOTHING", "Activity", "activity_change", "activity_of", "activity_whole"]

MOST_TYPES = 12
"""Types with a look of their own: those with the most active keys and waiting messages. All others are one."""
MOST_DOTS = 10
"""Dots of one type on one node; where there are more keys, each dot stands for several."""
DEEP = 10
"""Messages from which on a mailbox stands out: one that is sent now waits for so many others."""
OTHERS = "other types"

type Row = tuple[int, int, int, int]
"""Place of a type among the looks, active keys, messages in their mailboxes, and in the deepest of them."""
type Rows = Mapping[int, tuple[Row, ...]]


class Activity(NamedTuple):
    """By a node's number. `per` is how many keys a dot stands for, `hint` a line on how to get all this where it is not told."""

    hint: str
    looks: tuple[Look, ...]
    per: int
    rows: Rows


NOTHING = Activity("", (), 1, {})


def activity_of(
    reports: Mapping[NodeAddress, NodeReport], number: Callable[[NodeAddress], int | None],
    looks_of: Callable[[list[str]], tuple[Look, ...]], shown: Callable[[str], str], before: Sequence[str] = (),
) -> tuple[Activity, tuple[str, ...]]:  # fmt: skip
    """What the reports come to, within bounds; and the types that have a look, in their order.

    Parameters
    ----------
    number
        The number of a node that has a lane; None for any other.
    looks_of
        How types are drawn.
    shown
        Makes a name fit to be sent and shown.
    before
        The types that had a look: they keep it while there is room, so that no colour changes under the reader's eyes.
    """
    weight: Counter[str] = Counter()
    for report in reports.values():
        for load in report.loads:
            weight[load.actor] += load.active + load.queued
    heaviest = [actor for actor, count in weight.most_common(MOST_TYPES) if count]
    new = sorted(set(heaviest) - set(before), key=natural)
    actors = (*before, *new) if len(before) + len(new) <= MOST_TYPES else tuple(sorted(heaviest, key=natural))
    others = any(count and actor not in actors for actor, count in weight.items())
    short = Counter(map(short_of, actors))
    places = {actor: place for place, actor in enumerate(actors)}
    looks = looks_of([shown(short_of(each) if short[short_of(each)] == 1 else each) for each in actors] + [OTHERS] * others)
    rows = {
        place: _rows_of(report, places) for address, report in reports.items() if (place := number(address)) is not None
    }
    most = max((active for each in rows.values() for _, active, _, _ in each), default=0)
    return Activity("", looks, _per_dot(most), rows), actors


def _rows_of(report: NodeReport, places: Mapping[str, int]) -> tuple[Row, ...]:
    sums: dict[int, Row] = {}
    for load in report.loads:
        if load.active or load.queued:
            place = places.get(load.actor, len(places))
            _, active, queued, deepest = sums.get(place, (place, 0, 0, 0))
            sums[place] = place, active + load.active, queued + load.queued, max(deepest, load.deepest)
    return tuple(sums[place] for place in sorted(sums))


def _per_dot(most: int) -> int:
    """How many keys a dot stands for: the first of 1, 2, 5, 10, 20 … with which `most` keys are at most `MOST_DOTS` dots.

    Examples
    --------
    >>> [_per_dot(most) for most in (0, 10, 11, 41, 1_000, 1_001)]
    [1, 1, 2, 5, 100, 200]
    """
    scale = 1
    while True:
        for step in (1, 2, 5):
            if most <= MOST_DOTS * scale * step:
                return scale * step
        scale *= 10


def activity_whole(activity: Activity) -> dict[str, Any]:
    """All of it, as it is sent: a node's rows one after the other in one list."""
    return {
        "hint": activity.hint, "looks": activity.looks, "per": activity.per, "deep": DEEP,
        "rows": [[number, [count for row in rows for count in row]] for number, rows in activity.rows.items()],
    }  # fmt: skip


def activity_change(before: Activity, after: Activity) -> dict[str, Any]:
    """What differs, by node: rows that differ, rows of zeros for types that are gone, None if it reports nothing any more."""
    if (before.hint, before.looks) != (after.hint, after.looks):
        return activity_whole(after)
    changed: list[tuple[int, list[int] | None]] = [(number, None) for number in before.rows if number not in after.rows]
    for number, rows in after.rows.items():
        old = before.rows.get(number)
        if old != rows:
            now = {row[0]: row for row in rows}
            gone = [(row[0], 0, 0, 0) for row in old or () if row[0] not in now]
            differing = [row for row in rows if old is None or row not in old]
            changed.append((number, [count for row in (*differing, *gone) for count in row]))
    return {"per": after.per, "changed": changed}
