"""Histories as trees, and trees that somebody else made."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.errors import InvalidRecording
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.history import History
from casty_notebook.topology.kinds import SHARDED, VIRTUAL
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.recording_format import Label, read_history, write_history
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.topology.test_history import DOWN, LIVE, after, snapshots

LABEL = Label("prod", "shop", "casty://shop@10.0.1.1:25520", {"cart": 4})


def sample() -> History:
    history = History()
    for second, owner in enumerate((1, 2, 2, 3)):
        snapshot = topology(
            [member(1), member(2, name=HOSTILE)], leader=owner % 2 + 1, unreachable=[2] if second == 3 else [], epoch=second,
            shards={"cart": {shard: owned_by(owner, 1) for shard in range(4)}, "odd": {-5: owned_by(1), 10**12: owned_by(2)}},
            services=[ServiceEntry("pay", node(1), "/pay")] * (second > 0),
        )  # fmt: skip
        health = {node(1): LIVE, node(2): DOWN if second == 3 else LIVE}
        history.note(Moment(after(second), snapshot, health), node(1))
    return history


def tree() -> dict[str, Any]:
    return write_history(sample(), LABEL)


def same(one: History, other: History) -> None:
    assert one.moments == other.moments
    assert list(one.events) == list(other.events)


def test_what_was_written_is_read() -> None:
    history, label = read_history(tree())
    same(history, sample())
    assert label == LABEL
    assert {event.says for event in history.events} == {"", "node-1"}


def test_one_from_before_it_was_written_who_told_what_is_read() -> None:
    older = tree()
    del older["says"]
    history, _ = read_history(older)
    assert {event.says for event in history.events} == {""}


@given(st.lists(snapshots, max_size=5))
def test_any_history_survives(topologies: list[TopologySnapshot]) -> None:
    history = History()
    for second, snapshot in enumerate(topologies):
        history.note(Moment(after(second), snapshot, {node(1): NodeHealth(list(LinkState)[second % 4], reason="why")}))
    same(read_history(write_history(history, LABEL))[0], history)


def test_what_repeats_is_written_once() -> None:
    written = tree()
    assert len(written["records"]) == 3, "of four moments, two of which show the same"
    assert len(written["columns"]) == 4, "three of carts, one odd"
    assert len(written["members"]) == 2


def test_text_that_is_no_unicode_is_written_all_the_same() -> None:
    history = History()
    history.note(Moment(after(0), topology([member(1, name="a\ud800b")])))
    history, _ = read_history(write_history(history, LABEL))
    assert [each.id for each in history.moments[0].snapshot.members] == ["a\\ud800b"]


def broken(*path: Any, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(tree())
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (None, "not a recording"),
        ([1], "not a recording"),
        ({}, "not a recording"),
        (broken("version", value=3), "version 3; this casty_notebook reads versions 1 and 2"),
        (broken("nodes", 0, value=["bad host", 1]), "cannot be a host"),
        (broken("nodes", 0, value=["h", 99_999]), "not a port"),
        (broken("members", 0, 1, value="ruling"), "damaged"),
        (broken("members", 0, 0, value=-1), "below 0"),
        (broken("members", 0, 0, value=10_000), "damaged"),
        (broken("members", 0, 3, value=7), "not a text"),
        (broken("placements", 0, value=[]), "damaged"),
        (broken("columns", 0, "count", value=10**15), "at most 5,000,000 are read"),
        (broken("columns", 0, "count", value=10**6), "does not have that length"),
        (broken("columns", 0, "codes", value=b"\xff\xff\xff\xff" * 4), "names placement 4294967295"),
        (broken("columns", 0, "codes", value="text"), "does not have that length"),
        (broken("columns", 1, "ids", value=b"\0" * 16), "a shard twice"),
        (broken("records", 0, "shards", value={"cart": True}), "not a number"),
        (broken("records", 0, "time", value=2**63), "damaged"),
        (broken("records", 2, "time", value=0), "not in order"),
        (broken("records", 0, "health", value=[[0, "glowing", "", None]]), "glowing"),
        (broken("events", 0, 1, value="exec"), "exec"),
        (broken("events", 0, value=[1, 2]), "damaged"),
        (broken("says", value=["node-1"] * 99), "damaged"),
        (broken("says", 0, value=7), "not a text"),
        (broken("records", value=7), "damaged"),
        (broken("label", "shard_counts", value={"cart": -1}), "below 0"),
    ],
)
def test_what_cannot_be_is_refused_and_said(wrong: Any, complaint: str) -> None:
    with pytest.raises(InvalidRecording) as error:
        read_history(wrong)
    assert complaint in str(error.value)


garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
def test_garbage_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    made = tree()
    place: Any = made
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(garbage)
            break
        place = inner
    try:
        history, _ = read_history(made)
    except InvalidRecording:
        return
    for record in history.moments:
        assert record.snapshot.shard_allocations is not None
        assert record.time.tzinfo is datetime.UTC


def test_a_virtual_cluster_comes_back_with_lives_opinions_and_shares() -> None:
    here, there = NodeAddress("10.0.1.1", 1), NodeAddress("10.0.1.2", 1)
    said = ((here, MemberStatus.alive), (there, MemberStatus.suspect))
    member = Member(here, MemberStatus.suspect, frozenset(), "node-1", "ab" * 16, said, 0.25, 0.75)
    slices = {"ring": {number: ShardAllocation(here, (there,)) for number in range(8)}}
    snapshot = TopologySnapshot(frozenset({member}), None, slices, 0, kind=VIRTUAL)
    history = History()
    history.note(Moment(after(1), snapshot))
    back, _ = read_history(write_history(history, LABEL))
    assert back.moments[0].snapshot == snapshot
    assert back.moments[0].snapshot.kind is VIRTUAL


def test_recordings_of_the_first_version_are_read_as_those_of_sharded_clusters() -> None:
    old = tree()
    old["version"] = 1
    for record in old["records"]:
        del record["kind"]
    for row in old["members"]:
        del row[4:]
    history, _ = read_history(old)
    assert {record.snapshot.kind for record in history.moments} == {SHARDED}
