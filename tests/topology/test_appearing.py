"""A problem appears once, however often it is looked at, and again only when it was gone for long."""

from __future__ import annotations

from casty_notebook.topology.appearing import Appearing
from casty_notebook.topology.problems import Problem
from tests.topology.test_history import after


def problem(kind: str, subject: str = "node-3") -> Problem:
    return Problem("bad", kind, subject, after(0), "here", "gone", "restart it")


def test_what_is_there_at_the_first_look_has_not_appeared_and_each_later_one_does_once() -> None:
    appearing, lost, stale = Appearing(), problem("lost"), problem("stale")
    assert appearing.note([lost], 0.0) == []
    assert appearing.note([lost, stale], 1.0) == [stale]
    assert appearing.note([lost, stale], 2.0) == []
    assert appearing.note([lost, problem("lost", "node-2")], 3.0) == [problem("lost", "node-2")]


def test_one_that_comes_and_goes_is_one_until_it_was_gone_for_long() -> None:
    appearing, flapping = Appearing(), problem("flapping")
    assert appearing.note([], 0.0) == []
    assert appearing.note([flapping], 1.0) == [flapping]
    assert appearing.note([], 2.0) == []
    assert appearing.note([flapping], 3.0) == []
    # Two minutes are long to whoever watches, two seconds are not.
    assert appearing.note([], 123.0) == []
    assert appearing.note([flapping], 124.0) == [flapping]
