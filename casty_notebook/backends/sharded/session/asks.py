"""Asks that wait for a reply: by path, with their deadlines in one heap."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from casty_notebook.backends.sharded.session.state import FOREVER, Ask

__all__ = ["Asks"]


class Asks:
    """All asks that wait. Deadlines are removed lazily; the heap never grows beyond twice what is pending.

    Attributes
    ----------
    pending
        By the path of the reply; to be read only.
    deadline
        The earliest deadline, or an earlier one of an ask that is over already; infinite if there is none.
    """

    def __init__(self) -> None:
        self.pending: dict[str, Ask] = {}
        self.deadline = FOREVER
        self._deadlines: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self.pending)

    def __contains__(self, ask_id: str) -> bool:
        return ask_id in self.pending

    def __iter__(self) -> Iterator[Ask]:
        return iter(list(self.pending.values()))

    def get(self, ask_id: str) -> Ask | None:
        return self.pending.get(ask_id)

    def add(self, ask: Ask) -> None:
        self.pending[ask.id] = ask
        heapq.heappush(self._deadlines, (ask.deadline, ask.id))
        if ask.deadline < self.deadline:
            self.deadline = ask.deadline

    def remove(self, ask_id: str) -> Ask | None:
        ask = self.pending.pop(ask_id, None)
        if ask is None:
            return None
        ask.withdrawn()
        if len(self._deadlines) > 2 * len(self.pending) + 64:
            self._deadlines = [(a.deadline, a.id) for a in self.pending.values()]
            heapq.heapify(self._deadlines)
            self._look_ahead()
        return ask

    def _look_ahead(self) -> None:
        self.deadline = self._deadlines[0][0] if self._deadlines else FOREVER

    def due(self, now: float) -> list[Ask]:
        """The asks whose time is up; they stay pending until removed."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, ask_id = heapq.heappop(self._deadlines)
            ask = self.pending.get(ask_id)
            if ask is not None and ask.overdue():
                late.append(ask)
        self._look_ahead()
        return late
