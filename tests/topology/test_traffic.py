"""Rates of asks: nothing is lost or counted twice, memory is bounded, percentiles are right to within a step, failures last."""

from __future__ import annotations

import math
import random
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.errors import AskTimeout, ClientClosed, FailureReport, UndecodableMessage, UnsendableMessage
from casty_notebook.topology import traffic
from casty_notebook.topology.traffic import BUCKET, Traffic, TrafficRow, failing, new_lane
from tests.support.topologies import node

STEP = 2 ** (1 / traffic.STEPS)


def lanes_of(*nodes: int) -> dict[int, tuple[NodeAddress | None, traffic.Lane]]:
    return {number: (node(number), new_lane()) for number in nodes}


def timed_out(number: int, elapsed: float) -> AskTimeout:
    return AskTimeout(FailureReport("counter/a", "no answer came.", owner=str(node(number)), elapsed=elapsed))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab"), st.floats(0.0, 30.0), st.booleans()), max_size=200), st.data()
)
def test_what_is_asked_is_counted_once_whenever_it_is_rolled_and_however_wide_it_is_shown(
    asks: list[tuple[int, str, float, bool]], data: st.DataObject
) -> None:
    lanes, now = lanes_of(1, 2, 3), 100.0
    counted = Traffic(now)
    expected: Counter[tuple[object, str, str | None]] = Counter()
    for number, kind, later, answered in asks:
        now += later / 10
        if now >= counted.ends:
            counted.roll(now, lanes.values())
        if answered:
            lanes[number][1][kind].append(later)
        else:
            counted.failed(kind, timed_out(number, later))
        expected[node(number), kind, None if answered else "AskTimeout"] += 1
    for every in (BUCKET, data.draw(st.floats(1.0, 500.0)), 1e6):
        rows = counted.history(now, lanes.values()).rows(every=every)
        found: Counter[tuple[object, str, str | None]] = Counter()
        for row in rows:
            found[row.node, row.kind, row.cause] += row.count
            assert 0.0 <= row.age <= now - 100.0 + 1e-6
            assert row.seconds > 0.0
        assert found == expected
        assert [row.age for row in rows] == sorted((row.age for row in rows), reverse=True)


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=300))
def test_percentiles_are_right_to_within_one_step(latencies: list[float]) -> None:
    (here,) = lanes_of(1).values()
    here[1]["a"].extend(latencies)
    (row,) = Traffic(0.0).history(1.0, [here]).rows()
    ordered = sorted(latencies)
    for part, found in ((0.5, row.p50), (0.99, row.p99)):
        exact = ordered[max(1, math.ceil(part * len(ordered))) - 1]
        assert exact / STEP <= found <= exact * STEP


def test_times_beyond_the_scale_are_counted_too() -> None:
    (here,) = lanes_of(1).values()
    here[1]["a"].extend([0.0, 1e-12, 1e9])
    assert [row.count for row in Traffic(0.0).history(1.0, [here]).rows()] == [3]


def test_reading_takes_nothing_away_and_a_roll_empties_the_lanes() -> None:
    here, counted = lanes_of(1)[1], Traffic(0.0)
    here[1]["a"].append(0.1)
    assert counted.history(1.0, [here]).rows() == counted.history(1.0, [here]).rows()
    counted.roll(6.0, [here])
    assert not here[1]
    counted.roll(20.0, [here])
    (row,) = counted.history(21.0, [here]).rows()
    assert (row.count, row.age, row.seconds) == (1, 21.0, 6.0)


def test_an_hour_and_so_many_cells_are_kept_and_the_oldest_go() -> None:
    here, counted = lanes_of(1)[1], Traffic(0.0)
    for turn in range(1, traffic.MOST_BUCKETS + 10):
        here[1]["a"].append(0.1)
        counted.roll(turn * BUCKET, [here])
    assert sum(row.count for row in counted.history(turn * BUCKET, [here]).rows()) == traffic.MOST_BUCKETS
    crowded = Traffic(0.0)
    for turn in range(1, 40):
        for kind in range(traffic.MOST_A_BUCKET + 500):
            here[1][f"/user/{kind}"].append(0.1)
        crowded.roll(turn * BUCKET, [here])
    rows = crowded.history(turn * BUCKET, [here]).rows()
    assert len(rows) <= traffic.MOST_CELLS + traffic.MOST_A_BUCKET + 1
    assert {row.count for row in rows if row.kind == traffic.OTHERS} == {500}


def test_a_type_is_called_as_people_call_it() -> None:
    here = lanes_of(1)[1]
    here[1]["/_region-counter"].append(0.1)
    counted = Traffic(0.0, spoken=lambda kind: kind.removeprefix("/_region-"))
    counted.failed("/_region-counter", timed_out(1, 5.0))
    assert [(row.kind, row.cause) for row in counted.history(1.0, [here]).rows()] == [
        ("counter", None),
        ("counter", "AskTimeout"),
    ]


def test_what_the_user_did_himself_is_no_failure_of_the_cluster() -> None:
    counted = Traffic(0.0)
    counted.failed("counter", ClientClosed(FailureReport("counter/a", "the client was closed.")))
    counted.failed("counter", UnsendableMessage("a lock cannot be sent"))
    counted.failed("counter", UndecodableMessage("too deep"))
    counted.failed("counter", AskTimeout(FailureReport("counter/a", "held.", owner="no address")))
    rows = counted.history(1.0, []).rows()
    assert [(each.node, each.cause) for each in rows] == [(None, "UndecodableMessage"), (None, "AskTimeout")]


def row(age: float, count: int, cause: str | None = None, number: int = 1) -> TrafficRow:
    return TrafficRow(age, 5.0, node(number), "counter", cause, count, 0.1, 0.1)


def test_what_fails_is_told_by_node_and_type_with_its_causes() -> None:
    rows = [
        row(80, 50, "AskTimeout"), row(30, 10), row(30, 2, "AskTimeout"), row(20, 3, "NodeUnreachable"), row(5, 1, "AskTimeout"),
        row(5, 9, number=2),
    ]  # fmt: skip
    (found,) = failing(rows, 60.0)
    assert (found.node, found.kind, found.asked, found.failed) == (node(1), "counter", 16, 6)
    assert (found.since, found.last, found.stretches) == (30, 5, 3)
    assert found.causes == (("AskTimeout", 3), ("NodeUnreachable", 3))


def test_a_hundred_thousand_answers_are_rolled() -> None:
    here, chance = lanes_of(1)[1], random.Random(3)
    here[1]["a"].extend(chance.lognormvariate(-6, 1) for _ in range(100_000))
    counted = Traffic(0.0)
    counted.roll(5.0, [here])
    (found,) = counted.history(6.0, [here]).rows()
    assert found.count == 100_000
    assert found.p50 == pytest.approx(math.exp(-6), rel=0.1)


def test_failures_take_room_by_what_they_are_not_by_how_many_they_are() -> None:
    """Ten thousand asks that time out within one bucket, and names without end, are when memory must not grow."""
    counted, lanes = Traffic(0.0), lanes_of(1)
    for number in range(traffic.MOST_A_BUCKET):
        counted.failed(f"name-{number}", timed_out(1, 1.0))
    tracemalloc.start()
    for number in range(10_000):
        counted.failed(f"other-{number}", timed_out(1, 1.0 + number % 3))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000  # kept one by one they were 320 KB, and more for their names
    found = {row.kind: row.count for row in counted.history(0.0, lanes.values()).rows()}
    assert found.pop("(others)") == 10_000
    assert len(found) == traffic.MOST_A_BUCKET
