"""Targets as they are typed: ``{…}`` in them stands for values, as it does in IPython's other magics.

Only braces are evaluated, and only in the user's own namespace: ``counter/{user}``, ``counter/{users}`` (a list names
several targets), ``counter/user-{1..100}``. Quotes switch that off.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from IPython.core.error import UsageError

from casty_notebook.errors import MisuseError
from casty_notebook.magics.words import Word
from casty_notebook.values.targets import MAX_TARGETS, Exact, id_text, is_missing, numbers_of

__all__ = ["MAX_TARGETS", "TargetPattern", "expand"]

_DOLLAR = re.compile(r"\$([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class TargetPattern:
    """One target of a command line, before its braces are filled in."""

    text: str
    literal: bool = False

    @classmethod
    def of(cls, word: Word) -> TargetPattern:
        """Make one from a word; quotes made it literal."""
        return cls(word.text, word.quoted)

    def __str__(self) -> str:
        return self.text

    def expand(self, evaluate: Callable[[str], object]) -> Iterator[str]:
        """Yield the targets that the pattern stands for, in order.

        Parameters
        ----------
        evaluate
            Gives the value of a Python expression; called only for what stands in braces.

        Examples
        --------
        >>> list(TargetPattern("counter/user-{08..10}").expand(eval))
        ['counter/user-08', 'counter/user-09', 'counter/user-10']
        >>> list(TargetPattern("{['a', 'b']}/{1 + 1}").expand(eval))
        ['a/2', 'b/2']
        """
        if self.literal:
            yield self.text
            return
        before, inside, after = _braces(self.text)
        _check_no_dollar(before, inside)
        if inside is None:
            yield self.text
            return
        for value in _values(inside, evaluate):
            for tail in TargetPattern(after).expand(evaluate):
                yield f"{before}{value}{tail}"


def expand(patterns: Iterable[TargetPattern], evaluate: Callable[[str], object]) -> tuple[Exact, ...]:
    """Expand every pattern, without repeats, in order. What braces are left belong to the names: values are not expanded again.

    Raises
    ------
    UsageError
        If nothing is left, or more than `MAX_TARGETS`.
    """
    found: dict[Exact, None] = {}
    for pattern in patterns:
        for target in pattern.expand(evaluate):
            found[Exact(target)] = None
            if len(found) > MAX_TARGETS:
                raise UsageError(f"{pattern} stands for more than {MAX_TARGETS:,} targets. Ask them in several cells.")
    if not found:
        raise UsageError(f"{' '.join(map(str, patterns))} stands for no target: the collection in its braces is empty.")
    return tuple(found)


def _braces(text: str) -> tuple[str, str | None, str]:
    """Split at the first outermost pair of braces: before, inside (None if there is none), after."""
    start = text.find("{")
    if start < 0:
        return text, None, ""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] == "{") - (text[index] == "}")
        if depth == 0:
            return text[:start], text[start + 1 : index], text[index + 1 :]
    raise UsageError(f"{text!r} has no closing brace. Quote the target if the brace belongs to its name.")


def _values(inside: str, evaluate: Callable[[str], object]) -> Iterable[object]:
    try:
        numbers = numbers_of(inside)
    except MisuseError as error:
        raise UsageError(str(error)) from None
    if numbers is not None:
        return numbers
    expression, spec = _spec(inside)
    value = evaluate(expression)
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return (_formatted(value, spec, f"{{{inside}}}"),)
    return (_formatted(each, spec, f"{{{inside}}} at place {place}") for place, each in enumerate(value))


def _spec(inside: str) -> tuple[str, str]:
    """Split ``n:03d`` into the expression and how to format it, as an f-string does; all of it is an expression if it can be."""
    if _is_expression(inside):
        return inside, ""
    for colon in (index for index, character in enumerate(inside) if character == ":"):
        if _is_expression(inside[:colon]):
            return inside[:colon], inside[colon + 1 :].strip()
    return inside, ""


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _formatted(value: object, spec: str, what: str) -> str:
    if not spec or is_missing(value):
        return _text(value, what)
    try:
        return _text(format(value, spec), what)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{what}: {value!r} has no form {spec!r}: {error}. As in an f-string: {{n:03d}}.") from None


def _check_no_dollar(before: str, inside: str | None) -> None:
    """Refuse ``counter/$user``: it would ask an entity ``$user``, where users of IPython's ``$`` mean the variable."""
    found = _DOLLAR.search(before)
    if found is not None:
        shown, name = found[0], found[1]
    elif before.endswith("$") and inside is not None:
        shown, name = f"${{{inside}}}", inside
    else:
        return
    raise UsageError(f"{shown} is not filled in: write {{{name}}}, or quote the whole word if it has a $ in it.")


def _text(value: object, what: str) -> str:
    """A value as an id, refused where `ask_many` refuses it: no column of ids means ``counter/nan`` or ``counter/42.0``."""
    try:
        return id_text(value, what)
    except MisuseError as error:
        raise UsageError(str(error)) from None
