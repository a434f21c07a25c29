"""What is wrong is for reading: nothing of it is cut, whatever the width."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from casty_notebook.tables import problems
from casty_notebook.topology.problems import Problem

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REASON = "not reached from here (connection refused), while the cluster says that it is up, as it does of a node that died"
REMEDY = "it was reached before: see that it runs; if it does, look at what lies between it and this machine"


def problem(subject: str = "node-2") -> Problem:
    return Problem("bad", "unreached_up", subject, SINCE, "here", REASON, REMEDY)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_all_of_a_problem_is_printed_within_the_width(width: int) -> None:
    with pd.option_context("display.width", width):
        shown = repr(problems([problem()], cluster="demo"))
    assert max(map(len, shown.splitlines())) <= width
    assert shown.startswith("bad  node-2, since 2026-01-02 03:04:05 UTC, by here\n")
    assert " ".join(shown.split()).endswith(f"{REASON} > {REMEDY}")


def test_what_is_hostile_in_a_name_is_printed_as_text() -> None:
    assert "\x1b" not in repr(problems([problem("node\x1b[31m")], cluster="demo"))


def test_no_problem_is_said_in_words() -> None:
    table = problems([], cluster="demo")
    assert repr(table) == table._repr_html_() == "no problems"  # type: ignore[operator]
    assert list(table) == ["severity", "kind", "subject", "since", "says", "text", "remedy"]


def test_in_a_notebook_no_reason_is_cut() -> None:
    shown = problems([problem()], cluster="demo")._repr_html_()  # type: ignore[operator]
    assert REASON in shown
    assert REMEDY in shown


def test_a_part_of_it_is_a_table_like_any_other() -> None:
    table = problems([problem(), problem("node-3")], cluster="demo")
    assert repr(table[["subject", "says"]]).splitlines()[0].split() == ["subject", "says"]
    assert repr(table[table.subject == "node-3"]).startswith("bad  node-3")
