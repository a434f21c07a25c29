"""Keys that are asked, and room on the way there: how many asks may be at a node at one time (VIRTUAL section 5.4)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from casty_notebook.backends.virtual.session.links import Peer

__all__ = ["ACTIVE", "KNOWN", "MORE", "SHORT", "Key", "Place", "Room"]

MORE = 10
"""So many times as many asks are on their way to a node in all, the others to keys that are active."""
ACTIVE = 10.0
"""Seconds after its answer for which a key is taken to be active: a node keeps it for a minute, unless its type says else."""
SHORT = 4 * 1024
"""Bytes of an ask that may be one of the others, and of its key's last answer: a thousand are a few MB, here and on the nodes."""
KNOWN = 4_096
"""Keys that are remembered."""


type Place = tuple[str, str]
"""Type and key."""


@dataclass(slots=True, eq=False)
class Key:
    """What a key's messages have in common."""

    asks: int = 0
    """On their way."""
    held: int = 0
    """Envelopes that wait for a member."""
    queued: int = 0
    """Envelopes that wait for their turn."""
    peer: Peer | None = None
    """Its owner."""
    under: int = 0
    """The number of the picture of the members under which that was found; the picture itself is not to be kept by it."""
    active_until: float = 0.0
    """It was active there, and so it is most likely until then."""


class Waiting(Protocol):
    """An ask or a tell."""

    to: Key
    seq: int
    number: int | None
    message: bytes
    at: Peer | None
    """The node that it is on its way to, if it takes room there."""
    activates: bool


class Room[E: Waiting]:
    """Asks that are on their way, and what waits until there is room for it on the way.

    To make a key active costs its node: of 1,500 new ones asked at once some hundred were refused, of active ones none. So
    `in_flight` asks at a time go to keys of one node that may have to be made active, and as many to any one key.

    What waits for one node waits for no other: one that has stopped would keep them all. A node's keys take turns, of one key
    envelopes leave in the order in which they came.

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
        """Of each node the keys that have a queue, but for those with as many asks on their way as may be."""
        self._freed: dict[Peer, None] = {}
        """Nodes of which somebody's turn may have come."""
        self._count = 0

    def key(self, actor: str, name: str) -> Key:
        """What is known of a key; the same as long as an ask is on its way there or something waits for it."""
        place = actor, name
        key = self._keys.get(place)
        if key is None:
            if len(self._keys) >= KNOWN:
                self._keys = {each: key for each, key in self._keys.items() if key.asks or key.held or key.queued}
            key = self._keys[place] = Key()
        return key

    # --- on their way ----------------------------------------------------------------------------------------------

    def has_room(self, ask: E, now: float) -> bool:
        """Whether one more may leave, for the node that its key belongs to."""
        most, key = self._in_flight, ask.to
        peer = key.peer
        if key.asks >= most or peer is None:
            return False
        load = peer.load
        if load.activating < most:
            return load.asks < MORE * most
        return load.asks < MORE * most and key.active_until > now and len(ask.message) <= SHORT

    def send(self, number: int, ask: E, now: float) -> None:
        """It leaves."""
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
        """The ask with this number, which is on its way no more."""
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
        """Those, in no order but that of each key."""
        for queue in self._queues.values():
            yield from queue.values()

    def is_queued(self, envelope: E) -> bool:
        """Whether it waits for its turn."""
        return envelope.seq in self._queues.get(envelope.to, ())

    def queue(self, envelope: E) -> None:
        """Let it wait for its turn."""
        key = envelope.to
        self._queues.setdefault(key, OrderedDict())[envelope.seq] = envelope
        self._count += 1
        key.queued += 1
        if key.queued == 1:
            self._join(key)

    def unqueue(self, envelope: E) -> bool:
        """Take one out. Returns whether it was in."""
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
        """One whose turn has come, which waits no more."""
        while self._freed:
            peer = next(iter(self._freed))
            envelope = self._next_of(peer, now)
            if envelope is not None:
                return envelope
            del self._freed[peer]
        return None

    def take_queued(self) -> list[E]:
        """All that wait, which do so no more."""
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
                break  # what is wanting is room at the node
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
