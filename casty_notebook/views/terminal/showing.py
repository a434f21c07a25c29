"""Shows a cluster where somebody looks: live in a terminal, once anywhere else."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING

from casty_notebook.errors import MisuseError
from casty_notebook.views.terminal.picture import picture_of

if TYPE_CHECKING:
    from casty_notebook.views.cluster import Cluster

__all__ = ["MISSING", "has_library", "show_live"]

MISSING = "the live text view needs textual: pip install 'casty-notebook[top]'"


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
