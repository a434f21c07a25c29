"""What a command takes, as a table: one source for parsing, for the help of ``%name?`` and for completion.

Not ``magic_arguments``: argparse splits Python source like shell words (``GetCount( "a  b" )`` loses its spaces, ``-1``
becomes an unknown flag, ``--s`` an abbreviation), and reports mistakes with a usage dump of several lines.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casty_notebook.magics.suggest import did_you_mean
from casty_notebook.magics.words import Word, next_word

if TYPE_CHECKING:
    from IPython.core.error import UsageError

__all__ = ["Flag", "Grammar", "Positional", "looks_like_flag", "parse", "takes_another"]

_SHOWN = 60
_FLAG_AFTER_SPACE = re.compile(r"\s(--?[A-Za-z][\w-]*)")
_LEFT = 27
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. Without `metavar` it is a switch; with `many` it takes several ``A=B`` words and may be repeated."""

    names: tuple[str, ...]
    field: str
    help: str
    metavar: str = ""
    convert: Callable[[str], Any] = str
    many: bool = False

    @property
    def form(self) -> str:
        """How the usage line shows it."""
        return f"{self.names[0]} {self.metavar}{' …' if self.many else ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Positional:
    """One word without a flag; `rest` takes the remaining line verbatim, `many` all remaining words.

    Where both follow each other, `many` takes the words that are `one_more` after its first.
    """

    metavar: str
    field: str
    help: str
    required: bool = True
    rest: bool = False
    many: bool = False
    whole: bool = False
    """Keep the `Word` itself: quotes matter to whoever reads it."""
    one_more: Callable[[Word], bool] | None = None

    @property
    def form(self) -> str:
        """How the usage line shows it."""
        name = f"{self.metavar} …" if self.many else self.metavar
        return name if self.required else f"[{name}]"


@dataclass(frozen=True, slots=True)
class Grammar:
    """One command: its name with percent signs, what it does, and what it takes, in order."""

    name: str
    summary: str
    positionals: tuple[Positional, ...]
    flags: tuple[Flag, ...]
    examples: tuple[str, ...] = ()

    def flag(self, name: str) -> Flag | None:
        """Return the flag with that name, or None."""
        return next((flag for flag in self.flags if name in flag.names), None)

    @property
    def usage(self) -> str:
        """The whole command in one line."""
        return " ".join([self.name, *(f"[{flag.form}]" for flag in self.flags), *(p.form for p in self.positionals)])

    def help(self) -> str:
        """Return what ``%name?`` shows."""
        arguments = [(p.metavar, p.help) for p in self.positionals]
        flags = [(", ".join(flag.names) + f" {flag.metavar}".rstrip(), flag.help) for flag in self.flags]
        parts = [self.summary, f"Usage::\n\n  {self.usage}"]
        parts += [f"{title}:\n{_columns(rows)}" for title, rows in (("Arguments", arguments), ("Flags", flags)) if rows]
        if self.examples:
            parts.append("Examples::\n\n" + "\n".join(f"  {line}" for line in self.examples))
        return "\n\n".join(parts)


def _columns(rows: list[tuple[str, str]]) -> str:
    indent = " " * (_LEFT + 2)
    lines = []
    for left, right in rows:
        first = f"  {left:<{_LEFT}}" if len(left) < _LEFT else f"  {left}\n{indent}"
        lines.append(first + textwrap.fill(right, _WIDTH, initial_indent=indent, subsequent_indent=indent).lstrip())
    return "\n".join(lines)


def parse(grammar: Grammar, line: str) -> dict[str, Any]:
    """Read `line` and return a value for every field that was given.

    Flags stand before the verbatim rest of the line, in any order with the other words; ``--`` ends them. They may also
    follow an expression that could not be read with them in it.

    Raises
    ------
    UsageError
        One line: what was wrong, the nearest name that exists, and the usage. Nothing else is ever raised.
    """
    return _Reader(grammar, line).read()


def looks_like_flag(word: Word) -> bool:
    """Whether a word asks to be read as a flag: ``-x`` and ``--x`` do, ``-1``, ``-`` and quoted words do not."""
    name = word.text.lstrip("-")
    return not word.quoted and word.text.startswith("-") and (name[:1].isalpha() or word.text == "--")


def takes_another(flag: Flag, word: Word) -> bool:
    """Whether `word` is one more ``A=B`` of a flag that takes several; a URI or another flag is not."""
    return flag.many and "=" in word.text and "://" not in word.text and not looks_like_flag(word)


