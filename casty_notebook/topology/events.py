"""What changed between two snapshots, as rows that a person can read. The protocol sends whole snapshots only."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.names import member_at, name_of, natural
from casty_notebook.topology.shard_columns import ShardColumn, as_column, translated
from casty_notebook.topology.snapshot import Member, ServiceEntry, TopologySnapshot

if TYPE_CHECKING:
    from array import array
    from datetime import datetime

__all__ = ["OURS", "Change", "TopologyEvent", "diff", "opinions", "reach_changes"]

FEW = 8
"""A move of at most so many shards names them; of more it only says how many."""
NAMED = 2
"""Up to so many members that say something are named; of more, one is named and the others counted."""

type _Members = Mapping[NodeAddress, Member]


class Change(enum.StrEnum):
    """Kinds of events, in the order in which those of one moment are told."""

    member_joined = "member_joined"
    member_status = "member_status"
    member_restarted = "member_restarted"
    """Another life of the node took the place of the one before (clusters of 0.30 tell them apart)."""
    opinions_differ = "opinions_differ"
    """Members do not say the same of a member."""
    opinions_agree = "opinions_agree"
    member_removed = "member_removed"
    unreachable = "unreachable"
    reachable_again = "reachable_again"
    lost = "lost"
    """Our own connection to a node is gone, which the cluster may never say (PROTOCOL section 6.5)."""
    reached_again = "reached_again"
    leader_changed = "leader_changed"
    shards_moved = "shards_moved"
    shards_allocated = "shards_allocated"
    shards_freed = "shards_freed"
    """No owner is named any more: freed by a death, or lost from the snapshot's table (PROTOCOL sections 6.4, 6.5)."""
    service_added = "service_added"
    service_gone = "service_gone"
    activations_gone = "activations_gone"
    """A node is gone that had said which keys were active there; this and the next are known where nodes tell (`nodeside`)."""
    mailbox_grows = "mailbox_grows"
    mailbox_stands = "mailbox_stands"
    """No message was taken out of it for long."""
    mailbox_falls = "mailbox_falls"
    node_warned = "node_warned"
    """A node's own log has a warning, or worse."""


OURS = frozenset({Change.lost, Change.reached_again})
"""Events that come from our own connections and not from the cluster."""


@dataclass(frozen=True, slots=True)
class TopologyEvent:
    """One change, as the cluster told it or our own connections saw it.

    Attributes
    ----------
    time
        When its snapshot reached us or we noticed, with a time zone.
    kind
        A value of `Change`.
    subject
        A node's name, ``"leader"``, a sharded type or a service.
    before, after
        What was and what is, in words; empty where there was or is nothing.
    says
        Whose word it is, by name, where that is known: the member that told us, or those that changed their word.
    """

    time: datetime
    kind: str
    subject: str
    before: str
    after: str
    says: str = ""


def diff(
    before: TopologySnapshot | None, after: TopologySnapshot, time: datetime, teller: NodeAddress | None = None
) -> list[TopologyEvent]:
    """List what changed, summarised: one row for all shards of a type that went from one node to another.

    `teller` is the node whose word `after` is, where it is one's.

    The first snapshot (`before` is None) is no change. Nor are other replicas of a shard that stays where it is, other
    roles of a node, or a new epoch by itself.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from casty_notebook.topology.shard_columns import ShardAllocation
    >>> here, there = NodeAddress("10.0.1.10", 25520), NodeAddress("10.0.1.11", 25520)
    >>> old = TopologySnapshot(frozenset(), here, {"cart": {0: ShardAllocation(here), 1: ShardAllocation(here)}}, 1)
    >>> new = TopologySnapshot(frozenset(), here, {"cart": {0: ShardAllocation(there), 1: ShardAllocation(there)}}, 2)
    >>> [(event.kind, event.before, event.after) for event in diff(old, new, datetime.now(UTC))]
    [('shards_moved', '2 shards on 10.0.1.10:25520 (0, 1)', '2 shards on 10.0.1.11:25520 (0, 1)')]
    """
    if before is None or before is after:
        return []
    was = _by_address(before.members)
    now = was if before.members == after.members else _by_address(after.members)
    rows: list[_Row] = [
        *_members(was, now),
        *_reachability(before, after, {**was, **now}),
        *_leader(before, after, was, now),
        *_shards(before, after, {**was, **now}),
        *_services(before, after, {**was, **now}),
    ]
    told = list(Change)
    rows.sort(key=lambda row: told.index(row[0]))  # Stable: within a kind the order above stays.
    one = "" if teller is None or not rows else name_of(teller, {**was, **now})
    return [
        TopologyEvent(time, kind.value, subject, old, new, said[0] if said else one) for kind, subject, old, new, *said in rows
    ]


