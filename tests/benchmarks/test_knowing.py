"""The groups that need no network run, and their figures are where the goals look for them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.benchmarks import growing, tables, widgets
from tests.benchmarks.measuring import exponent
from tests.benchmarks.synthetic import snapshot_of


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (tables, {("40,000 shards", "ours"), ("40,000 shards", "plain")}),
        (widgets, {("update, 10,000 shards, 1 % changed", "ours"), ("updates a second, 10,000 shards, 1 % changed", "ours")}),
    ],
    ids=lambda value: getattr(value, "GROUP", ""),
)
def test_a_tiny_round_measures_what_the_goals_are_about(module: object, wanted: set[tuple[str, str]]) -> None:
    figures = list(module.measure(0.05))  # type: ignore[attr-defined]
    assert {(figure.name, figure.side) for figure in figures} >= wanted
    assert len({(figure.name, figure.side) for figure in figures}) == len(figures), "each once a round"
    assert all(figure.value > 0 and figure.group == module.GROUP for figure in figures)  # type: ignore[attr-defined]


def test_every_step_has_a_cost_at_a_small_size() -> None:
    assert all(cost > 0 for cost in growing.costs(3, 100, 1).values())


def test_what_grows_with_the_square_has_the_exponent_two() -> None:
    assert exponent([1, 10, 100, 1000], [7.0, 7.0, 1e4, 1e6]) == pytest.approx(2)


def test_from_version_to_version_one_shard_in_a_hundred_moves() -> None:
    nodes = [(f"10.0.0.{number}", 1) for number in range(5)]
    versions = [snapshot_of(nodes, 2, 200, version).shard_allocations for version in range(102)]
    for before, after in pairwise(versions):
        for name in before:
            assert sum(before[name][shard] != after[name][shard] for shard in before[name]) == 2
