"""Asks that wait for a reply: by path, with their deadlines in one heap."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from casty_notebook.backends.sharded.session.events import Outgoing, Target
from casty_notebook.backends.sharded.session.links import Generation, Link
from casty_notebook.printable import printable
from casty_notebook.values.refs import ReplyRef

__all__ = ["FOREVER", "Ask", "Asks"]

FOREVER = float("inf")


class Ask:
    """waiting --transmit--> sent --reply | failure | deadline | cancel--> gone.

    `link` and `generation` are set once the envelope was handed to a link: its reply can come as long as the
    generation's identity has a connection on the replying node.
    """

    __slots__ = (
        "_label", "deadline", "fail_fast", "generation", "id", "left", "link", "message", "outgoing", "reply_ref", "retry",
        "started", "target",
    )  # fmt: skip

    def __init__(
        self, ask_id: str, target: Target, message: Any, reply_ref: ReplyRef, started: float, deadline: float, *,
        retry: bool = False, fail_fast: bool = False, label: str = "",
    ) -> None:  # fmt: skip
        self.id = ask_id
        self.target = target
        self.message = message
        self.reply_ref = reply_ref
        self.started = started
        self.deadline = deadline
        self.retry = retry
        """Send it again if it may have left and its node is lost."""
        self.fail_fast = fail_fast
        """Do not hold it until its deadline where its owner cannot be reached."""
        self._label = label
        self.outgoing: Outgoing | None = None
        self.link: Link | None = None
        self.generation: Generation | None = None
        self.left = False
        """An earlier try may have reached its node."""

    @property
    def label(self) -> str:
        """What a person calls the target."""
        return self._label or str(self.target)

    @property
    def may_have_run(self) -> bool:
        """It was handed to a link, now or in an earlier try."""
        return self.left or self.generation is not None

    def sent(self, link: Link, generation: Generation) -> None:
        """The envelope was handed to `link`; replies come under `generation`'s identity."""
        self.link, self.generation = link, generation
        self.reply_ref.bind(generation.identity)
        link.asks[self.id] = self
        generation.asks += 1

    def overdue(self) -> bool:
        """Whether its being late ends it."""
        return True

    def withdrawn(self) -> None:
        """The envelope is back in the session's custody, or the ask is over."""
        if self.link is not None:
            self.link.asks.pop(self.id, None)
            self.link = None
        if self.generation is not None:
            self.generation.asks -= 1
            self.generation = None

    def __repr__(self) -> str:
        return printable(f"<Ask {self.label}>")


class Asks:
    """All asks that wait. Deadlines are removed lazily; the heap never grows beyond twice what is pending.

    Attributes
    ----------
    pending
        By the path of the reply; to be read only.
    """

    def __init__(self) -> None:
        self.pending: dict[str, Ask] = {}
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

    def remove(self, ask_id: str) -> Ask | None:
        ask = self.pending.pop(ask_id, None)
        if ask is None:
            return None
        ask.withdrawn()
        if len(self._deadlines) > 2 * len(self.pending) + 64:
            self._deadlines = [(a.deadline, a.id) for a in self.pending.values()]
            heapq.heapify(self._deadlines)
        return ask

    @property
    def deadline(self) -> float:
        """The earliest deadline, or an earlier one of an ask that is over already; infinite if there is none."""
        return self._deadlines[0][0] if self._deadlines else FOREVER

    def due(self, now: float) -> list[Ask]:
        """The asks whose time is up; they stay pending until removed."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, ask_id = heapq.heappop(self._deadlines)
            ask = self.pending.get(ask_id)
            if ask is not None and ask.overdue():
                late.append(ask)
        return late
