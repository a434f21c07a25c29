"""Words of a line: where they end, what quotes and braces do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.magics.words import next_word


def words(line: str) -> list[str]:
    found, position = [], 0
    while (word := next_word(line, position)) is not None:
        found.append(word.text)
        position = word.end
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("   ", []),
        ("counter/user-42 Get()", ["counter/user-42", "Get()"]),
        ("'a b' c", ["a b", "c"]),
        ('"it\'s" x', ["it's", "x"]),
        ("counter/{ids[0 : 10]} x", ["counter/{ids[0 : 10]}", "x"]),
        ("counter/o'brien x", ["counter/o'brien", "x"]),
        ("a}b c", ["a}b", "c"]),
        ("a\tb\nc", ["a", "b", "c"]),
    ],
)
def test_words_end_at_white_space_except_within_quotes_and_braces(line: str, expected: list[str]) -> None:
    assert words(line) == expected


@pytest.mark.parametrize("line", ["'open", "counter/{open x"])
def test_an_open_quote_or_brace_is_marked_as_not_closed(line: str) -> None:
    word = next_word(line, 0)
    assert word is not None
    assert not word.closed


@given(st.text(), st.integers(0, 20))
def test_any_text_is_read_to_its_end_and_every_word_moves_on(line: str, start: int) -> None:
    position = min(start, len(line))
    while (word := next_word(line, position)) is not None:
        assert position <= word.start < word.end <= len(line)
        position = word.end
    assert not line[position:].strip()
