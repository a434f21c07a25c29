"""Shards that lost their owner are counted until they have one again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from casty_notebook.topology.history import History
from tests.support.topologies import member, owned_by, topology

START = datetime(2026, 1, 2, tzinfo=UTC)


def shop(*shards: int) -> object:
    return topology([member(1)], shards={"cart": {shard: owned_by(1) for shard in shards}} if shards else {})


def test_a_history_says_how_many_shards_are_without_an_owner_at_each_moment() -> None:
    history = History()
    for second, shards in enumerate([(0, 1, 2), (0, 1, 2, 9), (1, 9), (), (0, 1, 2, 9), (0, 1, 2, 3, 9)]):
        history.note(START + timedelta(seconds=second), shop(*shards))  # type: ignore[arg-type]
    assert [(record.ownerless or {}).get("cart", 0) for record in history.records] == [0, 0, 2, 4, 0, 0]


def test_a_copy_of_a_part_still_knows_of_the_shards_from_before() -> None:
    history = History()
    for second, shards in enumerate([(0, 1, 2), (1,), (1, 2)]):
        history.note(START + timedelta(seconds=second), shop(*shards))  # type: ignore[arg-type]
    copied = History.restored(history.records[1:], ())
    assert [record.ownerless for record in copied.records] == [{"cart": 2}, {"cart": 1}]
