"""Snapshots that are kept share what did not change: of a moment only what is new takes memory."""

from __future__ import annotations

from dataclasses import replace
from sys import getsizeof

from casty_notebook.address import NodeAddress
from casty_notebook.topology.snapshot import Member, ServiceEntry, TopologySnapshot

__all__ = ["share", "shows_the_same", "size"]


def share(snapshot: TopologySnapshot, before: TopologySnapshot | None) -> TopologySnapshot:
    """Return the snapshot with its shards in columns. Each part that equals the same part of `before` becomes that very object.

    Examples
    --------
    >>> from casty_notebook.topology.shard_columns import ShardAllocation
    >>> here = NodeAddress("10.0.1.10", 25520)
    >>> first, second = (TopologySnapshot(frozenset(), here, {"cart": {0: ShardAllocation(here)}}, epoch) for epoch in (1, 2))
    >>> first = share(first, None)
    >>> share(second, first).shard_allocations["cart"] is first.shard_allocations["cart"]
    True
    """
    columns = snapshot.columns
    if before is None:
        return replace(snapshot, shard_allocations=columns)
    old = before.columns
    return replace(
        snapshot,
        members=_either(before.members, snapshot.members),
        unreachable=_either(before.unreachable, snapshot.unreachable),
        registry=_either(before.registry, snapshot.registry),
        shard_allocations={name: old[name] if old.get(name) == column else column for name, column in columns.items()},
    )


def _either[T](old: T, new: T) -> T:
    """Return the old one if they are equal. Identity is tested first, since comparing a set with itself goes through it."""
    return old if old is new or old == new else new


def shows_the_same(one: TopologySnapshot, other: TopologySnapshot) -> bool:
    """Whether nothing that is shown differs. The epoch may: nobody needs to see it change by itself."""
    return _shown(one) == _shown(other)


def _shown(snapshot: TopologySnapshot) -> tuple[object, ...]:
    """What is shown, as a tuple: comparing tuples takes an object to be equal to itself without looking into it."""
    return snapshot.leader, snapshot.members, snapshot.unreachable, snapshot.registry, snapshot.shard_allocations


def size(snapshot: TopologySnapshot, before: TopologySnapshot | None) -> int:
    """About how many bytes a snapshot takes beside what it shares with `before`."""
    columns = snapshot.columns
    shared = {id(column) for column in before.columns.values()} if before is not None else set()
    return (
        500
        + sum(100 + getsizeof(name) for name in columns)
        + sum(column.size for column in columns.values() if id(column) not in shared)
        + (0 if before is not None and snapshot.unreachable is before.unreachable else sum(map(_address, snapshot.unreachable)))
        + (0 if before is not None and snapshot.members is before.members else sum(map(_member, snapshot.members)))
        + (0 if before is not None and snapshot.registry is before.registry else sum(map(_service, snapshot.registry)))
    )


def _address(address: NodeAddress) -> int:
    return 150 + getsizeof(address.host)


def _member(member: Member) -> int:
    roles = sum(map(getsizeof, member.roles))
    return 400 + getsizeof(member.address.host) + getsizeof(member.id) + roles + 150 * len(member.opinions)


def _service(entry: ServiceEntry) -> int:
    return 200 + getsizeof(entry.key) + getsizeof(entry.path) + getsizeof(entry.node.host)
