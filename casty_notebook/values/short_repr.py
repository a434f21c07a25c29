"""Received values in error messages: never written out whole, since sharing makes a small value take for ever to print."""

from __future__ import annotations

from typing import Any

__all__ = ["brief"]

_LONGEST = 60


def brief(value: Any) -> str:
    """Show a scalar, shortened; of anything else only what it is.

    Examples
    --------
    >>> brief("a" * 100_000)[:5], brief([[]] * 1000), brief({})
    ("'aaaa", 'a list of 1,000', 'a dict of 0')
    """
    kind = type(value)
    if kind in (str, bytes):
        return repr(value[:_LONGEST])
    if kind in (int, float, bool, type(None)):
        return repr(value)[:_LONGEST]
    size = f" of {len(value):,}" if kind in (list, tuple, dict, set, frozenset) else ""
    return f"a {kind.__qualname__}{size}"
