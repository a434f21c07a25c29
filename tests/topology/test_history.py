"""A bounded past: what is kept, what is shared, what is forgotten, and what is found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.topology.events import diff
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.sharing import share, size
from casty_notebook.topology.snapshot import MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
from tests.support.topologies import member, node, owned_by, topology

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIVE, DOWN = NodeHealth(LinkState.live, rtt=0.001), NodeHealth(LinkState.down, reason="connection refused", retry_in=0.5)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def shards(owner: int, count: int = 4) -> TopologySnapshot:
    cart = {shard: owned_by(owner) for shard in range(count)}
    return topology([member(1), member(2)], leader=1, shards={"cart": cart}, epoch=owner)


allocations = st.builds(
    ShardAllocation, st.integers(1, 4).map(node), st.lists(st.integers(1, 4).map(node), max_size=2).map(tuple)
)
snapshots = st.builds(
    TopologySnapshot,
    st.frozensets(st.builds(member, st.integers(1, 4), st.sampled_from(MemberStatus)), max_size=4),
    st.none() | st.integers(1, 4).map(node),
    st.dictionaries(
        st.sampled_from(["cart", "order"]),
        st.dictionaries(st.integers(-3, 8) | st.integers(-(2**63), 2**63 - 1), allocations, max_size=9),
    ),
    st.integers(0, 9),
    st.frozensets(st.integers(1, 4).map(node)),
    st.frozensets(st.builds(ServiceEntry, st.sampled_from(["pay", "mail"]), st.integers(1, 4).map(node), st.just("/x"))),
)


# --- sharing ----------------------------------------------------------------------------------------------------------


@given(snapshots, snapshots)
def test_what_is_kept_is_the_same_whatever_came_before(first: TopologySnapshot, second: TopologySnapshot) -> None:
    before = share(first, None)
    assert before == first
    assert share(second, before) == share(second, None) == second
    assert share(first, before) == before
    assert size(share(first, before), before) <= 500 + 200 * len(first.shard_allocations)


def test_what_did_not_change_is_shared_and_costs_nothing() -> None:
    order = {shard: owned_by(2) for shard in range(100_000)}
    first = share(topology([member(1)], shards={"cart": {1: owned_by(1)}, "order": order}), None)
    second = share(topology([member(1)], shards={"cart": {1: owned_by(2)}, "order": dict(order)}), first)
    assert second.members is first.members
    assert second.shard_allocations["order"] is first.shard_allocations["order"]
    assert second.shard_allocations["cart"] is not first.shard_allocations["cart"]
    assert size(first, None) > 100_000
    assert size(second, first) < 2_000


def test_shards_of_numbers_beyond_64_bits_cost_no_other_shard() -> None:
    kept = share(topology(shards={"cart": {10**30: owned_by(1), 7: owned_by(2)}}), None)
    assert kept.shard_allocations["cart"] == {2**63 - 1: owned_by(1), 7: owned_by(2)}


# --- remembering ------------------------------------------------------------------------------------------------------


def test_moments_that_show_nothing_new_are_not_kept() -> None:
    history = History()
    history.note(Moment(after(0), shards(1), {node(1): LIVE}))
    history.note(Moment(after(1), shards(1), {node(1): NodeHealth(LinkState.live, rtt=0.5)}))
    history.note(Moment(after(2), replace(shards(1), allocation_epoch=99), {node(1): LIVE}))
    assert len(history.moments) == 1
    history.note(Moment(after(3), shards(2), {node(1): LIVE}))
    assert [record.time for record in history.moments] == [after(0), after(3)]


def test_events_are_those_between_the_snapshots_and_of_our_own_connections() -> None:
    history = History()
    assert history.note(Moment(after(0), shards(1), {node(1): LIVE, node(2): LIVE})) == []
    snapshot = shards(2)
    happened = history.note(Moment(after(1), snapshot, {node(1): LIVE, node(2): LIVE}))
    assert happened == diff(shards(1), snapshot, after(1))
    (lost,) = history.note(Moment(after(2), snapshot, {node(1): LIVE, node(2): DOWN}))
    assert (lost.kind, lost.subject, lost.after) == ("lost", "node-2", "not reachable from here: connection refused")
    assert history.note(Moment(after(3), snapshot, {node(1): LIVE, node(2): DOWN})) == []
    (back,) = history.note(Moment(after(4), snapshot, {node(1): LIVE, node(2): LIVE}))
    assert (back.kind, back.subject, back.time) == ("reached_again", "node-2", after(4))
    assert list(history.events) == [*happened, lost, back]


def test_a_node_that_is_dialled_again_is_lost_once_and_reached_again_once() -> None:
    history, dialled = History(), NodeHealth(LinkState.connecting)
    happened = [
        history.note(Moment(after(second), shards(1), {node(1): LIVE, node(2): view}))
        for second, view in enumerate([LIVE, DOWN, dialled, DOWN, dialled, LIVE, dialled, LIVE, dialled, DOWN])
    ]
    told = [(second, event.kind, event.before) for second, events in enumerate(happened) for event in events]
    assert told == [
        (1, "lost", "reachable from here"), (5, "reached_again", "not reachable from here"), (9, "lost", "reachable from here"),
    ]  # fmt: skip


def test_the_first_connection_to_a_node_is_no_news_but_a_node_never_reached_is() -> None:
    history = History()
    not_yet = NodeHealth(LinkState.connecting)
    history.note(Moment(after(0), shards(1), {node(1): not_yet, node(2): not_yet}))
    events = history.note(Moment(after(1), shards(1), {node(1): LIVE, node(2): DOWN}))
    assert [(event.kind, event.subject, event.before) for event in events] == [("lost", "node-2", "")]


def test_a_clock_that_goes_backwards_leaves_moments_in_order() -> None:
    history = History()
    history.note(Moment(after(10), shards(1)))
    history.note(Moment(after(5), shards(2)))
    assert [record.time for record in history.moments] == [after(10), after(10)]
    assert history.at(after(10)) is history.latest


def test_the_oldest_go_first_and_events_outlive_them() -> None:
    history = History(max_moments=3)
    for turn in range(10):
        history.note(Moment(after(turn), shards(1 + turn % 2)))
    assert [record.time for record in history.moments] == [after(7), after(8), after(9)]
    assert history.forgotten == 7
    assert len(history.events) == 9


@pytest.mark.parametrize("limit", [1, 50_000])
def test_bytes_are_bounded_and_the_newest_always_stays(limit: int) -> None:
    history = History(max_bytes=limit)
    for turn in range(50):
        owners = {shard: owned_by(1 + (shard + turn) % 3) for shard in range(1000)}
        history.note(Moment(after(turn), topology(shards={"cart": owners})))
    assert history.latest is not None
    assert history.latest.time == after(49)
    assert history.size <= limit or len(history.moments) == 1
    assert history.size == sum(
        record.size(before) for before, record in zip((None, *history.moments), history.moments, strict=False)
    )


# --- looking back -----------------------------------------------------------------------------------------------------


def test_the_past_is_found_by_time() -> None:
    history = History()
    assert history.at(START) is None
    for second, owner in ((0, 1), (10, 2), (20, 1)):
        history.note(Moment(after(second), shards(owner)))
    assert history.at(after(-1)) is None
    for moment, owner in ((0, 1), (9.9, 1), (10, 2), (19, 2), (20, 1), (1000, 1)):
        record = history.at(after(moment))
        assert record is not None
        assert record.snapshot == shards(owner), moment


def test_a_difference_skips_what_was_between_and_goes_backwards_too() -> None:
    history = History()
    for second, owner in ((0, 1), (10, 2), (20, 1)):
        history.note(Moment(after(second), shards(owner), {node(2): DOWN if second == 20 else LIVE}))
    assert [event.kind for event in history.diff(after(0), after(20))] == ["lost"]
    assert [event.after for event in history.diff(after(0), after(10))] == ["4 shards on node-2 (0, 1, 2, 3)"]
    assert [event.after for event in history.diff(after(10), after(0))] == ["4 shards on node-1 (0, 1, 2, 3)"]
    assert history.diff(after(3), after(4)) == []
    assert history.diff(after(-100), after(0)) == []


def test_until_is_the_history_as_it_was() -> None:
    history = History()
    for second, owner in ((0, 1), (10, 2), (20, 1)):
        history.note(Moment(after(second), shards(owner)))
    past = history.until(after(15))
    assert [record.time for record in past.moments] == [after(0), after(10)]
    assert [event.time for event in past.events] == [after(10)]
