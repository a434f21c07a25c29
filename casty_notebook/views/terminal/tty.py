"""Whether there is a terminal, and whether somebody types into it."""

from __future__ import annotations

import os
import sys

__all__ = ["can_be_live", "in_terminal"]


def can_be_live() -> bool:
    """Whether keys come from a terminal, and signs go to one that can be drawn on."""
    streams = (sys.__stdin__, sys.__stdout__)
    return all(each is not None and each.isatty() for each in streams) and os.environ.get("TERM", "dumb") not in ("", "dumb")


def in_terminal() -> bool:
    """Whether cells are typed into terminal IPython; a kernel may have inherited the terminal of its server."""
    from IPython import get_ipython

    # By name: a kernel need not import what terminals need.
    return any(each.__name__ == "TerminalInteractiveShell" for each in type(get_ipython()).__mro__)
