"""Keys that are asked, and room on the way there: how many asks may be at a node at one time (VIRTUAL section 5.4)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from casty_notebook.backends.virtual.session.links import Peer

__all__ = ["ACTIVE", "KNOWN", "MORE", "SHORT", "Key", "Place", "Room"]

MORE = 10
"""All asks on their way to a node are at most this many times those that may go to inactive keys."""
ACTIVE = 10.0
"""Seconds after an answer for which its key counts as active. A node keeps it active for a minute, unless its type says else."""
SHORT = 4 * 1024
"""Bytes. Longer asks, and asks to keys whose last answer was longer, count as if to inactive keys: a thousand short ones are a
few MB, here and on the nodes."""
KNOWN = 4_096
"""Keys that are remembered."""

type Place = tuple[str, str]
"""Type and key."""


@dataclass(slots=True, eq=False)
class Key:
    """What a session knows of a key that it sends to."""

    asks: int = 0
    """Asks on their way to it."""
    held: int = 0
    """Envelopes that wait for a member."""
    queued: int = 0
    """Envelopes that wait for their turn."""
    peer: Peer | None = None
    """The owner's."""
    under: int = 0
    """`Session` counts the pictures of the members; this is the number of the one by which `peer` was found."""
    active_until: float = 0.0
    """Until when it counts as active there, by its last answer."""


class Waiting(Protocol):
    """An ask or a tell."""

    to: Key
    seq: int
    number: int | None
    message: bytes
    at: Peer | None
    """The node where it takes room while it is on its way."""
    activates: bool
    """It counts there as an ask to a key that may be inactive."""


