"""Keys that are asked, and room on the way there: how many asks may be at the nodes at one time (VIRTUAL section 5.4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from casty_notebook.backends.virtual.session.links import Peer

__all__ = ["ACTIVE", "KNOWN", "MORE", "SHORT", "Key", "OnTheWay", "Place"]

type Place = tuple[str, str]
"""Type and key."""

MORE = 10
"""So many times as many asks are on their way in all, the others to keys that are active."""
ACTIVE = 10.0
"""Seconds after its answer for which a key is taken to be active: a node keeps it for a minute, unless its type says else."""
SHORT = 4 * 1024
"""Bytes of an ask that may be one of the others, and of its key's last answer: a thousand are a few MB, here and on the nodes."""
KNOWN = 4_096
"""Keys that are remembered."""


@dataclass(slots=True, eq=False)
class Key:
    """What a key's messages have in common."""

    asks: int = 0
    """On their way."""
    peer: Peer | None = None
    """Its owner."""
    under: int = 0
    """The number of the picture of the members under which that was found; the picture itself is not to be kept by it."""
    active_until: float = 0.0
    """It was active there, and so it is most likely until then."""


class Ask(Protocol):
    """An ask that takes room."""

    to: Key
    message: bytes
    activates: bool


class OnTheWay[A: Ask]:
    """Asks that are on their way, by number.

    To make a key active costs its nodes: of 1,500 new ones asked at once some hundred were refused, of active ones none. So
    `in_flight` asks at a time go to keys that may have to be made active, and as many to any one key.
    """

    def __init__(self, in_flight: int) -> None:
        self.sent: dict[int, A] = {}
        self._in_flight = in_flight
        self._activating = 0
        self._keys: dict[Place, Key] = {}

    def key(self, actor: str, name: str) -> Key:
        """What is known of a key."""
        place = actor, name
        key = self._keys.get(place)
        if key is None:
            if len(self._keys) >= KNOWN:
                self._keys = {each: key for each, key in self._keys.items() if key.asks}
            key = self._keys[place] = Key()
        return key

    def has_room(self, ask: A, now: float) -> bool:
        """Whether one more may leave."""
        most, key = self._in_flight, ask.to
        if key.asks >= most or len(self.sent) >= MORE * most:
            return False
        return self._activating < most or (key.active_until > now and len(ask.message) <= SHORT)

    def send(self, number: int, ask: A, now: float) -> None:
        """It leaves."""
        self.sent[number] = ask
        key = ask.to
        key.asks += 1
        if key.active_until <= now or len(ask.message) > SHORT:
            ask.activates = True
            self._activating += 1

    def back(self, number: int) -> A | None:
        """The ask with this number, which is on its way no more."""
        ask = self.sent.pop(number, None)
        if ask is not None:
            ask.to.asks -= 1
            if ask.activates:
                ask.activates = False
                self._activating -= 1
        return ask

    def validate(self) -> list[tuple[bool, str]]:
        """For tests: what must hold, and how to say that it does not."""
        to = Counter(id(ask.to) for ask in self.sent.values())
        return [
            (all(to[id(ask.to)] == ask.to.asks for ask in self.sent.values()), "as many to a key are not counted"),
            (all(key.asks == to[id(key)] for key in self._keys.values()), "a key counts asks that are not on their way"),
            (self._activating == sum(ask.activates for ask in self.sent.values()), "those that activate are not counted as many"),
        ]
