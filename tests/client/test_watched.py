"""A series of points: bounded, with its last change, and what is new since a page last looked."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.client.watched import Point, Series
from casty_notebook.client.watching import Pace
from casty_notebook.errors import MisuseError

BEGAN = datetime(2026, 11, 27, tzinfo=UTC)


def point(second: int, value: Any = None, error: str | None = None) -> Point:
    return Point(BEGAN + timedelta(seconds=second), value, None, 0.001, "node-1", error)


def test_the_last_change_is_between_two_answers_whatever_failed_between_them() -> None:
    series = Series("counter/a", keep=10)
    for at, (value, error) in enumerate([(1, None), (None, "AskTimeout"), (1, None), (None, "AskTimeout"), (2, None), (2, None)]):
        series.add(point(at, value, error), reply=value)
    assert (series.before, series.changed_at) == (1, BEGAN + timedelta(seconds=4))
    assert (series.asked, series.failed, series.reply) == (6, 2, 2)
    series.add(point(6, error="AskTimeout"))
    assert series.latest is not None
    assert series.answered is not None
    assert (series.latest.error, series.answered.value, series.reply) == ("AskTimeout", 2, 2)


def test_one_and_true_are_not_the_same_value() -> None:
    series = Series("counter/a", keep=10)
    series.add(point(0, 1), 1)
    series.add(point(1, True), True)
    assert series.changed_at == BEGAN + timedelta(seconds=1)


@pytest.mark.parametrize("value", [float("nan"), Decimal("sNaN"), "text", None, 10**18])
def test_what_stays_as_it_was_has_not_changed_whatever_it_is(value: Any) -> None:
    series = Series("counter/a", keep=10)
    for at in range(3):
        series.add(point(at, copy(value)), value)
    assert series.changed_at is None


@given(keep=st.integers(2, 8), before=st.integers(0, 20), more=st.integers(0, 20))
def test_what_is_new_is_what_was_added_since_as_far_as_it_is_kept(keep: int, before: int, more: int) -> None:
    series = Series("counter/a", keep)
    for at in range(before + more):
        series.add(point(at, at), at)
    new = [each.value for each in series.since(before)]
    assert new == list(range(before, before + more))[-keep:]
    assert len(series.points) == min(keep, before + more)


def test_a_pace_that_a_cluster_would_feel_is_refused() -> None:
    assert Pace.of(100, 1.0, None, 1_000).keep == 500  # 50,000 points of all together
    for arguments, said in [
        ((0, 1.0, None, 10), "from 1 to 100 targets"),
        ((101, 1.0, None, 10), "ask_many asks many at once"),
        ((50, 0.1, None, 10), "500 asks a second"),
        ((1, 0, None, 10), "every"),
        ((1, 1.0, -1, 10), "seconds"),
        ((1, 1.0, None, 1), "keep"),
    ]:
        with pytest.raises(MisuseError, match=said):
            Pace.of(*arguments)
