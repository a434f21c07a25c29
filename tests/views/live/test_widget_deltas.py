"""Scenes and what is sent of them: the front end knows what Python knows, for as few bytes as the change is worth."""

from __future__ import annotations

import datetime
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.snapshot import MemberStatus, ServiceEntry, TopologySnapshot
from casty_notebook.views.live.deltas import Story, delta, full, reach_events
from casty_notebook.views.live.scene import SPARE_NUMBERS, SceneBuilder
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.views.scenery import START, Reader, event_rows, moment, shown

LIVE = NodeHealth(LinkState.live, 0.001)
DOWN = NodeHealth(LinkState.down, None, "connection refused")

numbers = st.integers(1, 6)
placements = st.builds(owned_by, numbers, numbers) | st.builds(owned_by, numbers)
owned = st.dictionaries(st.integers(-3, 30) | st.integers(), placements, max_size=12)
snapshots = st.builds(
    lambda members, leader, shards, unreachable, services: topology(
        [member(number, status) for number, status in members.items()],
        leader=leader,
        shards=shards,
        unreachable=unreachable,
        services=[ServiceEntry(key, node(number), "/x") for key, number in services],
    ),
    st.dictionaries(numbers, st.sampled_from(MemberStatus)),
    st.none() | numbers,
    st.dictionaries(st.sampled_from(["cart", "user", HOSTILE]), owned),
    st.sets(numbers),
    st.sets(st.tuples(st.sampled_from(["pay", HOSTILE]), numbers)),
)
healths = st.dictionaries(numbers.map(node), st.sampled_from([LIVE, DOWN, NodeHealth(LinkState.connecting)]))


@settings(max_examples=60)
@given(st.lists(st.tuples(snapshots, healths), min_size=1, max_size=5))
def test_after_any_deltas_the_reader_shows_the_scene(moments: list[tuple[TopologySnapshot, dict[object, NodeHealth]]]) -> None:
    builder, reader, last = SceneBuilder(), Reader(), None
    for snapshot, health in moments:
        scene = builder.build(moment(snapshot, health))  # type: ignore[arg-type]
        packet = full(scene, 1, []) if last is None else delta(last, scene, 2, [])
        if packet is not None:
            json.dumps(packet.head, ensure_ascii=False).encode()
            reader.read(packet)
        assert reader.shown == shown(scene)
        last = scene


@settings(max_examples=60)
@given(snapshots, healths)
def test_the_same_twice_is_no_difference(snapshot: TopologySnapshot, health: dict[object, NodeHealth]) -> None:
    builder = SceneBuilder()
    again = TopologySnapshot(
        snapshot.members, snapshot.leader, {name: dict(owned) for name, owned in snapshot.shard_allocations.items()},
        snapshot.allocation_epoch + 1, snapshot.unreachable, snapshot.registry,
    )  # fmt: skip
    first = builder.build(moment(snapshot, health))  # type: ignore[arg-type]
    second = builder.build(moment(again, health, time=START + datetime.timedelta(seconds=1), age=1.0))  # type: ignore[arg-type]
    assert delta(first, second, 2, []) is None


def test_one_percent_of_ten_thousand_shards_costs_less_than_eight_kilobytes() -> None:
    chance = random.Random(3)
    owners = {shard: chance.randrange(1, 51) for shard in range(10_000)}
    builder = SceneBuilder()
    members = [member(number) for number in range(1, 51)]

    def scene() -> object:
        shards = {"counter": {shard: owned_by(owner, owner % 50 + 1, (owner + 7) % 50 + 1) for shard, owner in owners.items()}}
        return builder.build(moment(topology(members, leader=1, shards=shards)))

    before = scene()
    for shard in chance.sample(range(10_000), 100):
        owners[shard] = chance.randrange(1, 51)
    packet = delta(before, scene(), 2, [])  # type: ignore[arg-type]
    assert packet is not None
    assert packet.size < 2_000
    assert full(before, 1, []).size < 25_000  # type: ignore[arg-type]


def test_round_trips_that_only_tremble_are_no_news() -> None:
    builder = SceneBuilder()
    snapshot = topology([member(1)])
    first = builder.build(moment(snapshot, {node(1): NodeHealth(LinkState.live, 0.0010)}))
    steady = builder.build(moment(snapshot, {node(1): NodeHealth(LinkState.live, 0.0018)}))
    slow = builder.build(moment(snapshot, {node(1): NodeHealth(LinkState.live, 0.0400)}))
    assert delta(first, steady, 2, []) is None
    assert delta(first, slow, 2, []) is not None


def test_impossible_shard_numbers_are_counted_and_not_shown() -> None:
    shards = {"cart": {0: owned_by(1), 2**31: owned_by(1), -(2**70): owned_by(2)}}
    scene = SceneBuilder().build(moment(topology([member(1)], shards=shards)))
    assert scene.columns["cart"].ids.tolist() == [0]
    assert scene.columns["cart"].odd == 2


