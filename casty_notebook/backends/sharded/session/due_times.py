"""When each of many things is to be looked at next. Those whose time has not come cost nothing."""

from __future__ import annotations

import heapq
from itertools import count

__all__ = ["AT_ONCE", "DueTimes"]

AT_ONCE = float("-inf")
FOREVER = float("inf")
_SPARE = 64
"""Outdated entries that a heap may hold, beside one for each thing, before it is cleaned."""


class DueTimes[T]:
    """A heap of (time, thing). An entry counts if its time is the one noted for its thing; outdated ones are removed later.

    Examples
    --------
    >>> looks = DueTimes[str]()
    >>> looks.set("a", 5.0)
    >>> looks.set("b", 6.0)
    >>> looks.sooner("b", 4.0)
    >>> looks.sooner("a", 9.0)
    >>> looks.next, looks.due(5.0), looks.due(5.0), looks.next
    (4.0, ['b', 'a'], [], inf)
    """

    __slots__ = ("_heap", "_noted", "_numbers")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._noted: dict[T, float] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._noted)

    def of(self, thing: T) -> float:
        """When it is due; infinite if it is not."""
        return self._noted.get(thing, FOREVER)

    def set(self, thing: T, at: float) -> None:
        """It is due at that time, and not before; never, if that is infinite."""
        if at == FOREVER:
            self.discard(thing)
            return
        self._noted[thing] = at
        heapq.heappush(self._heap, (at, next(self._numbers), thing))
        if len(self._heap) > 2 * len(self._noted) + _SPARE:
            self._heap = [entry for entry in self._heap if self._noted.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def sooner(self, thing: T, at: float) -> None:
        """It is due at that time at the latest."""
        if at < self.of(thing):
            self.set(thing, at)

    def discard(self, thing: T) -> None:
        """It is not due any more."""
        self._noted.pop(thing, None)

    @property
    def next(self) -> float:
        """When the first is due; infinite if none is."""
        heap, noted = self._heap, self._noted
        while heap and noted.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else FOREVER

    def due(self, now: float) -> list[T]:
        """Those whose time has come, the longest due first. They are due no more until they are given another time."""
        things = []
        while self.next <= now:
            thing = heapq.heappop(self._heap)[2]
            del self._noted[thing]
            things.append(thing)
        return things

    def validate(self) -> list[tuple[bool, str]]:
        """What must hold, and how to say that it does not."""
        heap = self._heap
        entries = {(thing, at) for at, _, thing in heap}
        return [
            (all(heap[(n - 1) // 2] <= heap[n] for n in range(1, len(heap))), "due times are in no order"),
            (all(entry in entries for entry in self._noted.items()), "a due time is noted that never comes"),
            (len(heap) <= 2 * len(self._noted) + _SPARE + 1, "old due times pile up"),
        ]
