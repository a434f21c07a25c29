"""Envelopes (asks and tells) and where each is: waiting for a member, waiting for its turn, or on its way."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

from casty_notebook.backends.virtual.codec.protocol import WrongOwner
from casty_notebook.backends.virtual.session.links import Link, Peer
from casty_notebook.backends.virtual.session.room import Key, Room

__all__ = ["Envelope", "Envelopes", "RecentTells"]

FOREVER = float("inf")


@dataclass(slots=True, eq=False)
class Envelope:
    """made --owner live--> sent --reply | failure | deadline--> gone; made --no owner | no room--> waiting --> made."""

    seq: int
    to: Key
    actor: str
    key: str
    name: str
    message: bytes
    started: float
    deadline: float
    label: str
    number: int | None = None
    """Of an ask; None for a tell."""
    retry: bool = False
    fail_fast: bool = False
    link: Link | None = None
    """By which it left."""
    left: bool = False
    """It was sent before, and that link was lost: it may have been executed once already."""
    returned: int = 0
    """So often it came back unread."""
    not_before: float = 0.0
    """When a message that came back may go to the same node again."""
    avoid: object = None
    """What `Session.members` was when it came back: until that changes, its owner is still the node that refused it."""
    timed: bool = False
    """Its deadline is in the heap. A tell that leaves at once has none there."""
    at: Peer | None = None
    """The node where it takes room while it is on its way (see `Room`)."""
    activates: bool = False
    """It counts there as an ask to a key that may be inactive."""

    listens: ClassVar[bool] = False

    @property
    def what(self) -> str:
        return self.label or f"{self.actor}/{self.key}"


@dataclass(slots=True, eq=False)
class Listening(Envelope):
    """sent --value--> sent --failure | node lost | closed--> gone. Its deadline only bounds how long it may wait to be sent."""

    listens: ClassVar[bool] = True
    moved: bool = False
    """Its listener was told that the key is elsewhere now."""


class Envelopes:
    """All envelopes that are not over.

    Of one key, envelopes leave in the order in which they were made: one that waits is never overtaken.

    Attributes
    ----------
    stirred
        One that was held is over, so that others behind it may go now.
    """

    def __init__(self, in_flight: int) -> None:
        self.asks: dict[int, Envelope] = {}
        """By number: all asks that are not over."""
        self.room = Room[Envelope](in_flight)
        self.listening: dict[int, Listening] = {}
        """By number: those that have left and wait for as long as somebody listens; they take no room on the way."""
        self._held: OrderedDict[int, Envelope] = OrderedDict()
        self.stirred = False
        self._deadlines: list[tuple[float, int, Envelope]] = []
        self.next_seq = count(1).__next__
        """The next number in the order of making."""

    def __len__(self) -> int:
        """How many are waiting here."""
        return len(self._held) + self.room.waiting

    def add_ask(self, number: int, envelope: Envelope) -> None:
        """An ask is looked after until it is over, a tell only while it waits here."""
        self.asks[number] = envelope
        self._time(envelope)

    def _time(self, envelope: Envelope) -> None:
        if not envelope.timed:
            envelope.timed = True
            heapq.heappush(self._deadlines, (envelope.deadline, envelope.seq, envelope))

    # --- waiting ---------------------------------------------------------------------------------------------------

    def must_queue(self, envelope: Envelope, now: float) -> bool:
        """An older envelope for its key waits for its turn, or it is an ask and there is no room on the way."""
        return envelope.to.queued > 0 or (envelope.number is not None and not self.room.has_room(envelope, now))

    def hold(self, envelope: Envelope) -> None:
        """It waits for a member that takes it."""
        self._held[envelope.seq] = envelope
        envelope.to.held += 1
        self._time(envelope)

    def queue(self, envelope: Envelope) -> None:
        """It waits for its turn."""
        self.room.queue(envelope)
        self._time(envelope)

    def take_all(self) -> list[Envelope]:
        """Everything that waits, in the order in which it was made."""
        held = list(self._held.values())
        self._held.clear()
        for envelope in held:
            envelope.to.held = 0
        return sorted((*held, *self.room.take_queued()), key=lambda envelope: envelope.seq)

    def held(self) -> Iterator[Envelope]:
        return iter(self._held.values())

    # --- on their way ----------------------------------------------------------------------------------------------

    def by_link(self, link: Link) -> list[Envelope]:
        """Those that left by a link."""
        return [each for ways in (self.room.sent, self.listening) for each in ways.values() if each.link is link]

    def owes(self, link: Link, before: float) -> bool:
        """Whether the answer to an ask that was made before some time is still to come by a link."""
        return any(each.link is link and each.started <= before for each in self.room.sent.values())

    def by_seq(self, seq: int) -> Envelope | None:
        """The sent ask or listener with this sequence number; None if it is over."""
        return next((each for ways in (self.room.sent, self.listening) for each in ways.values() if each.seq == seq), None)

    def back(self, number: int) -> Envelope | None:
        """Take an ask or listener back from those that were sent: it will be sent again."""
        envelope = self.room.back(number)
        if envelope is None:
            envelope = self.listening.pop(number, None)
            if envelope is not None:
                envelope.to = self.room.key(envelope.actor, envelope.key)  # meanwhile it may have been forgotten
        return envelope

    # --- over ------------------------------------------------------------------------------------------------------

    def answered(self, number: int) -> Envelope | None:
        """The ask on its way with this number, which is over now. Wants `tidy` once all that came together are taken."""
        envelope = self.room.back(number)
        if envelope is not None:
            del self.asks[number]
        return envelope

    def over(self, envelope: Envelope) -> None:
        """Forget an envelope, wherever it is."""
        number = envelope.number
        if number is not None:
            self.asks.pop(number, None)
        if number is None or (self.room.back(number) is None and self.listening.pop(number, None) is None):
            if self._held.pop(envelope.seq, None) is not None:
                envelope.to.held -= 1
                self.stirred = True
            else:
                self.room.unqueue(envelope)
        self.tidy()

    def tidy(self) -> None:
        """Drop the deadlines of envelopes that are over from the heap, once these are more than half of it."""
        if len(self._deadlines) > 2 * (len(self.asks) + len(self)) + 64:
            for entry in self._deadlines:
                entry[2].timed = self._is_alive(entry[2])
            self._deadlines = [entry for entry in self._deadlines if entry[2].timed]
            heapq.heapify(self._deadlines)

    def _is_alive(self, envelope: Envelope) -> bool:
        if envelope.number is not None:
            return envelope.number in self.asks
        return envelope.seq in self._held or self.room.is_queued(envelope)

    def forget_deadlines(self) -> None:
        """Nothing is looked after any more."""
        self._deadlines.clear()

    @property
    def deadline(self) -> float:
        """The earliest deadline, or an earlier one of an envelope that is over; infinite if there is none."""
        return self._deadlines[0][0] if self._deadlines else FOREVER

    def due(self, now: float) -> list[Envelope]:
        """Envelopes whose time is up, in order."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            envelope = heapq.heappop(self._deadlines)[2]
            envelope.timed = False
            if self._is_alive(envelope):
                late.append(envelope)
        return late

    # --- for tests -------------------------------------------------------------------------------------------------

    def validate(self, now: float) -> list[tuple[bool, str]]:
        """What must hold, and how to say that it does not: each envelope is in one place, and looked after until it is over."""
        timed = Counter(id(envelope) for _, _, envelope in self._deadlines if envelope.timed)
        said = [*self.room.validate(now), (all(count == 1 for count in timed.values()), "an envelope has two deadlines")]
        for number, ask in self.asks.items():
            places = (
                self.room.sent.get(number) is ask, self.listening.get(number) is ask,
                ask.seq in self._held, self.room.is_queued(ask),
            )  # fmt: skip
            on_its_way = places[0] or places[1]
            said += [
                (sum(places) == 1, f"{ask.what} is in {sum(places)} places"),
                (on_its_way is (ask.link is not None), f"{ask.what} has a link, and waits here; or none, and is on its way"),
                (id(ask) in timed or ask.listens, f"nobody looks after the deadline of {ask.what}"),
            ]
        for ways in (self.room.sent, self.listening):
            said.append((ways.keys() <= self.asks.keys(), "one that is over is on its way"))
        waiting = [*self._held.values(), *self.room.queued()]
        untimed = [each.what for each in waiting if not (each.timed or each.left)]
        lost = [each.what for each in waiting if each.number is not None and each.number not in self.asks]
        held = Counter(each.to for each in self._held.values())
        said += [
            (all(each.to.held == held[each.to] for each in (*waiting, *self.room.sent.values())), "what is held is not counted"),
            (not untimed, f"nobody looks after the deadline of {untimed}"),
            (not lost, f"{lost} are over, and wait"),
        ]
        return said


