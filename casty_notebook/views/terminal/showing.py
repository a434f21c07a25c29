"""Shows a cluster where somebody looks: live in a terminal, once anywhere else."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from casty_notebook.errors import MisuseError
from casty_notebook.views.terminal.picture import picture_of

if TYPE_CHECKING:
    from casty_notebook.views.cluster import Cluster

__all__ = ["MISSING", "can_be_live", "has_library", "in_terminal", "show_live"]

MISSING = "the live text view needs textual: pip install 'casty-notebook[top]'"


def can_be_live() -> bool:
    """Whether keys come from a terminal, and signs go to one that can be drawn on."""
    streams = (sys.__stdin__, sys.__stdout__)
    return all(each is not None and each.isatty() for each in streams) and os.environ.get("TERM", "dumb") not in ("", "dumb")


def in_terminal() -> bool:
    """Whether cells are typed into terminal IPython; a kernel may have inherited the terminal of its server."""
    from IPython import get_ipython

    # By name: a kernel need not import what terminals need.
    return any(each.__name__ == "TerminalInteractiveShell" for each in type(get_ipython()).__mro__)


def has_library() -> bool:
    """Whether textual is installed; it is imported when the view is shown."""
    return importlib.util.find_spec("textual") is not None


def show_live(cluster: Cluster) -> None:
    """Take over the terminal until somebody quits.

    Raises
    ------
    MisuseError
        If textual is not installed; names the extra.
    """
    if not has_library():
        raise MisuseError(MISSING)
    from casty_notebook.views.terminal.top import Top

    Top(partial(picture_of, cluster)).run()