class _Reader:
    """``words --flag|positional--> words --rest--> done``."""

    def __init__(self, grammar: Grammar, line: str) -> None:
        self.grammar = grammar
        self.line = line
        self.position = 0
        self.values: dict[str, Any] = {}
        self.flags_ended = False
        self.waiting = list(grammar.positionals)

    def read(self) -> dict[str, Any]:
        while (word := next_word(self.line, self.position)) is not None:
            if looks_like_flag(word) and not self.flags_ended:
                self.position = word.end
                self._read_flag(word)
            elif self.waiting and self.waiting[0].rest:
                end = len(self.line) if self.flags_ended else self._end_of_expression(word.start)
                self.values[self.waiting.pop(0).field] = self.line[word.start : end]
                self.position = end
            elif self._is_enough(word):
                self.waiting.pop(0)
            else:
                self.position = word.end
                self._read_positional(word)
        missing = [p.metavar for p in self.waiting if p.required and p.field not in self.values]
        if missing:
            raise self._error(f"{' and '.join(missing)} missing")
        return self.values

    def _is_enough(self, word: Word) -> bool:
        """Whether a positional that takes many words has ended before this one."""
        one_more = self.waiting[0].one_more if self.waiting else None
        return one_more is not None and self.waiting[0].field in self.values and not one_more(word)

    def _end_of_expression(self, start: int) -> int:
        """Where the flags behind an expression begin; the line's end if all of it is one expression, or no part of it is."""
        text = self.line[start:]
        if _is_expression(text):
            return len(self.line)
        for found in _FLAG_AFTER_SPACE.finditer(text):
            if not _is_expression(text[: found.start()]):
                continue
            if self.grammar.flag(found[1]) is not None:
                return start + found.start()
            if self._closest_flags(found[1]):
                raise self._unknown(found[1])
        return len(self.line)

    def _read_positional(self, word: Word) -> None:
        self._check_closed(word)
        if not self.waiting:
            raise self._error(f"{_shown(word.text)} is one word too many")
        positional = self.waiting[0]
        value = word if positional.whole else word.text
        if positional.many:
            self.values[positional.field] = (*self.values.get(positional.field, ()), value)
        else:
            self.values[self.waiting.pop(0).field] = value

    def _read_flag(self, word: Word) -> None:
        if word.text == "--":
            self.flags_ended = True
            return
        name, equals, value = word.text.partition("=")
        flag = self.grammar.flag(name)
        if flag is None:
            raise self._unknown(name)
        if not flag.metavar:
            if equals:
                raise self._error(f"{name} takes no value")
            self.values[flag.field] = True
            return
        if not equals:
            value = self._next_value(flag, name)
        if not flag.many:
            self.values[flag.field] = self._converted(flag, name, value)
            return
        found = (value, *self._more(flag))
        self.values[flag.field] = (
            *self.values.get(flag.field, ()),
            *(self._converted(flag, name, part) for text in found for part in text.split(",")),
        )

    def _next_value(self, flag: Flag, name: str) -> str:
        word = next_word(self.line, self.position)
        if word is None or looks_like_flag(word):
            raise self._error(f"{name} needs {flag.metavar} after it")
        self._check_closed(word)
        self.position = word.end
        return word.text

    def _more(self, flag: Flag) -> Iterator[str]:
        while (word := next_word(self.line, self.position)) is not None and takes_another(flag, word):
            self._check_closed(word)
            self.position = word.end
            yield word.text

    def _converted(self, flag: Flag, name: str, value: str) -> Any:
        try:
            return flag.convert(value)
        except ValueError as error:
            raise self._error(f"{name} {_shown(value)}: {error}") from None

    def _check_closed(self, word: Word) -> None:
        if not word.closed:
            raise self._error(f"{_shown(self.line[word.start :])} has no closing {'quote' if word.quoted else 'brace'}")

    def _unknown(self, name: str) -> UsageError:
        hint = self._closest_flags(name)
        if not hint and any(positional.rest for positional in self.waiting):
            hint = " Write -- before an expression that starts with a dash."
        return self._error(f"unknown flag {_shown(name)}", hint)

    def _closest_flags(self, name: str) -> str:
        return did_you_mean(name, [other for flag in self.grammar.flags for other in flag.names if other.startswith("--")])

    def _error(self, problem: str, hint: str = "") -> UsageError:
        from IPython.core.error import UsageError  # a shell reads the tables, too, and starts without IPython

        return UsageError(f"{problem}.{hint} Usage: {self.grammar.usage}")


def _is_expression(text: str) -> bool:
    """Whether it reads as Python; nothing is run."""
    try:
        compile(text.strip(), "<expression>", "eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _shown(text: str) -> str:
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return ascii(shown) if not shown.isprintable() else f"'{shown}'"
