"""Errors of this package as IPython's one-line `UsageError`, the cause first; on request the whole story."""

from __future__ import annotations

from IPython.core.error import UsageError

from casty_notebook.advice import IN_MAGICS, advice_in
from casty_notebook.errors import CastyNotebookError, whole_story
from casty_notebook.printable import printable

__all__ = ["as_usage_error", "stopped"]

_LISTED = 3
_LONGEST = 600


def stopped(what_of_it: str) -> KeyboardInterrupt:
    """Return what a magic raises on Ctrl-C: a `KeyboardInterrupt` to all code around it, and one line to who pressed it."""
    error = KeyboardInterrupt(what_of_it)
    # IPython asks an exception for its own rendering; ours would be a page of internals.
    error._render_traceback_ = lambda: [f"KeyboardInterrupt: {what_of_it}"]  # type: ignore[attr-defined]
    return error


def as_usage_error(error: CastyNotebookError, *, verbose: bool = False) -> UsageError:
    r"""Return what a magic raises for `error`.

    Exactly a `UsageError`: IPython shows any subclass of it with a traceback.

    Examples
    --------
    >>> from casty_notebook.errors import ContactAttempt, NoContactPoint
    >>> attempts = ContactAttempt("a:1", "refused"), ContactAttempt("b:2", "mute")
    >>> print(as_usage_error(NoContactPoint("no contact point answered", attempts)))
    no contact point answered: a:1: refused; b:2: mute
    """
    return UsageError(advice_in(IN_MAGICS, "\n".join(whole_story(error)) if verbose else printable(_one_line(error))))


def _one_line(error: CastyNotebookError) -> str:
    cause, *details = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    details = [line for line in details if line not in cause]
    text = cause.removesuffix("; the contact points say:") if not details else cause
    if details:
        more = f"; and {len(details) - _LISTED} more (-v shows them)" if len(details) > _LISTED else ""
        text = f"{cause.rstrip(':')}: {'; '.join(details[:_LISTED])}{more}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (-v shows the rest)"
