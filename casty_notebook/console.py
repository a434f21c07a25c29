"""Text for the terminal that there is: a pipe may be ASCII, a job may have no output at all, and neither may cost a result."""

from __future__ import annotations

import contextlib
import re
import sys
import unicodedata

from casty_notebook.printable import plainer, printable

__all__ = ["cells", "fitting", "in_cells", "say"]

# Terminals do not agree on how wide these are: what makes a sign an emoji, skin tones, halves of flags; nor on how many marks
# one letter carries: letters of living languages have four at most.
_UNSTEADY = re.compile("[\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 4


def cells(text: str) -> int:
    """Return how many cells of a terminal's line `text` takes.

    Examples
    --------
    >>> cells("node-1"), cells("\u7bc0\u70b9-1"), cells("e\u0301")
    (6, 6, 1)
    """
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(sign: str) -> int:
    # The vowels and endings of Hangul syllables that are written in parts stand in the cells of their first letter.
    if unicodedata.category(sign) in _MARKS or "\u1160" <= sign <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def in_cells(text: str, most: int) -> str:
    """Return `text` printable, in one line of `most` cells, as wide in every terminal; of a longer one both ends.

    Examples
    --------
    >>> in_cells("node-1", 8), in_cells("eu-west-1-shop-0001", 11), in_cells("\u7bc0\u70b9\u7bc0\u70b9-1", 7)
    ('node-1', 'eu-we…-0001', '\u7bc0…\u70b9-1')
    """
    text = printable(text)
    if not text.isascii():
        text = _steady(text)
    if cells(text) <= most:
        return text
    first = _begin(text, most // 2)
    return f"{first}…{_begin(text[::-1], most - 1 - cells(first))[::-1]}"


def _begin(text: str, most: int) -> str:
    """As many signs as have room. Only marks are without width, and of those few follow one another."""
    taken = end = 0
    for sign in text:
        taken += _width(sign)
        if taken > most:
            break
        end += 1
    return text[:end]


def _steady(text: str) -> str:
    found, marks = [], _MOST_MARKS  # a mark at the beginning would join what stands before
    for sign in _UNSTEADY.sub(lambda match: _written_out(match[0]), text):
        marks = marks + 1 if unicodedata.category(sign) in _MARKS else 0
        found.append(_written_out(sign) if marks > _MOST_MARKS else sign)
    return "".join(found)


def _written_out(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def fitting(text: str) -> str:
    """Return `text` as standard output can take it: unchanged, or plainer where its encoding has no such signs.

    Examples
    --------
    >>> fitting("3 ok")
    '3 ok'
    """
    return text if text.isascii() else plainer(text, getattr(sys.stdout, "encoding", None) or "utf-8")


def say(text: str) -> None:
    """Print one line, if there is somebody to read it.

    To be called on the thread of a cell or script only: what other threads print lands in whichever cell runs then.
    """
    # Closed (ValueError) or a pipe whose reader has left (OSError): what is said beside a result must not cost the result.
    with contextlib.suppress(OSError, ValueError):
        print(fitting(text), flush=True)  # noqa: T201
