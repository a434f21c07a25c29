"""Did you mean …?"""

from __future__ import annotations

from casty_notebook.magics.suggest import closest, did_you_mean


def test_the_closest_name_is_offered_whatever_its_case() -> None:
    assert closest("COUNTR", ["Counter", "account"]) == "Counter"


def test_nothing_is_offered_for_a_name_unlike_all_others() -> None:
    assert closest("zebra", ["counter"]) is None


def test_without_a_close_name_the_first_few_are_listed() -> None:
    assert did_you_mean("zebra", [f"n{i}" for i in range(7)], kind="services") == (
        " Known services: n0, n1, n2, n3, n4 and 2 more."
    )


def test_no_names_no_sentence() -> None:
    assert did_you_mean("zebra", [], kind="services") == ""
