"""The files that begin first are there; one that was moved would begin last, and nobody would notice but by waiting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.support.order import LONGEST, TESTS, longest_first


def test_each_is_there_once() -> None:
    assert [file for file in LONGEST if not (TESTS / file).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_they_come_first_and_all_others_stay_in_order() -> None:
    other, another = TESTS / "house" / "test_dev.py", TESTS / "a.py"
    found = [other, another, TESTS / LONGEST[1], other, TESTS / LONGEST[0], TESTS / LONGEST[1]]
    items: list[Any] = [SimpleNamespace(path=path, number=number) for number, path in enumerate(found)]
    longest_first(items)
    assert [item.number for item in items] == [4, 2, 5, 0, 1, 3]