def reach_changes(
    before: Mapping[NodeAddress, NodeHealth],
    after: Mapping[NodeAddress, NodeHealth],
    members: Iterable[Member],
    time: datetime,
) -> list[TopologyEvent]:
    """List the nodes that our own connections lost or reached again. One that is reached for the first time is no news."""
    names: _Members | None = None
    rows: list[_Row] = []
    for address, view in after.items():
        old = before[address].reachable if address in before else None
        if view.reachable is old:
            continue
        names = names or _by_address(members)  # of a thousand members not for nothing
        if view.reachable is False and old is not False:
            why = f"not reachable from here: {view.reason}" if view.reason else "not reachable from here"
            rows.append((Change.lost, name_of(address, names), "reachable from here" if old else "", why))
        elif view.reachable and old is False:
            rows.append((Change.reached_again, name_of(address, names), "not reachable from here", "reachable from here"))
    rows.sort(key=lambda row: (row[0] is Change.reached_again, natural(row[1])))
    return [TopologyEvent(time, row[0].value, *row[1:]) for row in rows]


type _Row = tuple[Change, str, str, str] | tuple[Change, str, str, str, str]
"""The fields of an event without its time: kind, subject, before, after, and perhaps who says so."""


def _by_address(members: Iterable[Member]) -> _Members:
    """As `member_at`, but unordered: sorting 5,000 names takes 60 ms, and hardly any of these members has changed."""
    listed = list(members)
    by_address = {member.address: member for member in listed}
    return by_address if len(by_address) == len(listed) else member_at(listed)


def _without(members: _Members, same: Container[NodeAddress]) -> Iterable[tuple[NodeAddress, Member]]:
    """The members that are not among the `same`, in natural order of their names."""
    return member_at(member for address, member in members.items() if address not in same).items()


def _members(was: _Members, now: _Members) -> Iterator[_Row]:
    if was is now:
        return
    same = {address for address, member in now.items() if was.get(address) == member}
    for address, member in _without(now, same):
        old = was.get(address)
        if old is None or old.id != member.id:  # Another node started at a known address.
            yield Change.member_joined, member.id, "", member.status.name
        else:
            if old.incarnation != member.incarnation:
                yield Change.member_restarted, member.id, f"life {old.incarnation[:8]}", f"life {member.incarnation[:8]}"
            if old.status is not member.status:
                row = Change.member_status, member.id, old.status.name, member.status.name
                yield (*row, _whose_word(old, member, now)) if member.opinions else row
            if old.disputed != member.disputed:
                kind = Change.opinions_differ if member.disputed else Change.opinions_agree
                yield kind, member.id, opinions(old), opinions(member), _whose_word(old, member, now)
    for address, old in _without(was, same):
        if address not in now or now[address].id != old.id:
            yield Change.member_removed, old.id, old.status.name, ""


def _whose_word(old: Member, member: Member, members: _Members) -> str:
    """The members that have changed what they say of this one: by name if they are few."""
    was = dict(old.opinions)
    others = [who for who, status in member.opinions if was.get(who) is not status]
    names = [name_of(who, members) for who in _by_name(frozenset(others), members)]
    return ", ".join(names) if len(names) <= NAMED else f"{names[0]} and {len(names) - 1:,} more"


def opinions(member: Member) -> str:
    """What the members say of one, counted.

    Examples
    --------
    >>> here, there = NodeAddress("10.0.1.10", 25520), NodeAddress("10.0.1.11", 25520)
    >>> from casty_notebook.topology.snapshot import MemberStatus
    >>> said = ((here, MemberStatus.alive), (there, MemberStatus.suspect))
    >>> opinions(Member(here, MemberStatus.suspect, frozenset(), "node-1", opinions=said))
    '1 alive, 1 suspect'
    """
    said = Counter(status for _, status in member.opinions)
    return ", ".join(f"{said[status]} {status.name}" for status in sorted(said, key=lambda status: status.value))


def _reachability(before: TopologySnapshot, after: TopologySnapshot, members: _Members) -> Iterator[_Row]:
    for address in _by_name(after.unreachable - before.unreachable, members):
        yield Change.unreachable, name_of(address, members), "reachable", "unreachable"
    for address in _by_name(before.unreachable - after.unreachable, members):
        yield Change.reachable_again, name_of(address, members), "unreachable", "reachable"