class Room[E: Waiting]:
    """Asks that are on their way, and what waits until there is room for it on the way.

    Making a key active is expensive for its node: of 1,500 inactive keys asked at once some hundred asks were refused, of active
    keys none. So at most `in_flight` asks at a time are on their way to those keys of a node that may be inactive, and at most
    as many to any one key.

    Each node has a queue of its own, so that asks to a node that has stopped do not hold up those to the others. The keys of a
    node take turns; the envelopes of one key leave in the order in which they came.

    Attributes
    ----------
    sent
        Asks that are on their way, by number.
    """

    def __init__(self, in_flight: int) -> None:
        self.sent: dict[int, E] = {}
        self._in_flight = in_flight
        self._keys: dict[Place, Key] = {}
        self._queues: dict[Key, OrderedDict[int, E]] = {}
        self._turns: dict[Peer, OrderedDict[Key, None]] = {}
        """By node the keys that have a queue, in the order of their turns; such as have `in_flight` asks may be missing."""
        self._freed: dict[Peer, None] = {}
        """Nodes where room may have become free since their queues were last looked at."""
        self._count = 0

    def key(self, actor: str, name: str) -> Key:
        """What is known of a key. The same object for as long as an ask to the key is on its way or something waits for it."""
        place = actor, name
        key = self._keys.get(place)
        if key is None:
            if len(self._keys) >= KNOWN:
                self._keys = {each: key for each, key in self._keys.items() if key.asks or key.held or key.queued}
            key = self._keys[place] = Key()
        return key

    # --- on their way ----------------------------------------------------------------------------------------------

    def has_room(self, ask: E, now: float) -> bool:
        """Whether an ask may leave for the node that owns its key."""
        most, key = self._in_flight, ask.to
        peer = key.peer
        if key.asks >= most or peer is None:
            return False
        load = peer.load
        if load.activating < most:
            return load.asks < MORE * most
        return load.asks < MORE * most and key.active_until > now and len(ask.message) <= SHORT

    def send(self, number: int, ask: E, now: float) -> None:
        """Note that an ask has left."""
        self.sent[number] = ask
        key = ask.to
        peer = ask.at = key.peer
        key.asks += 1
        if peer is not None:
            peer.load.asks += 1
            if key.active_until <= now or len(ask.message) > SHORT:
                ask.activates = True
                peer.load.activating += 1

    def back(self, number: int) -> E | None:
        """Note that an ask is no longer on its way, and return it; None if none with this number was."""
        ask = self.sent.pop(number, None)
        if ask is None:
            return None
        key, peer = ask.to, ask.at
        key.asks -= 1
        if peer is not None:
            ask.at = None
            peer.load.asks -= 1
            if ask.activates:
                ask.activates = False
                peer.load.activating -= 1
        if self._count:
            if peer is not None:
                self._freed[peer] = None
            if key.queued:
                self._join(key)
        return ask

    # --- waiting ---------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many envelopes wait for their turn."""
        return self._count

    def queued(self) -> Iterator[E]:
        """The envelopes that wait for their turn; in order only within each key."""
        for queue in self._queues.values():
            yield from queue.values()

    def is_queued(self, envelope: E) -> bool:
        """Whether it waits for its turn."""
        return envelope.seq in self._queues.get(envelope.to, ())

    def queue(self, envelope: E) -> None:
        """Let an envelope wait for its turn."""
        key = envelope.to
        self._queues.setdefault(key, OrderedDict())[envelope.seq] = envelope
        self._count += 1
        key.queued += 1
        if key.queued == 1:
            self._join(key)

    def unqueue(self, envelope: E) -> bool:
        """Remove an envelope that waits for its turn. Returns whether it did."""
        key = envelope.to
        queue = self._queues.get(key)
        if queue is None or queue.pop(envelope.seq, None) is None:
            return False
        self._count -= 1
        key.queued -= 1
        if not queue:
            del self._queues[key]
            self._leave(key)
        if key.peer is not None:
            self._freed[key.peer] = None
        return True

    def next_in_turn(self, now: float) -> E | None:
        """Remove and return an envelope whose turn has come; None if there is none."""
        while self._freed:
            peer = next(iter(self._freed))
            envelope = self._next_of(peer, now)
            if envelope is not None:
                return envelope
            del self._freed[peer]
        return None

    def take_queued(self) -> list[E]:
        """Remove and return everything that waits for its turn."""
        taken = list(self.queued())
        for envelope in taken:
            envelope.to.queued = 0
        self._count = 0
        for table in (self._queues, self._turns, self._freed):
            table.clear()
        return taken

    def _next_of(self, peer: Peer, now: float) -> E | None:
        keys = self._turns.get(peer)
        while keys:
            key = next(iter(keys))
            envelope = next(iter(self._queues[key].values()))
            if envelope.number is None or self.has_room(envelope, now):
                self.unqueue(envelope)
                if key.queued:
                    keys.move_to_end(key)
                return envelope
            if key.asks < self._in_flight:
                break  # the node has no room
            # The key has none: the others of the node go on, and `back` lets it join again.
            self._leave(key)
        return None

    def _join(self, key: Key) -> None:
        if key.peer is not None:
            self._turns.setdefault(key.peer, OrderedDict()).setdefault(key)
            self._freed[key.peer] = None

    def _leave(self, key: Key) -> None:
        keys = self._turns.get(key.peer) if key.peer is not None else None
        if keys is not None and key in keys:
            del keys[key]
            if not keys:
                del self._turns[key.peer]  # type: ignore[arg-type]

    # --- for tests -------------------------------------------------------------------------------------------------

    def validate(self, now: float) -> list[tuple[bool, str]]:
        """What must hold, and how to say that it does not."""
        asks, known = self.sent.values(), set(self._keys.values())
        to, at = Counter(ask.to for ask in asks), Counter(ask.at for ask in asks)
        activating = Counter(ask.at for ask in asks if ask.activates)
        said = [(all(key.asks == to[key] for key in known), "a key counts asks that are not on their way")]
        said += [(to.keys() | self._queues.keys() <= known, "a key is forgotten that is asked, or for which something waits")]
        for peer, count in at.items():
            counted = peer is not None and (peer.load.asks, peer.load.activating) == (count, activating[peer])
            said.append((counted, f"{count} asks are on their way, {peer and peer.load} are counted"))
        for key, queue in self._queues.items():
            turn = key.peer is not None and key in self._turns.get(key.peer, ())
            said.append((key.queued == len(queue), "what waits is not what is counted"))
            said.append((turn or key.asks >= self._in_flight, "a key never has its turn"))
        for keys in self._turns.values():
            first = next(iter(self._queues[next(iter(keys))].values()))
            said.append((first.number is not None and not self.has_room(first, now), "one waits for whom there is room"))
        said.append((sum(key.queued for key in known) == self._count, f"{self._count} are said to wait"))
        return said
