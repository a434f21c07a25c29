"""Names of types: what is said of one that nobody has met."""

from __future__ import annotations

import pytest

from casty_notebook.backends.virtual.aio.targets import resolve_type
from casty_notebook.errors import MisuseError, NoSuchType

OWN = [f"casty.collections:part_{n}" for n in range(9)]


def said(*known: str) -> str:
    with pytest.raises(NoSuchType) as caught:
        resolve_type("zebra", known, force=False)
    return str(caught.value)


def test_the_applications_types_are_listed_before_all_of_castys_own() -> None:
    assert "they have met shop:cart, shop:counter and 9 more." in said(*OWN, "shop:counter", "shop:cart")
    assert "they have met shop:a." in said("shop:a")
    assert "they have met 9 of casty's own alone." in said(*OWN)
    assert "they have met no type yet." in said()


def test_many_types_are_not_all_listed() -> None:
    assert "shop:type7 and 4 more." in said(*(f"shop:type{n}" for n in range(10)), *OWN[:2])


def test_an_empty_name_is_a_mistake_in_the_line_and_no_answer_of_the_cluster() -> None:
    with pytest.raises(MisuseError, match="a target without a name is none"):
        resolve_type("", OWN, force=False)
