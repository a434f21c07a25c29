"""What the members say of each other, and what follows from it (VIRTUAL sections 5.1 and 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import STATUSES, Record
from casty_notebook.backends.virtual.session.ring import NodeId, Ring

__all__ = ["Members", "Placed", "Tables", "Unplaced", "VirtualMember"]

_BADNESS = {status: place for place, status in enumerate(STATUSES)}
OWNING = frozenset({"alive", "suspect"})
"""Statuses in which a member takes the messages of its keys."""


@dataclass(frozen=True, slots=True)
class VirtualMember:
    """One life of one node.

    Attributes
    ----------
    status
        What most members say of it: alive, leaving, suspect or dead. Of a draw the worse.
    opinions
        What each member said last, by the address of who said it. A member that does not list it has none.
    types
        Names of the actor types that the node has met; a type that was never used is not among them.
    """

    address: NodeAddress
    incarnation: bytes
    status: str
    types: frozenset[str]
    opinions: Mapping[NodeAddress, str]

    @property
    def id(self) -> NodeId:
        return NodeId(self.address, self.incarnation)

    @property
    def disputed(self) -> bool:
        """Not all who list it agree."""
        return len(set(self.opinions.values())) > 1


RETURN = 30.0
"""Seconds for which a member is still shown (as dead) after all nodes that knew it were restarted and none names it."""
RING_AT_ONCE = 100
"""Nodes whose ring, shares and slices are made at once, in some 30 ms."""
MOST_MISSING = 1_000
"""With more missing members than that none is shown: a hostile node could invent members and restart again and again."""
RECENT = 4_096
"""Keys whose place is remembered."""


class Placed(NamedTuple):
    """Who keeps a key, and which of them takes its messages: None if none does."""

    owner: NodeId | None
    replicas: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """The members at one moment, and the ring that they make: iterates over `members`. Compared by content.

    Attributes
    ----------
    members
        By address; of two lives of a node the living one, else the better.
    former
        The other lives of nodes, which keep their places on the ring until they are removed.
    ring
        Of all lives that are listed.
    missing
        Members of before that no member names, and that none of them has ever named in this life: all who knew them were
        started anew, too. They own nothing; most often they are being started as well.
    """

    members: tuple[VirtualMember, ...]
    former: tuple[VirtualMember, ...]
    ring: Ring
    missing: tuple[VirtualMember, ...] = ()
    types: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """Every type that any member has met."""
    _by_address: Mapping[NodeAddress, VirtualMember] = field(init=False, compare=False, repr=False)
    _owning: frozenset[NodeId] = field(init=False, compare=False, repr=False)
    _placed: dict[int, Placed] = field(init=False, compare=False, repr=False, default_factory=dict)
    """Owner and replicas by the index of the ring's token (128 a node): all keys of one token have the same."""
    _recent: dict[tuple[str, str], Placed] = field(init=False, compare=False, repr=False, default_factory=dict)
    """Keys that were placed lately: most are asked more than once."""

    def __post_init__(self) -> None:
        lives = (*self.members, *self.former)
        keep = object.__setattr__
        keep(self, "types", tuple(sorted(frozenset[str]().union(*(member.types for member in self.members)))))
        keep(self, "_by_address", {member.address: member for member in self.members})
        keep(self, "_owning", frozenset(member.id for member in lives if member.status in OWNING))

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[VirtualMember]:
        return iter(self.members)

    def __repr__(self) -> str:
        counted = "".join(
            f", {len(lives)} {what}" for lives, what in ((self.former, "former lives"), (self.missing, "missing")) if lives
        )
        return f"<Members: {len(self.members)}{counted}, {len(self.types)} types>"

    def get(self, address: NodeAddress) -> VirtualMember | None:
        """The member at an address."""
        return self._by_address.get(address)

    def place(self, actor: str, key: str) -> Placed:
        """Owner and replicas of a key. One of a pinned type (``@host:port/name``) lives on the node that it names."""
        placed = self._recent.get((actor, key))
        if placed is None:
            if len(self._recent) >= RECENT:
                self._recent.clear()
            placed = self._recent[actor, key] = self._found(actor, key)
        return placed

    def _found(self, actor: str, key: str) -> Placed:
        if key.startswith("@"):
            pinned = pinned_to(key)
            if pinned is not None:
                member = self.get(pinned)
                return self._judged((member.id,) if member is not None else ())
        return self._on_ring(self.ring.spot(actor, key))

    def place_many(self, actor: str, keys: Iterable[str]) -> list[Placed]:
        """`place` of many keys of one type."""
        place, known, spot = self._found, self._placed, self.ring.spot
        found = []
        for key in keys:
            placed = None if key.startswith("@") else known.get(spot(actor, key))
            found.append(placed if placed is not None else place(actor, key))
        return found

    def _on_ring(self, spot: int) -> Placed:
        placed = self._placed.get(spot)
        if placed is None:
            placed = self._placed[spot] = self._judged(self.ring.kept_at(spot))
        return placed

    def _judged(self, replicas: tuple[NodeId, ...]) -> Placed:
        return Placed(next((node for node in replicas if node in self._owning), None), replicas)

    def replicas(self, actor: str, key: str) -> tuple[NodeId, ...]:
        """The nodes that keep a key, in order."""
        return self.place(actor, key).replicas

    def owner(self, actor: str, key: str) -> NodeId | None:
        """The first replica that takes messages; None if none does."""
        return self.place(actor, key).owner

    def unlike(self, other: Members | None) -> bool:
        """Whether anything that a person sees or a message's way depends on differs."""
        return other is None or (self.members, self.former, self.missing) != (other.members, other.former, other.missing)


