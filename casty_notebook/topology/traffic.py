"""Rates of our own asks: by node, type and cause, over time. A bounded ring of buckets; time is given, never read.

A session notes each answer where it is cheapest: one number in the lane of its node. Everything else is done once in a while
(`Traffic.roll`), for all of them together.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from casty_notebook.address import NodeAddress
from casty_notebook.errors import AskFailed, CastyNotebookError, ClientClosed, InvalidAddress, MisuseError

__all__ = ["BUCKET", "Failing", "Lane", "Lanes", "Traffic", "TrafficHistory", "TrafficRow", "failing", "new_lane"]

BUCKET = 5.0
"""Seconds of one bucket, at least: it is closed by the first event after that."""
MOST_BUCKETS = 720
"""An hour of traffic without a pause. Buckets in which nothing was asked are not kept."""
MOST_CELLS = 20_000
"""Cells (node, type and cause) in all buckets together, at some 400 bytes each."""
MOST_A_BUCKET = 1_000
"""Cells in one bucket. Further ones are counted together as `OTHERS`, since there may be any number of actors' paths."""
OTHERS = "(others)"

STEPS = 8
"""Steps of a histogram of latencies for each doubling of the latency: a percentile is right to within 5 %."""
SHORTEST = 1e-6
_EDGES = tuple(SHORTEST * 2 ** (step / STEPS) for step in range(STEPS * 32))
"""The boundaries of the steps, in seconds, up to more than an hour."""

type Lane = defaultdict[str, list[float]]
"""By type, the latencies of one node's answers since the last roll."""
type Lanes = Iterable[tuple[NodeAddress | None, Lane]]
type _Key = tuple[NodeAddress | None, str, str | None]


def new_lane() -> Lane:
    """Make a lane for a node. The seconds that each answer of the node took are appended to ``lane[kind]``."""
    return defaultdict(list)


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """What became of the asks of one type to one node in one stretch of time.

    Attributes
    ----------
    age
        Seconds since the stretch began.
    seconds
        How long it was.
    node
        None for what never had one.
    cause
        The failure's name; None for what was answered.
    p50, p99
        Seconds from asking to the answer, or the failure.
    """

    age: float
    seconds: float
    node: NodeAddress | None
    kind: str
    cause: str | None
    count: int
    p50: float
    p99: float


class _Histogram:
    """How many latencies were in each step: the steps that have any, and their counts."""

    __slots__ = ("counts", "steps")

    def __init__(self, counted: Mapping[int, int]) -> None:
        self.steps = array("H", sorted(counted))
        self.counts = array("L", [counted[step] for step in self.steps])

    def items(self) -> Iterator[tuple[int, int]]:
        return zip(self.steps, self.counts, strict=True)


@dataclass(frozen=True, slots=True)
class _Bucket:
    began: float
    ended: float
    cells: Mapping[_Key, _Histogram]


class Traffic:
    """open --roll, after `BUCKET` seconds--> closed, and the next one is open; the oldest closed ones go.

    Parameters
    ----------
    spoken
        Turns a lane's name of a type into what people call that type.
    """

    def __init__(self, now: float, *, spoken: Callable[[str], str] = str) -> None:
        self._spoken = spoken
        self._began = now
        self.ends = now + BUCKET
        """When `roll` is to be called."""
        self._failed: dict[_Key, Counter[int]] = {}
        """Failures by node, type and cause. Unlike answers, they are counted at once and not listed: they come in thousands just
        when time and memory are short."""
        self._closed: deque[_Bucket] = deque()
        self._cells = 0

    def failed(self, kind: str, error: CastyNotebookError) -> None:
        """Count an ask that failed, for the node that the error's report names. Misuse and closing the client do not count."""
        if isinstance(error, MisuseError | ClientClosed):
            return
        report = error.report if isinstance(error, AskFailed) else None
        elapsed = report.elapsed if report is not None else None
        key = _node(report.owner if report is not None else None), kind, type(error).__name__
        if key not in self._failed and len(self._failed) >= MOST_A_BUCKET:
            key = None, OTHERS, key[2]
        self._failed.setdefault(key, Counter())[bisect_right(_EDGES, elapsed or 0.0)] += 1

    def roll(self, now: float, lanes: Lanes) -> None:
        """Close the open bucket with all that the lanes have, and empty them. Wants to be called from `ends` on."""
        cells = self._open_cells(lanes)
        for _, lane in lanes:
            lane.clear()
        self._failed.clear()
        if cells:
            self._closed.append(_Bucket(self._began, now, cells))
            self._cells += len(cells)
        while len(self._closed) > MOST_BUCKETS or self._cells > MOST_CELLS:
            self._cells -= len(self._closed.popleft().cells)
        self._began, self.ends = now, now + BUCKET

    def _open_cells(self, lanes: Lanes) -> dict[_Key, _Histogram]:
        taken: dict[_Key, Counter[int]] = {}

        def add(key: _Key, counted: Mapping[int, int]) -> None:
            if key not in taken and len(taken) >= MOST_A_BUCKET:
                key = None, OTHERS, key[2]
            taken.setdefault(key, Counter()).update(counted)

        for node, lane in lanes:
            for kind, latencies in lane.items():
                add((node, self._spoken(kind), None), _counted(latencies))
        for (node, kind, cause), counted in self._failed.items():
            add((node, self._spoken(kind), cause), counted)
        return {key: _Histogram(counted) for key, counted in taken.items()}

    def history(self, now: float, lanes: Lanes) -> TrafficHistory:
        """All that is known, the open bucket included. It is a value, so that any thread can read it, which takes some time."""
        return TrafficHistory(now, (*self._closed, _Bucket(self._began, now, self._open_cells(lanes))))


