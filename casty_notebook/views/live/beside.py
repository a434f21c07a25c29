"""A live view beside the notebook, so that it stays in sight while cells are run."""

from __future__ import annotations

from typing import Any

from casty_notebook.console import say

__all__ = ["HINT", "open_beside"]

HINT = (
    "to keep a view beside the notebook in JupyterLab: right-click it and choose 'Create New View for Output', or install sidecar"
    " (pip install sidecar, then reload the page), with which open_beside() does it"
)


def open_beside(view: Any, title: str) -> None:
    """Open a tab beside the notebook, where JupyterLab has the extension for it; else say how it is done by hand.

    A kernel cannot know in which front end it is looked at: others than JupyterLab show nothing for it.
    """
    try:
        from sidecar import Sidecar
    except ImportError:
        say(HINT)
        return
    from IPython.display import display

    with Sidecar(title=title, anchor="split-right"):
        display(view)
