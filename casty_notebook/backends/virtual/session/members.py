"""What the members say of each other, and what follows from it (VIRTUAL sections 5.1 and 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import STATUSES, Record
from casty_notebook.backends.virtual.session.ring import NodeId, Ring

__all__ = ["Members", "Tables", "VirtualMember"]

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


@dataclass(frozen=True, slots=True)
class Members:
    """The members at one moment, and the ring that they make. Compared by content.

    Attributes
    ----------
    members
        By address; of two lives of a node the living one, else the better.
    former
        The other lives of nodes, which keep their places on the ring until they are removed.
    ring
        Of all lives that are listed.
    """

    members: tuple[VirtualMember, ...]
    former: tuple[VirtualMember, ...]
    ring: Ring

    def get(self, address: NodeAddress) -> VirtualMember | None:
        """The member at an address."""
        return next((member for member in self.members if member.address == address), None)

    @property
    def types(self) -> tuple[str, ...]:
        """Every type that any member has met."""
        return tuple(sorted({name for member in self.members for name in member.types}))

    def replicas(self, actor: str, key: str) -> tuple[NodeId, ...]:
        """The nodes that keep a key, in order. A key of a pinned type (``@host:port/name``) lives on the node that it names."""
        pinned = pinned_to(key)
        if pinned is None:
            return self.ring.replicas(actor, key)
        member = self.get(pinned)
        return (member.id,) if member is not None else ()

    def owner(self, actor: str, key: str) -> NodeId | None:
        """The first replica that takes messages; None if none does."""
        status = {member.id: member.status for member in (*self.members, *self.former)}
        return next((node for node in self.replicas(actor, key) if status.get(node) in OWNING), None)

    def unlike(self, other: Members | None) -> bool:
        """Whether anything that a person sees or a message's way depends on differs."""
        return other is None or (self.members, self.former) != (other.members, other.former)


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


class Tables:
    """The last table of each member, and when it came."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._tables: dict[NodeAddress, tuple[float, tuple[Record, ...]]] = {}
        self._ring: Ring | None = None

    def take(self, reporter: NodeAddress, records: tuple[Record, ...], now: float) -> None:
        self._tables[reporter] = (now, records)

    def came_at(self, reporter: NodeAddress) -> float | None:
        """When a member's table last came."""
        entry = self._tables.get(reporter)
        return entry[0] if entry is not None else None

    def merged(self) -> Members | None:
        """What the fresh tables say together; None before the first.

        Each life of a node has the status that most tables give it. One that most tables do not list is gone. Tables that
        are older than `patience` no longer count, unless there is no other.
        """
        if not self._tables:
            return None
        newest = max(at for at, _ in self._tables.values())
        fresh = {who: table for who, (at, table) in self._tables.items() if newest - at <= self._patience}
        lives: dict[NodeId, dict[NodeAddress, Record]] = {}
        for who, table in fresh.items():
            for record in table:
                lives.setdefault(NodeId(record.address, record.incarnation), {})[who] = record
        listed = [_member(node, records) for node, records in lives.items() if 2 * len(records) >= len(fresh)]
        self._forget({member.address for member in listed}, set(fresh))
        return self._members(listed)

    def _forget(self, members: set[NodeAddress], fresh: set[NodeAddress]) -> None:
        """What was said by who is no member any more and says nothing any more."""
        for who in [who for who in self._tables if who not in members and who not in fresh]:
            del self._tables[who]

    def _members(self, listed: list[VirtualMember]) -> Members:
        by_address: dict[NodeAddress, list[VirtualMember]] = {}
        for member in sorted(listed, key=lambda member: (_BADNESS[member.status], member.incarnation)):
            by_address.setdefault(member.address, []).append(member)
        shown = tuple(lives[0] for _, lives in sorted(by_address.items()))
        former = tuple(member for _, lives in sorted(by_address.items()) for member in lives[1:])
        nodes = {member.id for member in listed}
        if self._ring is None or set(self._ring.nodes) != nodes:
            self._ring = Ring(nodes, self._ring)
        return Members(shown, former, self._ring)


def _member(node: NodeId, records: Mapping[NodeAddress, Record]) -> VirtualMember:
    said = Counter(record.status for record in records.values())
    status = max(said, key=lambda status: (said[status], _BADNESS[status]))
    types = frozenset[str]().union(*(record.types for record in records.values()))
    return VirtualMember(node.address, node.incarnation, status, types, {who: record.status for who, record in records.items()})
