"""Where a key lives: a pure function of the table of members (VIRTUAL section 6)."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain
from operator import sub
from typing import NamedTuple
from uuid import UUID

from casty_notebook.address import NodeAddress

__all__ = ["SLICES", "NodeId", "Ring"]

TOKENS = 128
"""Places of one node on the ring."""
REPLICAS = 3
"""Nodes that keep a key, unless its type says otherwise; that is not on the wire."""
SLICES = 1024
"""Equal parts of the ring; their numbers stay when members change."""
_CIRCLE = 1 << 64
_PLACES = [b"%d" % place for place in range(TOKENS)]


class NodeId(NamedTuple):
    """One life of a node: a restarted one has another incarnation, and other places on the ring."""

    address: NodeAddress
    incarnation: bytes

    def __str__(self) -> str:
        return str(self.address)


def token(text: str) -> int:
    """A text's place on the ring.

    Examples
    --------
    >>> token("shop.actors:counter/user-42")
    9166446083633510322
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _tokens(node: NodeId) -> array[int]:
    """`token` of each of a node's places, which for a thousand nodes is a tenth of a second."""
    prefix = f"{node.address}/{UUID(bytes=node.incarnation)}/".encode()
    tokens = array("Q", b"".join([blake2b(prefix + place, digest_size=8).digest() for place in _PLACES]))
    if sys.byteorder == "little":
        tokens.byteswap()
    return tokens


class Ring:
    """The ring of some nodes: all that are listed, dead ones included, until they are removed.

    Parameters
    ----------
    nodes
        In any order.
    before
        A ring whose nodes' places need not be computed again.
    """

    __slots__ = ("_owners", "_places", "_replicas", "_shares", "_slices", "_tokens", "nodes")

    def __init__(self, nodes: Iterable[NodeId], before: Ring | None = None) -> None:
        self.nodes: tuple[NodeId, ...] = tuple(sorted(set(nodes)))
        known: dict[NodeId, array[int]] = before._places if before is not None else {}
        self._places: dict[NodeId, array[int]] = {node: known.get(node) or _tokens(node) for node in self.nodes}
        places = list(chain.from_iterable(self._places.values()))
        order = sorted(range(len(places)), key=places.__getitem__)
        self._tokens = array("Q", [places[number] for number in order])
        self._owners = array("L", [number // TOKENS for number in order])
        self._replicas: dict[int, tuple[NodeId, ...]] = {}
        """Of what lies before a token, by the token's number: `REPLICAS` nodes, found once."""
        self._shares: dict[NodeId, tuple[float, float]] | None = None
        self._slices: Sequence[tuple[NodeId, ...]] | None = None

    @classmethod
    def prepared(cls, nodes: Iterable[NodeId], before: Ring | None = None) -> Ring:
        """A ring with all that takes long found: of a thousand nodes that is some tenths of a second, on whichever thread."""
        ring = cls(nodes, before)
        ring.all_shares()
        ring.slices()
        return ring

    def __len__(self) -> int:
        return len(self.nodes)

    def replicas(self, actor: str, key: str, count: int = REPLICAS) -> tuple[NodeId, ...]:
        """The nodes that keep a key, in order; the first that lives owns it. Empty for a ring without nodes."""
        return self.at(token(f"{actor}/{key}"), count)

    def spot(self, actor: str, key: str) -> int:
        """Which of the ring's tokens a key belongs to: keys of one token have the same replicas."""
        spot = bisect_left(self._tokens, token(f"{actor}/{key}"))
        return spot if spot < len(self._tokens) else 0

    def kept_at(self, spot: int) -> tuple[NodeId, ...]:
        """The replicas of what belongs to a token, as `replicas` of its keys."""
        found = self._replicas.get(spot)
        if found is None:
            found = self._replicas[spot] = self.at(self._tokens[spot]) if self.nodes else ()
        return found

    def at(self, place: int, count: int = REPLICAS) -> tuple[NodeId, ...]:
        """The nodes that keep whatever is at a place of the ring (0 to 2**64 - 1)."""
        owners = self._owners
        size, wanted = len(owners), min(count, len(self.nodes))
        found: list[int] = []
        at = bisect_left(self._tokens, place)
        while len(found) < wanted:
            index = owners[at % size]
            if index not in found:
                found.append(index)
            at += 1
        return tuple([self.nodes[index] for index in found])

    def shares(self) -> dict[NodeId, float]:
        """The part of all keys of which each node is the first replica; they add up to 1."""
        arcs = dict.fromkeys(range(len(self.nodes)), 0)
        before = self._tokens[-1] - _CIRCLE if len(self._tokens) else 0
        for place, owner in zip(self._tokens, self._owners, strict=True):
            arcs[owner] += place - before
            before = place
        return {self.nodes[index]: arc / _CIRCLE for index, arc in arcs.items()}

    def all_shares(self) -> dict[NodeId, tuple[float, float]]:
        """Of each node the part of all keys of which it is the first replica, and the part of which it is any. Found once."""
        if self._shares is None:
            self._shares = self._all_shares(REPLICAS)
        return self._shares

    def _all_shares(self, count: int) -> dict[NodeId, tuple[float, float]]:
        tokens = list(self._tokens)
        arcs = list(map(sub, tokens, [tokens[-1] - _CIRCLE, *tokens])) if tokens else []
        first, kept = [0] * len(self.nodes), [0] * len(self.nodes)
        others = min(count, len(self.nodes)) - 1
        # From the end backwards: who keeps what lies before a token is its owner, and those who keep what lies behind it.
        behind = [self.nodes.index(node) for node in self.at(0, count)]
        for owner, arc in zip(reversed(self._owners), reversed(arcs), strict=True):
            if behind[0] != owner:
                behind = [owner, *[other for other in behind if other != owner][:others]]
            first[owner] += arc
            for node in behind:
                kept[node] += arc
        return {node: (first[index] / _CIRCLE, kept[index] / _CIRCLE) for index, node in enumerate(self.nodes)}

    def slices(self) -> Sequence[tuple[NodeId, ...]]:
        """The replicas at the middle of each of `SLICES` equal parts of the ring; the parts stay when members change."""
        if self._slices is None:
            width = _CIRCLE // SLICES
            self._slices = [self.at(part * width + width // 2) for part in range(SLICES)]
        return self._slices
