"""Text that is safe and fit to show: names and values come from the network and may hold anything."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from reprlib import Repr
from typing import Any

from casty_notebook.printable import printable
from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.standin import StandIn, parts

__all__ = ["age", "brief", "clipped", "few", "many"]

MOST_BITS = 14_000
"""Bits of the largest whole number that is written out: Python refuses to write more than 4,300 digits, since it takes long."""
LONGEST = 2_000
"""Characters of one value. A reply may be megabytes, a cell's output is kept in the notebook's file."""


def clipped(text: str, longest: int = LONGEST) -> str:
    """Return `text` if it is short enough, else its beginning and how much there is.

    Examples
    --------
    >>> clipped("abcdefgh", 5)
    'abcde… (5 of 8 characters)'
    """
    return text if len(text) <= longest else f"{text[:longest]}… ({longest:,} of {len(text):,} characters)"


class _Brief(Repr):
    """`repr` that reads no more of a value than it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = 20
        self.maxlong = self.maxother = 500
        self.fillvalue = "…"

    def repr1(self, x: Any, level: int) -> str:
        # By type and not by the type's name, as before Python 3.13: a reply's class may be called ``array``.
        if type(x) is StandIn:
            return self._stand_in(x, level)
        if type(x) is RemoteError:
            return f"RemoteError({self._stand_in(StandIn(x.cls, x.args, x.attributes), level)})"
        if type(x) in (str, bytes, bytearray):
            longest = LONGEST if level == self.maxlevel else self.maxother
            shown, quotes = repr(x[:longest]), len(repr(x[:0]))
            if len(x) <= longest and len(shown) <= longest:
                return shown
            unit = "characters" if type(x) is str else "bytes"
            return f"{shown[:longest]}… ({longest:,} of {len(x) + quotes:,} {unit})"
        if type(x).__module__ in ("builtins", "collections", "array"):
            return super().repr1(x, level)
        return self.repr_instance(x, level)

    def repr_int(self, x: int, level: int) -> str:
        bits = x.bit_length()
        return super().repr_int(x, level) if bits <= MOST_BITS else f"a whole number of {bits:,} bits"

    def _stand_in(self, standin: StandIn, level: int) -> str:
        cls, args, fields, items, pairs = parts(standin)
        if level <= 0:
            return f"{cls.dotted}({self.fillvalue})"
        held = [self.repr1(each, level - 1) for each in (*args[: self.maxtuple], *filter(None, (items, pairs)))]
        held += [f"{name}={self.repr1(each, level - 1)}" for name, each in islice(fields.items(), self.maxdict)]
        if len(args) > self.maxtuple or len(fields) > self.maxdict:
            held.append(self.fillvalue)
        return f"{cls.dotted}({', '.join(held)})"


_BRIEF = _Brief()


def brief(value: Any) -> str:
    """Return a `repr` of bounded length and cost: a reply may be a list of a million.

    Examples
    --------
    >>> brief(list(range(1_000_000)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, …]'
    """
    return printable(_BRIEF.repr(value))


def few(names: Iterable[str], most: int = 8) -> str:
    """Join names by commas, and count those that do not fit.

    Examples
    --------
    >>> few(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    left = iter(names)
    shown = ", ".join(clipped(name, 120) for name in islice(left, most))
    rest = sum(1 for _ in left)
    return f"{shown} and {rest:,} more" if rest else shown


def many(count: int, thing: str, things: str = "") -> str:
    """Count things.

    Examples
    --------
    >>> many(1, "instance"), many(1200, "instance")
    ('1 instance', '1,200 instances')
    """
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def age(seconds: float) -> str:
    """Say a duration with as much precision as anybody wants to read.

    Examples
    --------
    >>> [age(seconds) for seconds in (0.04, 75.2, 7300, 200_000)]
    ['0.0 s', '75 s', '122 min', '56 h']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 36_000 else f"{seconds / 3600:.0f} h"
