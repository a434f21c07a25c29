"""What changed between two snapshots."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.topology import names
from casty_notebook.topology.events import Change, diff
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.names import NaturalKey, natural
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, TopologySnapshot
from tests.support.topologies import member, node, owned_by, topology

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def told(before: TopologySnapshot | None, after: TopologySnapshot) -> list[tuple[str, str, str, str]]:
    return [(event.kind, event.subject, event.before, event.after) for event in diff(before, after, NOW)]


def test_the_first_snapshot_is_no_change() -> None:
    assert diff(None, topology([member(1)], leader=1), NOW) == []


def test_an_equal_snapshot_is_no_change() -> None:
    def snapshot() -> TopologySnapshot:
        return topology([member(1)], leader=1, shards={"cart": {0: owned_by(1)}}, services=[entry("pay", 1)])

    assert diff(snapshot(), snapshot(), NOW) == []


def test_every_event_carries_the_time_given() -> None:
    assert [event.time for event in diff(topology(), topology([member(1)]), NOW)] == [NOW]


def test_a_member_that_joins_changes_status_and_goes_is_told_by_name() -> None:
    joining, up = topology([member(1, MemberStatus.joining)]), topology([member(1)])
    assert told(topology(), joining) == [("member_joined", "node-1", "", "joining")]
    assert told(joining, up) == [("member_status", "node-1", "joining", "up")]
    assert told(up, topology()) == [("member_removed", "node-1", "up", "")]


def test_another_node_at_a_known_address_joins_and_the_old_one_is_gone() -> None:
    assert told(topology([member(1)]), topology([member(1, name="spare")])) == [
        ("member_joined", "spare", "", "up"),
        ("member_removed", "node-1", "up", ""),
    ]


def test_members_are_told_in_natural_order() -> None:
    rows = told(topology(), topology([member(10), member(2), member(1)]))
    assert [row[1] for row in rows] == ["node-1", "node-2", "node-10"]


def test_unreachable_nodes_come_and_go() -> None:
    fine, lost = topology([member(1)]), topology([member(1)], unreachable=[1])
    assert told(fine, lost) == [("unreachable", "node-1", "reachable", "unreachable")]
    assert told(lost, fine) == [("reachable_again", "node-1", "unreachable", "reachable")]


def test_an_unreachable_node_that_is_no_member_is_told_by_address() -> None:
    assert told(topology(), topology(unreachable=[9]))[0][1] == "10.0.1.9:25520"


def test_a_change_of_leader_names_both() -> None:
    members = [member(1), member(2)]
    assert told(topology(members, leader=1), topology(members, leader=2)) == [
        ("leader_changed", "leader", "node-1", "node-2")
    ]
    assert told(topology(members, leader=1), topology(members)) == [("leader_changed", "leader", "node-1", "")]


def test_shards_that_went_the_same_way_are_one_row() -> None:
    members = [member(1), member(2), member(3)]
    before = topology(members, shards={"cart": {shard: owned_by(1) for shard in range(1500)}})
    after = topology(members, shards={"cart": {shard: owned_by(2 if shard < 1499 else 3) for shard in range(1500)}})
    assert told(before, after) == [
        ("shards_moved", "cart", "1,499 shards on node-1", "1,499 shards on node-2"),
        ("shards_moved", "cart", "1 shard on node-1 (1499)", "1 shard on node-3 (1499)"),
    ]


def test_a_few_shards_are_named_and_many_are_counted() -> None:
    nodes = [member(1), member(2)]
    for count, told_after in ((8, "8 shards on node-2 (0, 1, 2, 3, 4, 5, 6, 7)"), (9, "9 shards on node-2")):
        before, after = (topology(nodes, shards={"cart": {n: owned_by(owner) for n in range(count)}}) for owner in (1, 2))
        assert told(before, after)[0][3] == told_after


def test_newly_allocated_shards_are_counted_by_node() -> None:
    after = topology([member(1)], shards={"cart": {0: owned_by(1), 1: owned_by(1), 2: owned_by(9)}})
    assert told(topology([member(1)]), after) == [
        ("shards_allocated", "cart", "", "1 shard on 10.0.1.9:25520 (2)"),
        ("shards_allocated", "cart", "", "2 shards on node-1 (0, 1)"),
    ]


def test_shards_that_vanish_are_told_even_if_as_many_appear() -> None:
    before = topology([member(1)], shards={"cart": {0: owned_by(1), 1: owned_by(1)}})
    after = topology([member(1)], shards={"cart": {1: owned_by(1), 2: owned_by(1)}})
    assert told(before, after) == [
        ("shards_allocated", "cart", "", "1 shard on node-1 (2)"),
        ("shards_freed", "cart", "1 shard on node-1 (0)", ""),
    ]


def test_a_sharded_type_that_vanishes_frees_its_shards() -> None:
    assert told(topology(shards={"cart": {0: owned_by(9)}}), topology()) == [
        ("shards_freed", "cart", "1 shard on 10.0.1.9:25520 (0)", "")
    ]


def test_other_replicas_and_a_new_epoch_are_no_change() -> None:
    before = topology(shards={"cart": {0: owned_by(1, 2)}}, epoch=1)
    assert told(before, topology(shards={"cart": {0: owned_by(1, 3)}}, epoch=2)) == []


def test_service_instances_are_told_with_node_and_path() -> None:
    with_it, without = topology([member(1)], services=[entry("pay", 1)]), topology([member(1)])
    assert told(without, with_it) == [("service_added", "pay", "", "node-1/pay")]
    assert told(with_it, without) == [("service_gone", "pay", "node-1/pay", "")]


def test_the_death_of_a_node_reads_from_members_to_services() -> None:
    before = topology(
        [member(1), member(2)], leader=1, shards={"cart": {0: owned_by(1), 1: owned_by(2)}}, services=[entry("pay", 1)]
    )
    after = topology(
        [member(1, MemberStatus.down), member(2)],
        leader=2,
        unreachable=[1],
        shards={"cart": {0: owned_by(2), 1: owned_by(2)}},
    )
    assert [row[0] for row in told(before, after)] == [
        "member_status",
        "unreachable",
        "leader_changed",
        "shards_moved",
        "service_gone",
    ]


ALLOCATIONS = st.dictionaries(st.integers(0, 12), st.builds(owned_by, st.integers(1, 4), st.integers(1, 4)))


@given(ALLOCATIONS, ALLOCATIONS)
def test_counted_shards_are_those_whose_owner_differs(old: dict[Any, Any], new: dict[Any, Any]) -> None:
    rows = told(topology(shards={"cart": old}), topology(shards={"cart": new}))
    owners = {shard: (old[shard].primary if shard in old else None) for shard in {*old, *new}}
    expected = sum(owners[shard] != (new[shard].primary if shard in new else None) for shard in owners)
    assert sum(int((row[2] or row[3]).split()[0]) for row in rows) == expected


@given(ALLOCATIONS, ALLOCATIONS)
def test_going_back_tells_the_reverse(old: dict[Any, Any], new: dict[Any, Any]) -> None:
    mirrored = {Change.shards_allocated: Change.shards_freed, Change.shards_freed: Change.shards_allocated}
    there = told(topology(shards={"cart": old}), topology(shards={"cart": new}))
    back = told(topology(shards={"cart": new}), topology(shards={"cart": old}))
    assert sorted(back) == sorted(
        (mirrored.get(Change(kind), kind), s, after, before) for kind, s, before, after in there
    )


NUMBERS = st.integers(1, 3)
SNAPSHOTS = st.builds(
    topology,
    st.lists(
        st.builds(
            member, NUMBERS, st.sampled_from([MemberStatus.joining, MemberStatus.up, MemberStatus.down]),
            name=st.sampled_from(["node-1", "node-2", "twin"]),
        ),
        max_size=3, unique_by=lambda each: each.address,
    ),
    leader=st.none() | NUMBERS,
    shards=st.dictionaries(
        st.sampled_from(["cart", "order"]),
        st.dictionaries(st.integers(0, 3), st.builds(owned_by, NUMBERS, NUMBERS), max_size=3),
    ),
    unreachable=st.lists(NUMBERS, max_size=2),
    services=st.lists(st.builds(lambda number: entry("pay", number), NUMBERS), max_size=2),
    epoch=st.integers(0, 3),
)  # fmt: skip


def shown(snapshot: TopologySnapshot) -> tuple[object, ...]:
    """All of a snapshot that events are about."""
    return (
        {each.address: (each.id, each.status) for each in snapshot.members},
        snapshot.leader,
        snapshot.unreachable,
        {
            (kind, shard): allocation.primary
            for kind, allocations in snapshot.shard_allocations.items()
            for shard, allocation in allocations.items()
        },
        snapshot.registry,
    )


@given(SNAPSHOTS, SNAPSHOTS)
def test_nothing_is_told_exactly_if_nothing_that_is_shown_changed(
    before: TopologySnapshot, after: TopologySnapshot
) -> None:
    assert (told(before, after) == []) == (shown(before) == shown(after))


@given(SNAPSHOTS, SNAPSHOTS)
def test_each_change_is_told_once(before: TopologySnapshot, after: TopologySnapshot) -> None:
    """Nodes may share a name, so two rows may read alike; of each kind there are as many as there are changes."""
    kinds = Counter(kind for kind, *_ in told(before, after))
    (old, *_), (new, *_) = shown(before), shown(after)
    assert isinstance(old, dict)
    assert isinstance(new, dict)
    stayed = [address for address in old.keys() & new.keys() if old[address][0] == new[address][0]]
    assert kinds["member_joined"] == len(new) - len(stayed)
    assert kinds["member_removed"] == len(old) - len(stayed)
    assert kinds["member_status"] == sum(old[address] != new[address] for address in stayed)
    assert kinds["unreachable"] == len(after.unreachable - before.unreachable)
    assert kinds["reachable_again"] == len(before.unreachable - after.unreachable)
    assert kinds["leader_changed"] == (before.leader != after.leader)
    assert kinds["service_added"] == len(after.registry - before.registry)
    assert kinds["service_gone"] == len(before.registry - after.registry)


class Unread(dict[Any, Any]):
    """Allocations that must not be read."""

    def __iter__(self) -> NoReturn:
        raise AssertionError

    keys = values = items = get = __iter__  # type: ignore[assignment]


def test_allocations_that_are_the_same_object_are_not_read_again() -> None:
    same = {"cart": Unread({0: owned_by(1)})}
    assert told(topology([member(1)], shards=same), topology([member(1)], leader=1, shards=same)) == [
        ("leader_changed", "leader", "", "node-1")
    ]


def test_a_member_that_changes_among_thousands_puts_only_itself_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ordered: list[str] = []

    def counted(name: str) -> NaturalKey:
        ordered.append(name)
        return natural(name)

    monkeypatch.setattr(names, "natural", counted)
    nodes = [NodeAddress(f"10.1.{n >> 8}.{n & 255}", 1) for n in range(5_000)]
    others = [Member(address, MemberStatus.up, frozenset(), f"other-{n}") for n, address in enumerate(nodes)]
    rows = told(topology([member(1), *others]), topology([member(1, MemberStatus.leaving), *others]))
    assert rows == [("member_status", "node-1", "up", "leaving")]
    assert set(ordered) == {"node-1"}


def test_of_two_members_at_one_address_the_one_further_in_its_life_counts() -> None:
    before, after = topology([member(1)]), topology([member(1), member(1, MemberStatus.down)])
    assert told(before, after) == [("member_status", "node-1", "up", "down")]


def entry(key: str, number: int) -> ServiceEntry:
    return ServiceEntry(key, node(number), f"/{key}")


def test_what_is_placed_on_a_ring_is_called_so() -> None:
    def ring(owner: int) -> TopologySnapshot:
        return TopologySnapshot(frozenset(), None, {"ring": {0: owned_by(owner), 1: owned_by(owner)}}, 0, kind=VIRTUAL)

    (moved,) = diff(ring(1), ring(2), NOW)
    assert moved.after.startswith("2 ring slices on ")


def test_it_is_said_which_member_told_it_and_which_changed_its_word() -> None:
    one, two, three = (member(number) for number in (1, 2, 3))
    before, after = topology([one, two, three]), topology([one, two, member(3, MemberStatus.down)])
    assert [event.says for event in diff(before, after, NOW, two.address)] == ["node-2"]
    assert [event.says for event in diff(before, after, NOW)] == [""]

    def said(*words: MemberStatus, status: MemberStatus) -> TopologySnapshot:
        opinions = tuple(zip((one.address, two.address, three.address), words, strict=False))
        return topology([one, two, replace(three, status=status, opinions=opinions)])

    alive, suspect = MemberStatus.alive, MemberStatus.suspect
    split = diff(said(alive, alive, status=alive), said(alive, suspect, status=suspect), NOW)
    assert [(event.kind, event.says) for event in split] == [("member_status", "node-2"), ("opinions_differ", "node-2")]
    agreed = diff(said(alive, suspect, status=suspect), said(suspect, suspect, status=suspect), NOW)
    assert [(event.kind, event.says) for event in agreed] == [("opinions_agree", "node-1")]
    all_at_once = diff(said(alive, alive, alive, status=alive), said(suspect, suspect, suspect, status=suspect), NOW)
    assert [event.says for event in all_at_once] == ["node-1 and 2 more"]