def test_numbers_are_given_anew_before_the_unused_ones_pile_up() -> None:
    builder = SceneBuilder()
    editions = set()
    for turn in range(6):
        shards = {"cart": {shard: owned_by(turn * 1000 + shard) for shard in range(1000)}}
        scene = builder.build(moment(topology([member(1)], shards=shards)))
        editions.add(scene.edition)
        assert len(scene.placements) <= 3 * 1000 + SPARE_NUMBERS
    assert len(editions) > 1


@pytest.mark.parametrize(
    ("facts", "health", "connection"),
    [
        ({}, {}, "live"),
        ({}, {node(1): DOWN, node(2): LIVE}, "live"),
        ({}, {node(1): DOWN, node(2): DOWN}, "lost"),
        ({"closed": True}, {}, "closed"),
        ({"recorded": True}, {node(1): DOWN, node(2): DOWN}, "recorded"),
    ],
)
def test_the_banner_says_what_the_connection_is(
    facts: dict[str, object], health: dict[object, NodeHealth], connection: str
) -> None:
    scene = SceneBuilder().build(moment(topology([member(1), member(2)]), health, **facts))  # type: ignore[arg-type]
    assert scene.status.connection == connection


def test_a_connection_is_lost_since_it_was_lost_not_since_it_was_last_looked_at() -> None:
    builder = SceneBuilder()
    snapshot = topology([member(1)])
    later = [START + datetime.timedelta(seconds=second) for second in range(3)]
    builder.build(moment(snapshot, {node(1): LIVE}, time=later[0]))
    first = builder.build(moment(snapshot, {node(1): DOWN}, time=later[1])).status
    assert builder.build(moment(snapshot, {node(1): DOWN}, time=later[2])).status.since == first.since


def test_what_our_own_connections_say_becomes_events() -> None:
    builder = SceneBuilder()
    snapshot = topology([member(1), member(2)])
    before = builder.build(moment(snapshot, {node(1): LIVE, node(2): LIVE}))
    after = builder.build(moment(snapshot, {node(1): LIVE, node(2): DOWN}))
    back = builder.build(moment(snapshot, {node(1): LIVE, node(2): LIVE}))
    assert [row[1:3] for row in reach_events(before, after)] == [("lost", "node-2")]
    assert [row[1:3] for row in reach_events(after, back)] == [("reached_again", "node-2")]


def test_many_events_at_one_time_name_each_text_once() -> None:
    start = 1_767_225_600_000
    rows = [(start + n % 2, "shard_moved", f"cart/{n}", f"node-{n % 50}", f"node-{n % 49}", "node-1") for n in range(100)]
    packet = full(SceneBuilder().build(moment(topology([member(1)]))), 1, rows)
    assert event_rows(packet.head) == [list(row) for row in rows]
    assert len(json.dumps(packet.head["events"])) < 50 * len(rows)


TEXTS = st.sampled_from(
    ["", "node-1", "1 shard on node-1 (7)", "2 shards on node-2 (7, 9)", "1 slice on a (b) (7)", " (7)", "(7)", "x (", ")"]
)


@given(st.lists(st.tuples(st.just(1_767_225_600_000), st.just("shards_moved"), TEXTS, TEXTS, TEXTS, TEXTS)))
def test_texts_arrive_as_they_were_however_they_end(
    rows: list[tuple[int, str, str, str, str, str]]
) -> None:
    packet = full(SceneBuilder().build(moment(topology([member(1)]))), 1, rows)
    assert event_rows(packet.head) == [list(row) for row in rows]


def test_moved_shards_are_named_and_their_nodes_sent_once() -> None:
    def which(n: int, home: int) -> str:
        return f"1 shard on node-{home % 50} ({n})"

    rows = [(1_767_225_600_000, "shards_moved", "cart", which(n, n), which(n, n + 1), "node-1") for n in range(9_900, 10_000)]
    packet = full(SceneBuilder().build(moment(topology([member(1)]))), 1, rows)
    assert event_rows(packet.head) == [list(row) for row in rows]
    assert len(json.dumps(packet.head["events"])) < 60 * len(rows)  # its five places take 30 bytes, its number in brackets 11


def test_a_story_is_one_full_state_and_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    builder, story = SceneBuilder(), Story()
    for leader in (1, 1, 2, 1):
        story.add(builder.build(moment(topology([member(1), member(2)], leader=leader))))
    heads = [packet.head for packet in story.packets]
    assert [(head["kind"], head["sequence"]) for head in heads] == [("full", 1), ("delta", 2), ("delta", 3)]
    monkeypatch.setattr("casty_notebook.views.live.deltas.MOST_PAST", 3)
    story.add(builder.build(moment(topology([member(1), member(2)], leader=2))))
    (head,) = (packet.head for packet in story.packets)
    assert (head["kind"], head["sequence"], head["forgotten"]) == ("full", 4, 3)
