"""Braces in targets: ranges, values, collections, and the bound on how many."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from IPython.core.error import UsageError

from casty_notebook.magics.targets import MAX_TARGETS, TargetPattern, expand

NAMES = {"user": "ann", "users": ["ann", "bob"], "none": [], "number": 7, "raw": b"x"}


def expanded(*texts: str) -> tuple[str, ...]:
    return expand(map(TargetPattern, texts), lambda source: eval(source, dict(NAMES)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("counter/x", ("counter/x",)),
        ("counter/{user}", ("counter/ann",)),
        ("counter/{users}", ("counter/ann", "counter/bob")),
        ("counter/{number}-{user}", ("counter/7-ann",)),
        ("counter/u-{1..3}", ("counter/u-1", "counter/u-2", "counter/u-3")),
        ("counter/u-{08..10}", ("counter/u-08", "counter/u-09", "counter/u-10")),
        ("counter/u-{3..1}", ("counter/u-3", "counter/u-2", "counter/u-1")),
        ("counter/{ {'a': 1}['a'] }", ("counter/1",)),
    ],
)
def test_braces_stand_for_values(text: str, expected: tuple[str, ...]) -> None:
    assert expanded(text) == expected


@pytest.mark.parametrize("value", [42.0, np.float64(42.0), True, None, float("nan"), pd.NA, b"x", "", Decimal(42), object()])
def test_values_whose_text_would_be_a_guess_are_refused_alone_and_in_a_collection(value: object) -> None:
    for found in (value, [value], pd.Series([value], dtype=object)):
        with pytest.raises(UsageError, match=r"\{found\}( at place 0)? is "):
            expand([TargetPattern("counter/{found}")], {"found": found}.get)


def test_a_column_of_whole_numbers_that_had_a_gap_is_told_how_to_be_whole_again() -> None:
    with pytest.raises(UsageError, match=r"astype\('Int64'\) makes it 42"):
        expand([TargetPattern("counter/{ids}")], {"ids": pd.Series([42, None]).dropna()}.get)
    whole = pd.Series([42, None]).dropna().astype("Int64")
    assert expand([TargetPattern("counter/{ids}")], {"ids": whole}.get) == ("counter/42",)


def test_a_range_is_not_evaluated() -> None:
    def refuse(source: str) -> object:
        raise AssertionError(source)

    assert len(expand([TargetPattern("c/{1..5}")], refuse)) == 5


def test_repeats_are_asked_once_in_the_order_of_first_mention() -> None:
    assert expanded("c/{users}", "c/bob", "c/cy") == ("c/ann", "c/bob", "c/cy")


def test_a_literal_target_keeps_its_braces() -> None:
    assert expand([TargetPattern("c/{user", literal=True)], eval) == ("c/{user",)


@pytest.mark.parametrize("text", ["c/{none}", "c/{user", "c/{1..999999999}"])
def test_nothing_too_much_or_half_a_brace_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        expanded(text)


def test_an_endless_collection_stops_at_the_bound() -> None:
    with pytest.raises(UsageError, match=f"{MAX_TARGETS:,}"):
        expand([TargetPattern("c/{endless}")], lambda _: itertools.count())