@dataclass(frozen=True, slots=True)
class TrafficHistory:
    """Our own asks up to one moment."""

    now: float = 0.0
    buckets: tuple[_Bucket, ...] = ()

    def rows(self, *, every: float = BUCKET, within: float = math.inf) -> list[TrafficRow]:
        """One row for each node, type and cause of each stretch of `every` seconds, oldest first.

        Stretches are counted back from now; a bucket belongs to the one in which it began. `within`: only buckets of the last
        so many seconds.
        """
        merged: dict[tuple[int, _Key], Counter[int]] = {}
        spans: dict[int, tuple[float, float]] = {}
        for bucket in self.buckets:
            if self.now - bucket.ended > within:
                continue
            stretch = math.floor((bucket.began - self.now) / every + 1e-9)
            began, ended = spans.get(stretch, (bucket.began, bucket.ended))
            spans[stretch] = min(began, bucket.began), max(ended, bucket.ended)
            for key, histogram in bucket.cells.items():
                counted = merged.setdefault((stretch, key), Counter())
                for step, count in histogram.items():
                    counted[step] += count
        return [self._row(key, counted, *spans[stretch]) for (stretch, key), counted in merged.items()]

    def _row(self, key: _Key, counted: Counter[int], began: float, ended: float) -> TrafficRow:
        count = counted.total()
        p50, p99 = _percentile(counted, count, 0.5), _percentile(counted, count, 0.99)
        return TrafficRow(self.now - began, max(ended - began, 1e-3), *key, count, p50, p99)


def _node(owner: str | None) -> NodeAddress | None:
    try:
        return None if owner is None else NodeAddress.parse(owner)
    except InvalidAddress:
        return None


def _counted(latencies: list[float]) -> dict[int, int]:
    """Count latencies by step. Sorts the list in place: counting one by one would take five times as long."""
    latencies.sort()
    counted: dict[int, int] = {}
    place, many = 0, len(latencies)
    while place < many:
        step = bisect_right(_EDGES, latencies[place])
        end = bisect_left(latencies, _EDGES[step], place) if step < len(_EDGES) else many
        counted[step] = end - place
        place = end
    return counted


def _percentile(counted: Mapping[int, int], count: int, part: float) -> float:
    """The middle of the step that the percentile's own ask is in."""
    wanted = max(1, math.ceil(part * count))
    for step in sorted(counted):
        wanted -= counted[step]
        if wanted <= 0:
            return SHORTEST * 2 ** ((step - 0.5) / STEPS)
    raise ValueError("nothing was counted")


@dataclass(frozen=True, slots=True)
class Failing:
    """Asks of one type to one node that fail again and again.

    Attributes
    ----------
    since, last
        Seconds since the first and the last stretch in which some failed.
    causes
        How many by cause, the most frequent first.
    """

    node: NodeAddress | None
    kind: str
    asked: int
    failed: int
    since: float
    last: float
    stretches: int
    causes: tuple[tuple[str, int], ...]


def failing(rows: Sequence[TrafficRow], within: float) -> list[Failing]:
    """What failed in the last `within` seconds, by node and type. Asks that never had a node are listed by type alone."""
    asked: Counter[tuple[NodeAddress | None, str]] = Counter()
    causes: dict[tuple[NodeAddress | None, str], Counter[str]] = {}
    ages: dict[tuple[NodeAddress | None, str], set[float]] = {}
    for row in rows:
        if row.age - row.seconds > within:
            continue
        key = row.node, row.kind
        asked[key] += row.count
        if row.cause is not None:
            causes.setdefault(key, Counter())[row.cause] += row.count
            ages.setdefault(key, set()).add(row.age)
    return [
        Failing(
            node, kind, asked[node, kind], by_cause.total(), max(ages[node, kind]), min(ages[node, kind]),
            len(ages[node, kind]), tuple(by_cause.most_common()),
        )
        for (node, kind), by_cause in causes.items()
    ]  # fmt: skip