_NO_MARK = (0.0, 0, 0)


class RecentTells:
    """Tells that left, so that they are known when they come back, and nothing else is taken for one.

    Of each only a hash is kept. No node can make up a message with the same one: Python's hashes of text depend on a secret of
    the process. The oldest is forgotten first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._marks: OrderedDict[int, tuple[float, int, int]] = OrderedDict()
        """Deadline, how often it came back, and how many alike are on their way."""

    def __len__(self) -> int:
        return len(self._marks)

    def left(self, link: int, actor: str, key: str, message: bytes, deadline: float, returned: int = 0) -> None:
        """One went out by a link, having come back so often before."""
        marks = self._marks
        mark = hash((link, actor, key, message))
        _, _, alike = marks.pop(mark, _NO_MARK)
        marks[mark] = deadline, returned, alike + 1
        if len(marks) > self._most:
            marks.popitem(last=False)  # the first of a plain dict is found behind the places of all that went before it

    def came_back(self, link: int, message: WrongOwner) -> tuple[float, int] | None:
        """Until when it may be sent again and how often it came back before; None if it did not go out by that link."""
        mark = hash((link, message.actor, message.key, message.message))
        deadline, returned, alike = self._marks.pop(mark, _NO_MARK)
        if alike > 1:
            self._marks[mark] = deadline, returned, alike - 1
        return (deadline, returned) if alike else None
