"""Names of nodes and their order."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.topology.names import member_at, name_of, natural
from casty_notebook.topology.snapshot import MemberStatus
from tests.support.topologies import member, node


def test_runs_of_digits_are_read_as_numbers() -> None:
    names = ["node-10", "node-9", "node-1", "10", "9", "alpha"]
    assert sorted(names, key=natural) == ["9", "10", "alpha", "node-1", "node-9", "node-10"]


def test_a_number_longer_than_python_reads_is_a_name_like_any_other() -> None:
    assert natural("9" * 5000) < natural("1" + "0" * 5000)


@given(st.lists(st.text(alphabet=st.sampled_from("aB01²٣-. "), max_size=8)))
def test_any_names_can_be_sorted_and_only_equal_ones_tie(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=natural) == sorted(names, key=natural)


def by_parts(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """The order in other words: texts and numbers, one after the other."""
    parts = re.split("([0-9]+)", name.casefold())
    return [(len(part.lstrip("0")), part.lstrip("0")) if place % 2 else part for place, part in enumerate(parts)], name


@given(st.lists(st.text(alphabet=st.sampled_from("aAbB0129²٣-. ~é"), max_size=9), max_size=12))
def test_names_are_compared_part_by_part(names: list[str]) -> None:
    assert sorted(names, key=natural) == sorted(names, key=by_parts)


def test_members_come_in_natural_order() -> None:
    assert [each.id for each in member_at([member(10), member(2)]).values()] == ["node-2", "node-10"]


def test_of_two_members_at_one_address_the_one_furthest_in_its_life_counts() -> None:
    assert member_at([member(1, MemberStatus.down, name="a"), member(1, name="b")])[node(1)].id == "a"


def test_a_node_that_is_no_member_goes_by_its_address() -> None:
    assert name_of(node(9), member_at([member(1)])) == "10.0.1.9:25520"
    assert name_of(node(1), member_at([member(1)])) == "node-1"
