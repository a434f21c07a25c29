"""Groups long runs of like events: a type's first shards are allocated one by one, and their events would hide all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from casty_notebook.topology.events import TopologyEvent
from casty_notebook.views.event_words import is_bad_news

__all__ = ["runs"]

LONG = 4
"""So many events in a row or more, of one kind and subject, are shown as one line, unless any is bad news."""


def runs(events: Iterable[TopologyEvent]) -> Iterator[tuple[TopologyEvent, ...]]:
    """The events in their order: long runs as one, all others one by one.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> new = TopologyEvent(datetime(2026, 1, 2, tzinfo=UTC), "shards_allocated", "cart", "", "1 shard on node-1")
    >>> lost = TopologyEvent(datetime(2026, 1, 2, tzinfo=UTC), "lost", "node-1", "", "")
    >>> [len(run) for run in runs([new] * 5 + [lost] * 5 + [new] * 2)]
    [5, 1, 1, 1, 1, 1, 1, 1]
    """
    for _, same in groupby(events, key=lambda event: (event.kind, event.subject)):
        run = tuple(same)
        if len(run) < LONG or any(map(is_bad_news, run)):
            yield from ((event,) for event in run)
        else:
            yield run
