"""What shard ids tell of a number of shards that is nowhere on the wire: said where it is likely, and in which words."""

from __future__ import annotations

import pytest

from casty_notebook.backends.sharded.session.census import Census, too_few, too_many


@pytest.mark.parametrize(("shards", "beyond"), [(range(10), 0), ([9], 0), ([10], 1), ([0, 9, 10, 11], 2)])
def test_shards_from_the_number_given_on_are_beyond_it(shards: list[int], beyond: int) -> None:
    text = too_few("counter", 10, shards)
    assert (text is not None) is (beyond > 0)
    assert text is None or f"{beyond} of its {len(shards)} shards lie beyond" in text
    census = Census("counter", 10)
    census.count(shards)
    assert len(census.news()) == (beyond > 0)


def test_many_shards_beyond_make_the_number_given_probably_wrong_and_few_leave_it_open() -> None:
    assert "shard 39 of 'counter'" in (many := str(too_few("counter", 10, range(40))))
    assert "the number given is probably too small" in many
    assert "30 of its 40 shards lie beyond that (30.0 would, if all used 40)" in many
    few = str(too_few("counter", 10, [*range(10), 12]))
    assert "one of the numbers is wrong" in few
    assert "1 of its 11 shards lie beyond that (2.5 would, if all used 13)" in few


def test_shards_that_all_lie_low_make_a_smaller_number_likely_from_the_highest_on() -> None:
    text = str(too_many("counter", 100, range(20)))
    assert "all lie below 20" in text
    assert "(from 20 on)" in text


@pytest.mark.parametrize("shards", [[], [0], [1, 40], [99], range(100)])
def test_a_few_shards_or_high_ones_say_nothing(shards: list[int]) -> None:
    assert too_many("counter", 100, shards) is None


def test_shards_that_we_asked_for_ourselves_are_no_sign_and_others_beside_them_are() -> None:
    assert too_many("counter", 100, range(20), frozenset(range(20))) is None
    text = str(too_many("counter", 100, [*range(20), 99], frozenset({99})))
    assert "the 20 that others use all lie below 20" in text


def test_each_thing_is_said_once() -> None:
    census = Census("counter", 100)
    for _ in range(3):
        census.count(range(20))
        census.count([*range(20), 100])
    assert census.has_news
    assert len(census.news()) == 2
    census.count(range(20))
    assert not census.has_news
    assert census.news() == []