def pinned_to(key: str) -> NodeAddress | None:
    """The node that the key of a pinned type names.

    Examples
    --------
    >>> pinned_to("@10.0.1.10:25520/helper")
    NodeAddress(host='10.0.1.10', port=25520)
    >>> pinned_to("user-42") is None
    True
    """
    if not key.startswith("@"):
        return None
    place = key[1:].partition("/")[0]
    try:
        return NodeAddress.parse(place)
    except ValueError:
        return None


class Unplaced(NamedTuple):
    """Members whose ring is still to be made, which takes longer than others should wait for it."""

    members: tuple[VirtualMember, ...]
    former: tuple[VirtualMember, ...]
    missing: tuple[VirtualMember, ...]
    nodes: frozenset[NodeId]
    before: Ring | None


class _Table(NamedTuple):
    """What one life of a node said last."""

    at: float
    life: bytes
    records: Mapping[NodeId, Record]
    knew: frozenset[NodeId]
    """The shown members that earlier tables of the same incarnation named: if it leaves one out now, that one is gone."""


class Tables:
    """The last table of each member, and when it came."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._tables: dict[NodeAddress, _Table] = {}
        self._ring: Ring | None = None
        self._shown: dict[NodeId, VirtualMember] = {}
        self._missing: dict[NodeId, float] = {}
        """Since when, of those in `_shown` that are missing."""

    def take(self, reporter: NodeAddress, records: tuple[Record, ...], now: float, life: bytes = b"") -> None:
        """A table came from this life of a node."""
        table = {NodeId(record.address, record.incarnation): record for record in records}
        before = self._tables.get(reporter)
        knew = frozenset[NodeId]()
        if before is not None and before.life == life:
            knew = frozenset((before.knew | before.records.keys()) & self._shown.keys())
        self._tables[reporter] = _Table(now, life, table, knew)

    def came_at(self, reporter: NodeAddress) -> float | None:
        """When a member's table last came."""
        entry = self._tables.get(reporter)
        return entry.at if entry is not None else None

    def merged(self) -> Members | Unplaced | None:
        """What the fresh tables say together; None before the first. Of many members the ring is left to the caller: `placed`.

        Each life of a node has the status that most tables give it. One that most tables do not list is gone. Tables that
        are older than `patience` no longer count, unless there is no other.
        """
        if not self._tables:
            return None
        newest = max(table.at for table in self._tables.values())
        fresh = {who: table for who, table in self._tables.items() if newest - table.at <= self._patience}
        lives: dict[NodeId, dict[NodeAddress, Record]] = {}
        for who, table in fresh.items():
            for node, record in table.records.items():
                lives.setdefault(node, {})[who] = record
        listed = [_member(node, records) for node, records in lives.items() if 2 * len(records) >= len(fresh)]
        self._forget({member.address for member in listed}, set(fresh))
        members = self._members(listed, self._still_missing(listed, fresh, newest))
        self._shown = {member.id: member for member in (*members.members, *members.missing)}
        return members

    def placed(self, unplaced: Unplaced, ring: Ring) -> Members:
        """Members with the ring that was made of their nodes."""
        self._ring = ring
        return Members(unplaced.members, unplaced.former, ring, unplaced.missing)

    def _still_missing(
        self, listed: list[VirtualMember], fresh: Mapping[NodeAddress, _Table], now: float
    ) -> tuple[VirtualMember, ...]:
        """Who was shown, and is named by nobody that could know: a node that has just been started knows nobody yet.

        Without this a cluster whose nodes are all started anew would lose its members and gain them again one by one.
        """
        addresses, missing = {member.address for member in listed}, {}
        for node, member in self._shown.items():
            if node.address in addresses or (node not in self._missing and member.status not in OWNING):
                continue
            if any(node in table.knew and node not in table.records for table in fresh.values()):
                continue  # one that knew it says that it is gone
            since = self._missing.get(node, now)
            if now - since <= RETURN:
                missing[node] = since
        self._missing = missing if len(missing) <= MOST_MISSING else {}
        return tuple(replace(self._shown[node], status="dead", types=frozenset(), opinions={}) for node in sorted(self._missing))

    def _forget(self, members: set[NodeAddress], fresh: set[NodeAddress]) -> None:
        """What was said by who is no member any more and says nothing any more."""
        for who in [who for who in self._tables if who not in members and who not in fresh]:
            del self._tables[who]

    def _members(self, listed: list[VirtualMember], missing: tuple[VirtualMember, ...]) -> Members | Unplaced:
        by_address: dict[NodeAddress, list[VirtualMember]] = {}
        for member in sorted(listed, key=lambda member: (_BADNESS[member.status], member.incarnation)):
            by_address.setdefault(member.address, []).append(member)
        shown = tuple(lives[0] for _, lives in sorted(by_address.items()))
        former = tuple(member for _, lives in sorted(by_address.items()) for member in lives[1:])
        nodes = frozenset(member.id for member in listed)
        if self._ring is None or frozenset(self._ring.nodes) != nodes:
            if len(nodes) > RING_AT_ONCE:
                return Unplaced(shown, former, missing, nodes, self._ring)
            self._ring = Ring(nodes, self._ring)
        return Members(shown, former, self._ring, missing)


def _member(node: NodeId, records: Mapping[NodeAddress, Record]) -> VirtualMember:
    said = Counter(record.status for record in records.values())
    status = max(said, key=lambda status: (said[status], _BADNESS[status]))
    types = frozenset[str]().union(*(record.types for record in records.values()))
    return VirtualMember(node.address, node.incarnation, status, types, {who: record.status for who, record in records.items()})
