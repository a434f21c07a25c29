"""A column of shards is, to whoever reads it, the dict that it was made of."""

from __future__ import annotations

import copy
import pickle
from array import array
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.topology.shard_columns import ShardAllocation, ShardColumn, as_column, in_column
from tests.support.topologies import node, owned_by, topology

allocations = st.builds(
    ShardAllocation, st.integers(1, 4).map(node), st.lists(st.integers(1, 4).map(node), max_size=2).map(tuple)
)
ids = st.integers(-3, 12) | st.integers(-(2**31) - 2, 2**31 + 2) | st.integers(-(2**63), 2**63 - 1)
tables = st.dictionaries(ids, allocations, max_size=12)
anything = (
    ids | st.floats() | st.booleans() | st.none() | st.text(max_size=3) | st.just(10**30) | st.fractions() | st.complex_numbers()
)


def column(table: Mapping[int, ShardAllocation]) -> ShardColumn:
    made = in_column(table)
    assert isinstance(made, ShardColumn)
    return made


# --- as a mapping -----------------------------------------------------------------------------------------------------


@given(tables)
def test_it_holds_what_the_dict_held_in_ascending_order(table: dict[int, ShardAllocation]) -> None:
    made, in_order = column(table), dict(sorted(table.items()))
    assert isinstance(made, Mapping)
    assert (len(made), bool(made)) == (len(table), bool(table))
    assert list(made) == list(made.keys()) == list(in_order)
    assert list(made.values()) == list(in_order.values())
    assert list(made.items()) == list(in_order.items())
    assert list(reversed(made)) == list(reversed(in_order))
    assert list(reversed(made.keys())) == list(reversed(in_order))
    assert list(reversed(made.values())) == list(reversed(in_order.values()))
    assert list(reversed(made.items())) == list(reversed(in_order.items()))
    assert made.keys() == table.keys()
    assert set(made.items()) == set(table.items())
    assert dict(made) == {**made} == table


@given(tables, anything, allocations)
def test_it_is_looked_up_as_the_dict_is(table: dict[int, ShardAllocation], key: Any, allocation: ShardAllocation) -> None:
    made = column(table)
    for shard in (key, *table, *map(float, table)):
        assert (shard in made) == (shard in table)
        assert made.get(shard) == table.get(shard)
        assert made.get(shard, "none") == table.get(shard, "none")
        assert (shard in made.keys()) == (shard in table)  # noqa: SIM118 - the view is what is looked at
        assert ((shard, allocation) in made.items()) == ((shard, allocation) in table.items())
        if shard in table:
            assert made[shard] == table[shard]
        else:
            with pytest.raises(KeyError) as error:
                made[shard]
            assert error.value.args == (shard,) or shard != shard
    assert (allocation in made.values()) == (allocation in table.values())


def test_numbers_of_numpy_and_fractions_find_what_they_equal_and_lists_are_no_keys() -> None:
    made = column({3: owned_by(1), 9: owned_by(2)})
    assert made[np.int64(9)] == made[np.uint8(9)] == made[Fraction(9)] == owned_by(2)  # type: ignore[index]
    odd: Any = []
    for ask in (lambda: odd in made, lambda: made.get(odd), lambda: made[odd]):
        with pytest.raises(TypeError, match="unhashable"):
            ask()


@given(tables, tables)
def test_it_equals_what_the_dict_equals(one: dict[int, ShardAllocation], other: dict[int, ShardAllocation]) -> None:
    first, second = column(one), column(other)
    assert (first == second) == (first == other) == (one == second) == (one == other)
    assert (first != second) == (one != other)
    assert first == column(dict(reversed(one.items())))
    assert first != list(one.items())
    assert first != sorted(one)


def test_it_equals_itself() -> None:
    made = the_same = column({3: owned_by(1)})
    assert made == the_same


