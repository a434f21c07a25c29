"""Where a line ends: before its comment and its final semicolon.

IPython hands a magic its line as typed, so what Python would not read there has to be left out here.
"""

from __future__ import annotations

import io
import tokenize

from casty_notebook.magics.grammar import Flag, Grammar, looks_like_flag
from casty_notebook.magics.words import Word, next_word

__all__ = ["end_of_code", "is_silenced", "without_comment"]

_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT)


def without_comment(grammar: Grammar, line: str) -> str:
    """Return the line of a command up to its comment.

    A comment begins with a ``#`` that begins a word: ``counter/a#1`` and ``"# 1"`` are names, ``--colour #f00`` is a colour,
    and in an expression Python's own rules hold.

    Examples
    --------
    >>> from casty_notebook.magics.grammars import ASK, CONNECT
    >>> without_comment(ASK, "counter/a#1 Echo('# 1');  # a comment")
    "counter/a#1 Echo('# 1');"
    >>> without_comment(CONNECT, "--demo --colour #f00   # it's three nodes")
    '--demo --colour #f00'
    """
    return line[: _end(grammar, line)].rstrip()


def is_silenced(text: str) -> bool:
    """Whether a line without its comment ends with ``;``, which asks for no output.

    IPython's ``output_can_be_silenced`` is not used: it tokenizes the whole line, and raises after the ask has run
    where a target like ``counter/o'brien`` is no Python.
    """
    return text.rstrip().endswith(";")


def end_of_code(source: str) -> int:
    """Where the last code of an expression ends; what follows is comments and white space.

    Examples
    --------
    >>> source = "GetCount('#');  # note"
    >>> source[: end_of_code(source)]
    "GetCount('#');"
    """
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    end = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source, newline="").readline):
            if token.type not in _LAYOUT:
                end = starts[token.end[0] - 1] + token.end[1]
    except (tokenize.TokenError, SyntaxError, IndexError):
        # What is no Python is reported by whoever evaluates it, with all that was typed.
        return len(source)
    return end


def _end(grammar: Grammar, line: str) -> int:
    """Walk the words as `grammar.parse` does."""
    waiting = list(grammar.positionals)
    flag: Flag | None = None
    flags_ended = False
    position = 0
    while (word := next_word(line, position)) is not None:
        if begins_comment(word, after=flag):
            return word.start
        position = word.end
        if flag is not None:
            flag = None
        elif looks_like_flag(word) and not flags_ended:
            flags_ended = word.text == "--"
            flag = grammar.flag(word.text)
            flag = flag if flag is not None and flag.metavar else None
        elif waiting and waiting[0].rest:
            return word.start + end_of_code(line[word.start :])
        elif waiting and not waiting[0].many:
            waiting.pop(0)
    return len(line)


def begins_comment(word: Word, *, after: Flag | None) -> bool:
    """Whether a word begins a comment; directly after a flag that wants a value ``#f00`` is one, and ``# f00`` a comment."""
    return not word.quoted and word.text.startswith("#") and (after is None or word.text == "#")
