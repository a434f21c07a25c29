"""Where a line ends: comments are left out, names and expressions that contain a ``#`` are not cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.magics.commands import LINE_COMMANDS
from casty_notebook.magics.lines import end_of_code, without_comment


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("members", "# nothing but a comment", ""),
        ("members", "-c prod# 1 # the first of them", "-c prod# 1"),
        ("members", "-c #1  #2", "-c #1"),
        ("members", "-c  # none", "-c"),
        ("where", "counter/#1", "counter/#1"),
        ("where", "counter/a#b#c  #d", "counter/a#b#c"),
        ("where", "'# a' # it's {open", "'# a'"),
        ("ask", "counter/{d['#']} Get(a)#b", "counter/{d['#']} Get(a)"),
        ("ask", "counter/1 f'{x}#{y}' # z", "counter/1 f'{x}#{y}'"),
        ("ask", "counter/1 Get() -t 5  # seconds", "counter/1 Get() -t 5"),
        ("ask", "counter/1 Get(' # no end", "counter/1 Get(' # no end"),
        ("ask", "# counter/1 Get()", ""),
        ("connect", "--colour #b00020 --as x #y", "--colour #b00020 --as x"),
        ("connect", "--shards a=1 b=2 #c=3", "--shards a=1 b=2"),
    ],
)
def test_a_comment_is_left_out(name: str, line: str, expected: str) -> None:
    assert without_comment(LINE_COMMANDS[f"casty_{name}"], line) == expected


@given(st.sampled_from(sorted(LINE_COMMANDS)), st.text() | st.text(st.sampled_from("ab '\"#{}();-=\\\n\t")))
def test_any_line_has_an_end_and_nothing_before_it_is_changed(name: str, line: str) -> None:
    grammar = LINE_COMMANDS[name]
    kept = without_comment(grammar, line)
    assert line.startswith(kept)
    assert without_comment(grammar, kept) == kept
    if "#" not in line:
        assert kept == line.rstrip() or "\\" in line


@given(st.text())
def test_the_code_of_any_text_ends_within_it(text: str) -> None:
    assert 0 <= end_of_code(text) <= len(text)