def test_equal_placements_in_another_order_are_equal() -> None:
    here, there = owned_by(1), owned_by(2, 3)
    one = ShardColumn(range(3), array("B", [0, 1, 0]), (here, there))
    assert one == ShardColumn(range(3), array("B", [1, 0, 1]), (there, here))
    assert one != ShardColumn(range(3), array("B", [0, 1, 0]), (there, here))
    assert one == ShardColumn(range(3), array("H", [1, 0, 1]), (there, here))
    assert one != ShardColumn(range(3), array("B", [1, 0, 0]), (there, here))
    assert one != ShardColumn(range(3), array("B", [1, 0, 1]), (there, owned_by(7)))
    assert one != ShardColumn(range(3), array("B", [0, 0, 0]), (here,))


def test_it_cannot_be_a_key_nor_be_changed() -> None:
    made: Any = column({1: owned_by(1)})
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)
    with pytest.raises(TypeError):
        made[1] = owned_by(2)


@given(tables)
def test_copies_and_pickles_are_the_same(table: dict[int, ShardAllocation]) -> None:
    made = column(table)
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert type(again) is ShardColumn
        assert again == made == table


def test_it_is_shown_in_a_line_however_long_it_is() -> None:
    assert repr(column({})) == "<ShardColumn: 0 shards>"
    assert repr(column({7: owned_by(1)})) == "<ShardColumn: 1 shard (7) on 1 node>"
    many = column({shard: owned_by(1 + shard % 3, 4) for shard in range(10_000)})
    assert repr(many) == "<ShardColumn: 10,000 shards (0 to 9,999) on 3 nodes>"


# --- as columns -------------------------------------------------------------------------------------------------------


@given(tables)
def test_ids_ascend_codes_are_narrow_and_every_placement_is_there_once(table: dict[int, ShardAllocation]) -> None:
    made = column(table)
    assert list(made.ids) == sorted(table)
    assert isinstance(made.ids, range) == (not table or max(table) - min(table) + 1 == len(table))
    assert len(set(made.placements)) == len(made.placements)
    assert set(made.codes) == set(range(len(made.placements)))
    assert made.codes.typecode == "B"
    assert dict(made.counts()) == {each: list(table.values()).count(each) for each in table.values()}


@pytest.mark.parametrize(("kinds", "code"), [(256, "B"), (257, "H"), (65_536, "H"), (65_537, "I")])
def test_codes_are_as_wide_as_the_placements_are_many(kinds: int, code: str) -> None:
    made = column({shard: ShardAllocation(node(1), (node(shard),)) for shard in range(kinds)})
    assert made.codes.typecode == code
    assert made[kinds - 1].replicas == (node(kinds - 1),)


def test_ten_thousand_shards_are_a_hundredth_of_what_a_dict_of_them_takes() -> None:
    owners = [owned_by(number) for number in range(1, 4)]
    dense = column({shard: owners[shard % 3] for shard in range(10_000)})
    assert dense.size < 12_000
    assert column({2 * shard: owners[shard % 3] for shard in range(10_000)}).size < 52_000
    assert column({2**40 * shard: owners[shard % 3] for shard in range(10_000)}).size < 92_000


def test_ids_beyond_64_bits_keep_the_dict_and_cost_no_other_shard_where_columns_must_be() -> None:
    table = {10**30: owned_by(1), 7: owned_by(2), -(10**30): owned_by(3)}
    assert in_column(table) is table
    assert as_column(table) == {2**63 - 1: owned_by(1), 7: owned_by(2), -(2**63): owned_by(3)}


def test_a_snapshot_in_columns_is_the_same_snapshot_and_stays_itself() -> None:
    plain = topology(shards={"cart": {0: owned_by(1), 1: owned_by(2)}, "odd": {10**30: owned_by(1)}})
    made = plain.in_columns()
    assert made == plain
    assert isinstance(made.shard_allocations["cart"], ShardColumn)
    assert made.in_columns() is made
