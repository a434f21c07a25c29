"""The one palette, and the one rule for a node's health: for map, SVG, cards, tables and plots.

The front end is sent what was decided here; it knows colours and words of its own for nothing that a cluster says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from casty_notebook.topology.events import opinions
from casty_notebook.topology.snapshot import Member, MemberStatus

__all__ = ["BAD", "COLOURS", "MARKS", "Health", "Look", "health_of", "looks_of"]

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#8c8c8c")
"""Okabe and Ito's, which people of every colour vision tell apart. Letters, textures and hatches are the second cue."""

BAD = "#d55e00"
"""Their vermilion, kept for what is wrong: nothing else has it."""

MARKS = {"good": "●", "bad": "✕", "open": "○"}

_SPARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SIGN = re.compile(r"[^\W_]")


class Look(NamedTuple):
    """How a type is drawn: its letter tells it apart without colours."""

    name: str
    letter: str
    colour: str


class Health(NamedTuple):
    """What is known of a node in one word (``good``, ``bad``, ``open``) and in a few."""

    tone: str
    words: str

    @property
    def mark(self) -> str:
        return MARKS[self.tone]


def looks_of(names: Iterable[str]) -> tuple[Look, ...]:
    """Return how types are drawn, in their order: the first sign of its own name that no type before it has.

    Examples
    --------
    >>> [(look.name, look.letter) for look in looks_of(["cart", "counter", "_x"])]
    [('cart', 'C'), ('counter', 'O'), ('_x', 'X')]
    """
    taken: set[str] = set()
    looks: list[Look] = []
    for place, name in enumerate(names):
        wanted = (sign for sign in (*name.upper(), *_SPARE) if _SIGN.fullmatch(sign) and sign not in taken)
        letter = next(wanted, "•")
        taken.add(letter)
        looks.append(Look(name, letter, COLOURS[place % len(COLOURS)]))
    return tuple(looks)


def health_of(member: Member | None, *, reach: bool | None, flagged: bool) -> Health:
    """Judge a node by what our connections say (`reach`) and what its cluster does (`flagged`: that it is unreachable).

    The worst word wins: a cluster may call a node up that nobody reaches, and the other way round (PROTOCOL section 6.5).

    Examples
    --------
    >>> health_of(None, reach=False, flagged=False), health_of(None, reach=True, flagged=True).words
    (Health(tone='bad', words='not reachable'), 'reachable, but the cluster says not')
    """
    status = member.status if member is not None else None
    here = "reachable" if reach else "not known yet" if reach is None else "not reachable"
    if reach is False:
        return Health("bad", here)
    if flagged:
        return Health("bad", "reachable, but the cluster says not" if reach else "the cluster says not reachable")
    if status in _DOWN:
        return Health("bad", f"reachable, but {_DOWN[status]} for the cluster" if reach else _DOWN[status])
    if member is not None and member.disputed:
        return Health("open", f"{here}, but members differ: {opinions(member)}")
    return Health("good" if reach else "open", here)


_DOWN = {MemberStatus.down: "down", MemberStatus.dead: "dead", MemberStatus.suspect: "suspected", MemberStatus.removed: "removed"}
