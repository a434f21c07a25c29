"""Snapshots small enough to keep many of: shards as columns of codes, and what did not change shared with the one before."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from sys import getsizeof

from casty_notebook.address import NodeAddress
from casty_notebook.topology.kinds import SHARDED, Kind
from casty_notebook.topology.snapshot import Member, ServiceEntry, ShardAllocation, TopologySnapshot

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
        nodes = sum(_address_size(node) for placement in self.placements for node in (placement.primary, *placement.replicas))
        return 200 + ids + len(self.codes) * self.codes.itemsize + 100 * len(self.placements) + nodes


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A `TopologySnapshot` by other means; `unpack` gives it back."""

    members: frozenset[Member]
    leader: NodeAddress | None
    columns: Mapping[str, Column]
    allocation_epoch: int
    unreachable: frozenset[NodeAddress]
    registry: frozenset[ServiceEntry]
    kind: Kind = SHARDED

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
            + sum(100 + getsizeof(name) for name in self.columns)
            + sum(column.size for column in self.columns.values() if id(column) not in shared)
            + (0 if before is not None and self.unreachable is before.unreachable else sum(map(_address_size, self.unreachable)))
            + (0 if before is not None and self.members is before.members else sum(map(_member_size, self.members)))
            + (0 if before is not None and self.registry is before.registry else sum(map(_service_size, self.registry)))
        )


def _address_size(address: NodeAddress) -> int:
    return 150 + getsizeof(address.host)


def _member_size(member: Member) -> int:
    roles = sum(map(getsizeof, member.roles))
    return 400 + getsizeof(member.address.host) + getsizeof(member.id) + roles + 150 * len(member.opinions)


def _service_size(entry: ServiceEntry) -> int:
    return 200 + getsizeof(entry.key) + getsizeof(entry.path) + getsizeof(entry.node.host)


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
        before.unreachable if before is not None and before.unreachable == snapshot.unreachable else snapshot.unreachable,
        before.registry if before is not None and before.registry == snapshot.registry else snapshot.registry,
        snapshot.kind,
    )


def unpack(packed: PackedSnapshot, after: tuple[PackedSnapshot, TopologySnapshot] | None = None) -> TopologySnapshot:
    """Return the snapshot. The shards of types that are the same in the one unpacked before it (`after`) are its very objects."""
    known = {} if after is None else {id(column): after[1].shard_allocations[name] for name, column in after[0].columns.items()}
    return TopologySnapshot(
        packed.members,
        packed.leader,
        {name: known.get(id(column)) or _allocations(column) for name, column in packed.columns.items()},
        packed.allocation_epoch,
        packed.unreachable,
        packed.registry,
        packed.kind,
    )


def _allocations(column: Column) -> dict[int, ShardAllocation]:
    return dict(zip(column.ids, map(column.placements.__getitem__, column.codes), strict=True))


def _column(allocations: Mapping[int, ShardAllocation]) -> Column:
    owned = list(allocations.values())
    # One object stands for all shards of a placement (unpickling builds it once), so most are told apart by identity.
    identities = list(map(id, owned))
    places: dict[ShardAllocation, int] = {}
    code_of = {
        identity: places.setdefault(allocation, len(places))
        for identity, allocation in dict(zip(identities, owned, strict=True)).items()
    }
    codes = array("H" if len(places) <= _NARROW else "I", map(code_of.__getitem__, identities))
    return Column(_ids(list(allocations)), codes, tuple(places))


def _ids(ids: list[int]) -> range | array[int]:
    if ids and ids[0] >= _LOW and ids[-1] <= _HIGH and ids[-1] - ids[0] + 1 == len(ids):
        run = range(ids[0], ids[-1] + 1)
        if ids == list(run):
            return run
    try:
        return array("q", ids)
    except OverflowError:
        return array("q", (min(max(each, _LOW), _HIGH) for each in ids))
