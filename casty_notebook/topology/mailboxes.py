"""Mailboxes over time: which grow and which stand, by what the nodes said of them at each look. Time is given, never read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Literal, NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.topology.node_report import Activation, NodeReport

__all__ = ["Mailboxes", "Turn", "Waiting"]

FOLLOWED = 50
"""Keys of each node that are followed, those with the deepest mailboxes. `cluster.activations` has the others."""
GAP = timedelta(seconds=10)
"""After so long without a look, earlier looks no longer count. While somebody watches, the nodes are asked once a second."""
APART = timedelta(seconds=0.9)
"""The least time between two looks that count: a loop over `cluster.activations` must not make evidence of a single moment."""
WINDOW = timedelta(seconds=30)
GROWS_FOR = timedelta(seconds=15)
GROWN = 20
"""A mailbox grows if all of this is true of a window: each look in its last third found more than any look in the first, and so
many more on average; the middle third is a quarter of that above the first; and the mailbox is at its deepest now. So neither a
burst, which goes up and down, nor a batch that came at once and shrinks is said to grow."""
STANDS_FOR = timedelta(seconds=30)
STANDING = 2
LOOKS = 10
"""A mailbox of at least `STANDING` messages stands if it never held fewer than before at so many looks. A single message could be
another one at each look."""

type Kind = Literal["grows", "stands"]


class Waiting(NamedTuple):
    """A key whose mailbox grows or stands: since when, how deep it was then, at its deepest, and is now; at how many looks."""

    node: NodeAddress
    actor: str
    key: str
    kind: Kind
    since: datetime
    first: int
    most: int
    now: int
    looks: int


class Turn(NamedTuple):
    """A mailbox has begun to grow or stand, or (`over`) has ended it."""

    waiting: Waiting
    over: bool


class _Look(NamedTuple):
    time: datetime
    depth: int


@dataclass(slots=True)
class _Mailbox:
    """calm --grows | stands--> told --half of its deepest is left, or one was taken--> calm."""

    active_since: datetime
    looks: deque[_Look] = field(default_factory=lambda: deque(maxlen=64))
    never_fewer: int = 1
    """How many looks in a row, up to the last one, found no fewer messages than the look before."""
    steady: _Look | None = None
    """The first of those."""
    told: Waiting | None = None

    def note(self, look: _Look) -> bool:
        """Take a look. Returns False if it comes too soon after the last one to count."""
        last = self.looks[-1] if self.looks else None
        if last is not None and look.time - last.time < APART:
            return False
        if last is None or self.steady is None or look.depth < last.depth:
            self.steady, self.never_fewer = look, 1
        else:
            self.never_fewer += 1
        self.looks.append(look)
        return True

    def sign(self) -> tuple[Kind, _Look, int] | None:
        """Whether the mailbox grows or stands, since which look, and how many looks show it; None if it does neither."""
        now = self.looks[-1]
        seen = [look for look in self.looks if now.time - look.time <= WINDOW]
        if _grows(seen):
            return "grows", seen[0], len(seen)
        steady = self.steady
        if steady is not None and steady.depth >= STANDING and self.never_fewer >= LOOKS and now.time - steady.time >= STANDS_FOR:
            return "stands", steady, self.never_fewer
        return None

    def is_over(self) -> bool:
        told, depth = self.told, self.looks[-1].depth
        return told is not None and (depth < told.now if told.kind == "stands" else 2 * depth <= told.most)


def _grows(seen: list[_Look]) -> bool:
    if len(seen) < LOOKS or seen[-1].time - seen[0].time < GROWS_FOR:
        return False
    third = (seen[-1].time - seen[0].time) / 3
    parts: tuple[list[int], list[int], list[int]] = [], [], []
    for look in seen:
        parts[min(2, int((look.time - seen[0].time) / third))].append(look.depth)
    first, middle, last = parts
    if not middle or min(last) <= max(first) or seen[-1].depth < max(look.depth for look in seen):
        return False
    return _mean(last) - _mean(first) >= GROWN and _mean(middle) - _mean(first) >= GROWN / 4


def _mean(depths: list[int]) -> float:
    return sum(depths) / len(depths)


class Mailboxes:
    """empty --note--> following --note--> following. Follows the deepest mailboxes of each node, and forgets all others."""

    def __init__(self) -> None:
        self._nodes: dict[NodeAddress, dict[tuple[str, str], _Mailbox]] = {}
        self._looked: dict[NodeAddress, datetime] = {}

    def note(self, time: datetime, reports: Mapping[NodeAddress, NodeReport]) -> list[Turn]:
        """Take what the nodes say now. Returns what became so by it, the deepest first, and what is so no more."""
        turns: list[Turn] = []
        for address in [address for address, looked in self._looked.items() if time - looked > GAP]:
            del self._looked[address]
            turns += _endings(self._nodes.pop(address).values())
        for address, report in reports.items():
            before = self._nodes.get(address, {})
            now = self._nodes[address] = {}
            self._looked[address] = time
            for each in nlargest(FOLLOWED, report.activations, key=lambda each: each.queued):
                if each.queued:
                    now[each.actor, each.key] = mailbox = _same(before, each)
                    if mailbox.note(_Look(time, each.queued)):
                        turns += _turns_of(address, each, mailbox)
            turns += _endings(mailbox for key, mailbox in before.items() if now.get(key) is not mailbox)
        return sorted(turns, key=lambda turn: (turn.over, -turn.waiting.now))

    def waiting(self, now: datetime) -> tuple[Waiting, ...]:
        """Those that grow or stand, the deepest first; none that nobody has looked at for long."""
        told = (
            mailbox.told
            for address, mailboxes in self._nodes.items()
            if now - self._looked[address] <= GAP
            for mailbox in mailboxes.values()
        )
        return tuple(sorted((each for each in told if each is not None), key=lambda each: -each.now))


def _same(before: Mapping[tuple[str, str], _Mailbox], each: Activation) -> _Mailbox:
    """A key that became active anew has another mailbox."""
    known = before.get((each.actor, each.key))
    return known if known is not None and known.active_since == each.since else _Mailbox(each.since)


def _turns_of(address: NodeAddress, each: Activation, mailbox: _Mailbox) -> Iterable[Turn]:
    told, sign = mailbox.told, mailbox.sign()
    if told is not None and mailbox.is_over():
        mailbox.told = None
        yield Turn(told._replace(now=each.queued), True)
        return
    if told is not None:
        mailbox.told = told._replace(now=each.queued, most=max(told.most, each.queued), looks=told.looks + 1)
    elif sign is not None:
        kind, first, looks = sign
        made = Waiting(address, each.actor, each.key, kind, first.time, first.depth, each.queued, each.queued, looks)
        mailbox.told = made
        yield Turn(made, False)


def _endings(mailboxes: Iterable[_Mailbox]) -> list[Turn]:
    return [Turn(mailbox.told._replace(now=0), True) for mailbox in mailboxes if mailbox.told is not None]
