"""Snapshots small enough to keep many of: shards as columns of codes, and what did not change shared with the one before."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from casty_notebook.address import NodeAddress
from casty_notebook.cluster.messages import Member, ServiceEntry, ShardAllocation, TopologySnapshot

__all__ = ["Column", "PackedSnapshot", "pack", "unpack"]

_NARROW = 65_536
_LOW, _HIGH = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Column:
    """The shards of one type: for each of `ids` the place of its allocation in `placements`.

    A type of 10,000 shards takes 20 KB here and about 1 MB as a dict.
    """

    ids: range | array[int]
    codes: array[int]
    placements: tuple[ShardAllocation, ...]

    @property
    def size(self) -> int:
        """Bytes, about."""
        ids = 0 if isinstance(self.ids, range) else len(self.ids) * self.ids.itemsize
        nodes = sum(1 + len(placement.replicas) for placement in self.placements)
        return 200 + ids + len(self.codes) * self.codes.itemsize + 120 * nodes


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A `TopologySnapshot` by other means; `unpack` gives it back."""

    members: frozenset[Member]
    leader: NodeAddress | None
    columns: Mapping[str, Column]
    allocation_epoch: int
    unreachable: frozenset[NodeAddress]
    registry: frozenset[ServiceEntry]

    @property
    def shard_count(self) -> int:
        """Shards of all types."""
        return sum(len(column.codes) for column in self.columns.values())

    def shows_the_same(self, other: PackedSnapshot) -> bool:
        """Nothing differs but perhaps the epoch, which by itself is nothing to look at."""
        return (
            self.members == other.members
            and self.leader == other.leader
            and self.unreachable == other.unreachable
            and self.registry == other.registry
            and self.columns == other.columns
        )

    def size(self, before: PackedSnapshot | None) -> int:
        """Bytes, about, of what `before` does not hold already."""
        shared = {id(column) for column in before.columns.values()} if before is not None else set()
        return (
            500
            + sum(column.size for column in self.columns.values() if id(column) not in shared)
            + (0 if before is not None and self.members is before.members else 400 * len(self.members))
            + (0 if before is not None and self.registry is before.registry else 300 * len(self.registry))
        )


def pack(snapshot: TopologySnapshot, before: PackedSnapshot | None = None) -> PackedSnapshot:
    """Pack a snapshot; parts that equal those of `before` are its very objects.

    Shard numbers outside 64 bits, which only nonsense can have (PROTOCOL section 6.4), become the nearest inside.

    Examples
    --------
    >>> here = NodeAddress("10.0.1.10", 25520)
    >>> snapshot = TopologySnapshot(frozenset(), here, {"cart": {0: ShardAllocation(here), 1: ShardAllocation(here)}}, 1)
    >>> packed = pack(snapshot)
    >>> packed.columns["cart"].codes.tolist(), unpack(packed) == snapshot, pack(snapshot, packed).columns == packed.columns
    ([0, 0], True, True)
    """
    old = before.columns if before is not None else {}
    columns = {}
    for shard_type, allocations in snapshot.shard_allocations.items():
        column, known = _column(allocations), old.get(shard_type)
        columns[shard_type] = known if known is not None and known == column else column
    return PackedSnapshot(
        before.members if before is not None and before.members == snapshot.members else snapshot.members,
        snapshot.leader,
        columns,
        snapshot.allocation_epoch,
        snapshot.unreachable,
        before.registry if before is not None and before.registry == snapshot.registry else snapshot.registry,
    )


def unpack(packed: PackedSnapshot) -> TopologySnapshot:
    """Return the snapshot."""
    return TopologySnapshot(
        packed.members,
        packed.leader,
        {name: _allocations(column) for name, column in packed.columns.items()},
        packed.allocation_epoch,
        packed.unreachable,
        packed.registry,
    )


def _allocations(column: Column) -> dict[int, ShardAllocation]:
    return dict(zip(column.ids, map(column.placements.__getitem__, column.codes), strict=True))


def _column(allocations: Mapping[int, ShardAllocation]) -> Column:
    owned = list(allocations.values())
    # One object stands for all shards of a placement (unpickling builds it once), so most are told apart by identity.
    one_of = {id(allocation): allocation for allocation in owned}
    places: dict[ShardAllocation, int] = {}
    code_of = {identity: places.setdefault(allocation, len(places)) for identity, allocation in one_of.items()}
    codes = array("H" if len(places) <= _NARROW else "I", map(code_of.__getitem__, map(id, owned)))
    return Column(_ids(allocations), codes, tuple(places))


def _ids(ids: Iterable[int]) -> range | array[int]:
    listed: Sequence[int] = ids if isinstance(ids, list) else list(ids)
    if listed and listed[-1] - listed[0] + 1 == len(listed):
        run = range(listed[0], listed[0] + len(listed))
        if all(map(int.__eq__, run, listed)) and run[0] >= _LOW and run[-1] <= _HIGH:
            return run
    try:
        return array("q", listed)
    except OverflowError:
        return array("q", (min(max(each, _LOW), _HIGH) for each in listed))
