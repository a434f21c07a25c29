"""Text for the terminal that there is: a pipe may be ASCII, a job may have no output at all, and neither may cost a result."""

from __future__ import annotations

import contextlib
import sys

from casty_notebook.printable import plainer

__all__ = ["fitting", "say"]


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
