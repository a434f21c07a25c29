"""Shards that lost their owner are counted until they have one again."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

import pytest

from casty_notebook.topology import owned_once
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.owned_once import OwnedOnce
from casty_notebook.topology.shard_columns import ShardColumn
from tests.support.topologies import member, owned_by, topology

START = datetime(2026, 1, 2, tzinfo=UTC)


def shop(*shards: int) -> object:
    return topology([member(1)], shards={"cart": {shard: owned_by(1) for shard in shards}} if shards else {})


def test_a_history_says_how_many_shards_are_without_an_owner_at_each_moment() -> None:
    history = History()
    for second, shards in enumerate([(0, 1, 2), (0, 1, 2, 9), (1, 9), (), (0, 1, 2, 9), (0, 1, 2, 3, 9)]):
        history.note(Moment(START + timedelta(seconds=second), shop(*shards)))  # type: ignore[arg-type]
    assert [(record.ownerless or {}).get("cart", 0) for record in history.moments] == [0, 0, 2, 4, 0, 0]


def test_a_copy_of_a_part_still_knows_of_the_shards_from_before() -> None:
    history = History()
    for second, shards in enumerate([(0, 1, 2), (1,), (1, 2)]):
        history.note(Moment(START + timedelta(seconds=second), shop(*shards)))  # type: ignore[arg-type]
    copied = History.restored(history.moments[1:], ())
    assert [record.ownerless for record in copied.moments] == [{"cart": 2}, {"cart": 1}]


def columns(**ids: range | array[int]) -> dict[str, ShardColumn]:
    return {name: ShardColumn(numbers, array("H"), ()) for name, numbers in ids.items()}


def test_types_that_are_listed_no_more_are_forgotten_beyond_a_bound_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_once, "MAX_TYPES", 3)
    once = OwnedOnce()
    for turn in range(10):
        missing = once.note(columns(cart=range(5), **{f"type-{turn}": range(2)}))
    assert missing == {"type-8": 2}


def test_ids_are_forgotten_beyond_a_bound_those_that_are_listed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_once, "MAX_IDS", 100)
    once = OwnedOnce()
    once.note(columns(gone=range(60)))
    assert once.note(columns(cart=range(40))) == {"gone": 60}
    assert once.note(columns(cart=range(41))) == {}
    assert once.note(columns(cart=range(200, 270))) == {}
    assert once.note(columns(cart=range(200, 210))) == {"cart": 60}