def _leader(before: TopologySnapshot, after: TopologySnapshot, was: _Members, now: _Members) -> Iterator[_Row]:
    if before.leader != after.leader:
        old, new = (
            name_of(leader, members) if leader is not None else ""
            for leader, members in ((before.leader, was), (after.leader, now))
        )
        yield Change.leader_changed, "leader", old, new


def _shards(before: TopologySnapshot, after: TopologySnapshot, members: _Members) -> Iterator[_Row]:
    types = {*before.shard_allocations, *after.shard_allocations}
    for shard_type in sorted(types, key=natural):
        old, new = before.shard_allocations.get(shard_type, {}), after.shard_allocations.get(shard_type, {})
        if old is new:
            continue
        moves = [
            (
                "" if move[0] is None else name_of(move[0], members), "" if move[1] is None else name_of(move[1], members),
                len(shards), f" ({', '.join(map(str, sorted(shards)))})" if len(shards) <= FEW else "",
            )
            for move, shards in _moves(as_column(old), as_column(new)).items()
        ]  # fmt: skip
        order = {name: natural(name) for name in {name for source, target, *_ in moves for name in (source, target)}}
        for source, target, n, which in sorted(moves, key=lambda move: (order[move[0]], order[move[1]])):
            many = f"{n:,} {after.kind.placement if n == 1 else after.kind.placements} on "
            if not source:
                yield Change.shards_allocated, shard_type, "", many + target + which
            elif not target:
                yield Change.shards_freed, shard_type, many + source + which, ""
            else:
                yield Change.shards_moved, shard_type, many + source + which, many + target + which


type _Move = tuple[NodeAddress | None, NodeAddress | None]
"""Owner before and owner after."""


def _moves(old: ShardColumn, new: ShardColumn) -> dict[_Move, list[int]]:
    """The shards by (owner before, owner after) where they differ."""
    places: dict[NodeAddress, int] = {}
    was, now = ([places.setdefault(each.primary, len(places)) for each in column.placements] for column in (old, new))
    before, after = translated(old.codes, was, len(places)), translated(new.codes, now, len(places))
    moves: dict[tuple[int | None, int | None], list[int]] = {}
    if old.ids == new.ids:
        ids = new.ids
        for place in _differing(before, after):
            moves.setdefault((before[place], after[place]), []).append(ids[place])
    else:
        at = dict(zip(old.ids, before, strict=True))
        for shard, source, target in zip(new.ids, map(at.pop, new.ids, repeat(None)), after, strict=True):
            if source != target:
                moves.setdefault((source, target), []).append(shard)
        for shard, owner in at.items():
            moves.setdefault((owner, None), []).append(shard)
    owners: list[NodeAddress | None] = [*places, None]
    return {
        (owners[-1 if source is None else source], owners[-1 if target is None else target]): shards
        for (source, target), shards in moves.items()
    }


def _differing(one: array[int], other: array[int]) -> Iterator[int]:
    """Where two arrays of one length and type differ."""
    # A changed snapshot of 40,000 shards may come four times a second: one by one they take 2 ms, all at once a tenth.
    first, second = one.tobytes(), other.tobytes()
    bits = int.from_bytes(first) ^ int.from_bytes(second)
    seen = -1
    for found in _NOT_ZERO.finditer(bits.to_bytes(len(first))):
        place = found.start() // one.itemsize
        if place != seen:
            seen = place
            yield place


_NOT_ZERO = re.compile(rb"[^\0]")


def _services(before: TopologySnapshot, after: TopologySnapshot, members: _Members) -> Iterator[_Row]:
    if before.registry is after.registry:
        return
    for entry in _in_order(after.registry - before.registry, members):
        yield Change.service_added, entry.key, "", name_of(entry.node, members) + entry.path
    for entry in _in_order(before.registry - after.registry, members):
        yield Change.service_gone, entry.key, name_of(entry.node, members) + entry.path, ""


def _in_order(entries: frozenset[ServiceEntry], members: _Members) -> list[ServiceEntry]:
    return sorted(entries, key=lambda e: (natural(e.key), natural(name_of(e.node, members)), e.node, natural(e.path)))


def _by_name(addresses: frozenset[NodeAddress], members: _Members) -> list[NodeAddress]:
    return sorted(addresses, key=lambda address: (natural(name_of(address, members)), address))
