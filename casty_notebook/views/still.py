"""What a saved notebook shows of a widget whose kernel is gone: a picture with its date, in an output before the live view."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from casty_notebook.views.reprs.html import Markup, element

__all__ = ["VIEW", "display_with_still", "still_html"]

VIEW = "application/vnd.jupyter.widget-view+json"


def display_with_still(data: Mapping[str, Any], drawn: str) -> None:
    """Show a picture for whoever opens the saved notebook without this kernel, and after it the live view.

    One output with both would not do: JupyterLab, Notebook and VS Code draw nothing but "model not found" of it then, and
    nbconvert leaves out its HTML where the notebook carries states of widgets.

    Parameters
    ----------
    data
        The widget's mime bundle, with ``text/plain`` and ``text/html``.
    drawn
        The class of the element that the live view draws.
    """
    from IPython import get_ipython
    from IPython.display import display

    picture = still_html(uuid.uuid4().hex, data["text/html"], drawn)
    display({"text/plain": data["text/plain"], "text/html": picture}, raw=True)
    if VIEW in data and hasattr(get_ipython(), "kernel"):  # Not in a terminal. A converter wants some text beside it.
        display({VIEW: data[VIEW], "text/plain": ""}, raw=True)


def still_html(key: str, picture: str, drawn: str) -> str:
    """The picture, hidden while the live view is drawn right after it. Where that cannot be drawn, its error is hidden instead.

    VS Code has elements of its own around each output, with other class names, and takes its height from what is inside. It
    shows no error for a view without a model, but the next entry of the output's bundle, which is an empty text.
    """
    still = f".jp-OutputArea-child:has(.ct-still-{key})"
    rules = (
        f"{still}:has(+ .jp-OutputArea-child .{drawn}),"
        f"{still} + .jp-OutputArea-child:not(:has(.{drawn})),"
        f".output_container:has(+ .output_container .{drawn}) .ct-still-{key}{{display:none}}"
    )
    return str(element("div", element("style", Markup(rules)), Markup(picture), class_=f"ct-still-{key}"))
