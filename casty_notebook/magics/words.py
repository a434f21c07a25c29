"""A magic's line, read word by word; whatever follows the last word that a command needs is left exactly as typed.

`shlex` is not used: it drops the spaces and quotes of Python source, and an apostrophe in an entity id is an
error to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Word", "next_word", "written"]

_QUOTES = "\"'"
_BRACES = {"{": 1, "}": -1}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line: its text without quotes, where it stood, and whether quotes made it literal."""

    text: str
    start: int
    end: int
    quoted: bool = False
    closed: bool = True
    """False while a quote or brace is still open: an error when a line is run, the normal case while it is typed."""


def next_word(line: str, position: int) -> Word | None:
    """Return the word at or after `position`, or None at the end of the line.

    A word ends at white space, except within quotes that it starts with, and within braces, so that
    ``"user 42"`` and ``counter/{ids[0 : 10]}`` are one word each. A quote elsewhere is an ordinary character.

    Examples
    --------
    >>> next_word("  counter/o'brien Get()", 0)
    Word(text="counter/o'brien", start=2, end=17, quoted=False, closed=True)
    >>> next_word("'a b' c", 0).text
    'a b'
    """
    while position < len(line) and line[position].isspace():
        position += 1
    if position == len(line):
        return None
    if line[position] in _QUOTES:
        return _quoted(line, position)
    depth, end = 0, position
    while end < len(line) and (depth > 0 or not line[end].isspace()):
        depth = max(0, depth + _BRACES.get(line[end], 0))
        end += 1
    return Word(line[position:end], position, end, closed=depth == 0)


def written(name: str) -> str | None:
    r"""Return the one word that a line reads back as exactly this name, quoted if need be; None if there is none.

    Names come from nodes and files. Nothing of one may be evaluated, end the line, or be a second word.

    Examples
    --------
    >>> written("user-42"), written("user 42"), written("{open('x')}"), written("two\nlines")
    ('user-42', '"user 42"', '"{open(\'x\')}"', None)
    """
    if not name.strip() or not name.isprintable():
        return None
    if not _SPECIAL.search(name) and name[0] not in _FIRST and name[-1] not in _LAST:
        return name
    # Even in quotes a backslash before one is an escape to IPython, which looks for the line's end in its own way.
    if "\\" in name:
        return None
    quote = next((quote for quote in _QUOTES if quote not in name), None)
    return None if quote is None else f"{quote}{name}{quote}"


_SPECIAL = re.compile(r"[\s{}$\\]")
_FIRST = "\"'#-"
_LAST = ";?"


def _quoted(line: str, start: int) -> Word:
    end = line.find(line[start], start + 1)
    if end < 0:
        return Word(line[start + 1 :], start, len(line), quoted=True, closed=False)
    return Word(line[start + 1 : end], start, end + 1, quoted=True)
