"""What the nodes were at in remembered moments: bounded, and without what could grow without a bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from casty_notebook.address import NodeAddress
from casty_notebook.topology.load_history import LoadHistory
from casty_notebook.topology.node_report import Activation, LogLine, NodeReport, TypeLoad

START = datetime(2026, 1, 2, tzinfo=UTC)
NODE = NodeAddress("10.0.0.1", 25520)


def report(active: int, types: int = 1) -> NodeReport:
    loads = tuple(TypeLoad(f"shop:type{n}", active, 0, 0) for n in range(types))
    return NodeReport(
        NODE, "0.30.1", (Activation("shop:type0", "a", START, 0),), 0, loads, 0, 0, 0, 0, 0, 0, (LogLine(1, START, "INFO", "x"),)
    )


def test_the_last_word_of_a_moment_stands_for_it_without_keys_and_logs() -> None:
    told = LoadHistory()
    told.note(START, {NODE: report(1)})
    told.note(START, {NODE: report(2)})
    (kept,) = told.at(START).values()
    assert [load.active for load in kept.loads] == [2]
    assert (kept.activations, kept.log) == ((), ())
    assert told.at(START + timedelta(seconds=1)) == {}


def test_types_with_nothing_to_show_take_no_room() -> None:
    told = LoadHistory()
    told.note(START, {NODE: report(0, types=50)})
    assert told.at(START)[NODE].loads == ()


def test_the_oldest_goes_when_there_are_too_many_counts() -> None:
    told = LoadHistory(most_rows=12)
    times = [START + timedelta(seconds=n) for n in range(5)]
    for time in times:
        told.note(time, {NODE: report(1, types=3)})  # four rows with the node's own
    assert [bool(told.at(time)) for time in times] == [False, False, True, True, True]
    told.note(times[-1], {NODE: report(1, types=11)})
    assert [bool(told.at(time)) for time in times] == [False, False, False, False, True]


def test_one_moment_that_is_too_much_by_itself_is_not_kept() -> None:
    told = LoadHistory(most_rows=3)
    told.note(START, {NODE: report(1, types=9)})
    assert told.at(START) == {}
    told.note(START, {NODE: report(1, types=2)})
    assert told.at(START)
