"""What nodes are called, and the order in which people expect names: node-2 before node-10."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from casty_notebook.address import NodeAddress
from casty_notebook.topology.snapshot import Member, MemberStatus, TopologySnapshot

__all__ = ["NaturalKey", "entity_types", "member_at", "name_of", "natural", "service_names", "short"]

type NaturalKey = tuple[str, str]

_DIGITS = re.compile(r"([0-9]+)")
_MOST_DIGITS = 0x10FFFF


def natural(name: str) -> NaturalKey:
    """Return a sort key that reads runs of digits as numbers.

    Examples
    --------
    >>> sorted(["node-10", "node-2", "Node-1", "node-02"], key=natural)
    ['Node-1', 'node-02', 'node-2', 'node-10']
    """
    parts = _DIGITS.split(name.casefold())
    for place in range(1, len(parts), 2):
        digits = parts[place].lstrip("0")
        # Longer is larger. Not int(): names come from the network, and it refuses more than 4,300 digits. One text and no
        # tuple of parts: to put 5,000 names in order takes a tenth of the time.
        parts[place] = chr(min(len(digits), _MOST_DIGITS)) + digits
    return "\0".join(parts), name


def member_at(members: Iterable[Member]) -> dict[NodeAddress, Member]:
    """Return the members by address, in natural order of their names.

    A cluster lists one member for each address. Of several, which only a broken node could list, the furthest in its life
    counts; one that is alive before all others.
    """
    listed = list(members)
    by_address = {member.address: member for member in listed}
    if len(by_address) < len(listed):
        listed.sort(key=lambda member: (member.status is MemberStatus.alive, member.status.value, natural(member.id)))
        by_address = {member.address: member for member in listed}
    in_order = sorted(by_address.values(), key=lambda member: (natural(member.id), member.address))
    return {member.address: member for member in in_order}


def entity_types(snapshot: TopologySnapshot | None, told: Iterable[str] = ()) -> set[str]:
    """What may stand before the slash of ``counter/user-42``.

    Types with shards, those that we were `told` of among them; or, where types are found by name, those that members have met,
    short and in full.
    """
    if snapshot is None or not snapshot.kind.finds_types:
        return {*told, *(snapshot.shard_allocations if snapshot is not None else ())}
    keys = {entry.key for entry in snapshot.registry}
    return keys | {short(key) for key in keys}


def short(key: str) -> str:
    """Return the name of a type without its module.

    Examples
    --------
    >>> short("shop.actors:counter"), short("payment")
    ('counter', 'payment')
    """
    return key.partition(":")[2] or key


def service_names(snapshot: TopologySnapshot | None) -> set[str]:
    """What has instances: services; or the types that are found by name, of which pinned ones have one on each member."""
    if snapshot is not None and snapshot.kind.finds_types:
        return entity_types(snapshot)
    return {entry.key for entry in snapshot.registry} if snapshot is not None else set()


def name_of(address: NodeAddress, members: Mapping[NodeAddress, Member]) -> str:
    """Return a node's name, or its address where it is no member.

    Examples
    --------
    >>> name_of(NodeAddress("10.0.1.10", 25520), {})
    '10.0.1.10:25520'
    """
    member = members.get(address)
    return member.id if member is not None else str(address)
