"""A wall clock that is set back, ahead or slowed down: what is remembered stays in order, and can be looked back at."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import MisuseError
from casty_notebook.views.past.clock import SteadyClock
from tests.support.waiting import wait_until

NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


class Clocks:
    """A wall clock that can be set, and a steady one."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 100.0
        self.told = SteadyClock(lambda: self.wall, lambda: self.steady)

    def go(self, seconds: float, *, set_by: datetime.timedelta = datetime.timedelta(0)) -> datetime.datetime:
        self.wall += datetime.timedelta(seconds=seconds) + set_by
        self.steady += seconds
        return self.told()


def test_it_is_the_wall_clock_as_long_as_that_goes_on() -> None:
    clocks = Clocks()
    assert clocks.go(5) == clocks.wall
    assert clocks.go(5, set_by=HOUR) == clocks.wall, "set ahead, or woken from sleep, which a steady clock does not count"
    assert clocks.told.ahead == datetime.timedelta(0)


def test_a_clock_that_was_set_back_goes_on_from_where_it_was() -> None:
    clocks = Clocks()
    before = clocks.go(5)
    assert clocks.go(10, set_by=-HOUR) == before + datetime.timedelta(seconds=10)
    assert clocks.go(10) == before + datetime.timedelta(seconds=20)
    assert clocks.told.ahead == HOUR
    assert clocks.go(0, set_by=2 * HOUR) == clocks.wall


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e4, 1e4))))
def test_it_never_goes_back(steps: list[tuple[float, float]]) -> None:
    clocks = Clocks()
    times = [clocks.go(seconds, set_by=datetime.timedelta(seconds=by)) for seconds, by in steps]
    assert times == sorted(times)


@pytest.fixture
def followed(demo_cluster: DemoCluster) -> Iterator[Cluster]:
    with connect(demo_cluster.uri, name="set-back") as cluster:
        yield cluster


def test_a_cluster_can_be_looked_back_at_after_its_clock_was_set_back(followed: Cluster) -> None:
    clocks, records = followed._recorder.clock, followed._recorder.history.moments
    began = records[0].time
    right = clocks._wall
    clocks._wall = lambda: right() - HOUR
    wait_until(lambda: followed.clock - began > datetime.timedelta(seconds=0.5))
    assert followed.clock - right() < datetime.timedelta(minutes=1)
    assert followed.at(-0.1).members == followed.at(0).members
    assert followed.diff(-0.1).empty
    assert followed.at(right() - HOUR).members == followed.at(0).members, "by the wall clock, as it is now"
    with pytest.raises(MisuseError, match="before all that is remembered"):
        followed.at(-600)
