"""Did you mean …? One sentence from names that exist now."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from casty_notebook.printable import printable

__all__ = ["closest", "did_you_mean"]

_CUTOFF = 0.6
_COMPARED = 5_000
"""difflib needs about 10 µs a name; a mistyped line must not wait for a cluster of 10,000 services."""


def closest(word: str, names: Iterable[str]) -> str | None:
    """Return the name most like `word`, or None. Upper and lower case count as equal.

    Examples
    --------
    >>> closest("Countr", ["counter", "account"])
    'counter'
    """
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
        if len(folded) == _COMPARED:
            break
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=_CUTOFF)
    return folded[found[0]] if found else None


def did_you_mean(word: str, names: Iterable[str], *, kind: str = "", limit: int = 5) -> str:
    """Return the closest name as a question, or the first few names, or nothing if there are none.

    Examples
    --------
    >>> did_you_mean("prd", ["prod", "test"])
    ' Did you mean prod?'
    >>> did_you_mean("xyz", ["prod", "test"], kind="connections")
    ' Known connections: prod, test.'
    """
    names = sorted(names)
    if guess := closest(word, names):
        return f" Did you mean {printable(guess)}?"
    if not names or not kind:
        return ""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f" Known {kind}: {', '.join(map(printable, names[:limit]))}{more}."
