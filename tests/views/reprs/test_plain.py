"""Text that is fit to show, whatever a peer sends."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.printable import printable
from casty_notebook.values.standin import stand_in_class
from casty_notebook.views.reprs.plain import brief, clipped

Reply = stand_in_class("bank.messages.Reply")


@given(st.text())
def test_what_is_shown_is_printable_and_can_be_delivered(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text).encode().decode() == printable(text)


@given(st.text(), st.integers(1, 20))
def test_what_was_cut_says_how_much_there_is(text: str, longest: int) -> None:
    shown = clipped(text, longest)
    assert shown == text or f"({longest} of {len(text)} characters)" in shown


def test_what_shows_nothing_is_written_out_and_what_shows_something_is_kept() -> None:
    assert printable("Ünï-码-👍-é") == "Ünï-码-👍-é"
    assert printable("user\u3164\ufe00") == r"user\u3164\ufe00"


def test_small_values_are_shown_by_their_own_repr() -> None:
    for value in (None, 3, "a'b", b"ab", [1, {"a": (2,)}], Reply(amount=3), Reply(1, owner=Reply(name="x"))):
        assert brief(value) == repr(value)


def test_large_values_are_shown_in_part() -> None:
    assert brief("x" * 3_000) == "'" + "x" * 1_999 + "… (2,000 of 3,002 characters)"
    assert brief([b"x" * 3_000]) == "[b'" + "x" * 498 + "… (500 of 3,003 bytes)]"
    assert brief(list(range(30))).endswith("19, …]")
    assert brief(Reply(**{f"f{place}": place for place in range(30)})).endswith("f19=19, …)")
    assert brief(Reply(*range(30))).endswith("19, …)")


def test_deep_values_are_shown_down_to_a_level() -> None:
    nested = Reply(inner=1)
    for _ in range(500):
        nested = Reply(inner=nested)
    assert brief(nested) == "bank.messages.Reply(inner=" * 4 + "bank.messages.Reply(…)" + ")" * 4


def test_a_reply_of_many_megabytes_costs_next_to_nothing() -> None:
    huge = Reply(data=b"\x00" * 50_000_000, text="\u202e" * 10_000_000, many=[Reply(n=1)] * 1_000_000)
    before = process_time()
    assert len(brief(huge)) < 5_000
    assert process_time() - before < 1.0  # its whole repr takes several


def test_a_class_that_is_called_like_a_builtin_is_shown_by_its_own_repr() -> None:
    @dataclass
    class array:
        size: int

    assert brief([array(3)]) == f"[{array(3)!r}]"


def test_a_repr_that_fails_does_not_take_the_output_with_it() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert brief(Broken()).startswith("<Broken instance at ")


def test_a_whole_number_of_too_many_digits_is_shown_by_its_size() -> None:
    assert brief(10**5_000) == "a whole number of 16,610 bits"
    assert brief([10**5_000, 3]) == "[a whole number of 16,610 bits, 3]"
