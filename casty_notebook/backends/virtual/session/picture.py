"""The members of a virtual cluster as the neutral picture that every table and view reads."""

from __future__ import annotations

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.session.members import OWNING, Members, VirtualMember
from casty_notebook.backends.virtual.session.ring import SLICES, NodeId, Ring
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.shard_columns import ShardColumn, coded
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot

__all__ = ["RING", "SLICES", "Painter", "slice_of"]

RING = "ring"
"""What the one thing that is placed is called: the slices are the same for keys of all types."""
_SHIFT = 64 - 10
MOST_NAMES = 10_000
"""Addresses whose names are remembered after they have gone."""


def slice_of(token: int) -> int:
    """The slice that a place of the ring lies in.

    Examples
    --------
    >>> slice_of(0), slice_of(2**64 - 1)
    (0, 1023)
    """
    return token >> _SHIFT


class Painter:
    """Makes pictures of members. Nodes have no names there, so it gives each address one, which stays: ``node-1`` is the first.

    A picture is the same object as the one before while nothing in it changed, and shares the ring's slices with it while
    these are where they were.
    """

    def __init__(self) -> None:
        self._names: dict[NodeAddress, str] = {}
        self._named = 0
        self._of: Members | None = None
        self._picture: TopologySnapshot | None = None
        self._placed_for: tuple[Ring, frozenset[NodeId]] | None = None
        self._placed: dict[str, ShardColumn] = {}
        self._shares: dict[NodeId, tuple[float, float]] = {}

    def paint(self, members: Members | None) -> TopologySnapshot | None:
        """The picture of `members`; None of None."""
        if members is None or members is self._of:
            return self._picture
        self._of = members
        self._place(members)
        self._name(members)
        registry = frozenset(ServiceEntry(name, member.address, "") for member in members.members for name in member.types)
        before = self._picture
        self._picture = TopologySnapshot(
            frozenset(map(self._member, (*members.members, *members.missing))), None, self._placed, 0, frozenset(),
            before.registry if before is not None and before.registry == registry else registry, kind=VIRTUAL,
        )  # fmt: skip
        return self._picture

    def _name(self, members: Members) -> None:
        for member in (*members.members, *members.missing):  # they come in the order of their addresses
            if member.address not in self._names:
                self._named += 1
                self._names[member.address] = f"node-{self._named}"
        if len(self._names) > MOST_NAMES:
            # Members are what nodes say they are, and there is no end of them.
            self._names = {each.address: self._names[each.address] for each in (*members.members, *members.missing)}

    def _member(self, member: VirtualMember) -> Member:
        said = tuple(sorted((who, MemberStatus[status]) for who, status in member.opinions.items()))
        share, replica_share = self._shares.get(member.id, (0.0, 0.0))
        return Member(
            member.address, MemberStatus[member.status], frozenset(), self._names[member.address], member.incarnation.hex(),
            said, share, replica_share,
        )  # fmt: skip

    def _place(self, members: Members) -> None:
        owning = frozenset(member.id for member in (*members.members, *members.former) if member.status in OWNING)
        if self._placed_for is not None and self._placed_for[0] is members.ring and self._placed_for[1] == owning:
            return
        if self._placed_for is None or self._placed_for[0] is not members.ring:
            self._shares = members.ring.all_shares()
        self._placed_for = members.ring, owning
        known: dict[tuple[NodeId, ...], ShardAllocation] = {}
        placed: list[ShardAllocation] = []
        for replicas in members.ring.slices():
            allocation = known.get(replicas)
            if allocation is None:
                allocation = known[replicas] = _allocation(replicas, owning)
            placed.append(allocation)
        self._placed = {RING: ShardColumn(range(SLICES), *coded(placed))} if len(members.ring) else {}


def _allocation(replicas: tuple[NodeId, ...], owning: frozenset[NodeId]) -> ShardAllocation:
    """The first that takes messages owns the slice; where none does, it stays with the first, and its member says why."""
    owner = next((node for node in replicas if node in owning), replicas[0])
    return ShardAllocation(owner.address, tuple(node.address for node in replicas if node is not owner))
