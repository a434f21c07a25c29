"""A notebook in JupyterLab or Notebook 7, as somebody uses it: opened, its cells run, its views looked at."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

__all__ = ["Jupyter", "Notebook", "View", "written"]

_numbers = itertools.count(1)

RUN = """(number) => {
  const panel = jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = number;
  panel.content.deselectAll();
  jupyterapp.commands.execute('notebook:run-cell');
}"""

READY = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.context?.isReady && panel.sessionContext?.session?.kernel?.status === 'idle';
}"""


class Jupyter:
    """A running server."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/status?token={self.token}", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False


class Notebook:
    """One notebook, open in ``lab`` or ``notebook``, with an idle kernel."""

    def __init__(self, jupyter: Jupyter, page: Page, where: str, cells: tuple[str, ...]) -> None:
        name = f"n{next(_numbers)}.ipynb"
        (jupyter.folder / name).write_text(json.dumps(written(cells)))
        self.page = page
        way = f"lab/workspaces/{name[:-6]}/tree/{name}" if where == "lab" else f"notebooks/{name}"
        page.goto(f"{jupyter.url}/{way}?token={jupyter.token}")
        self.wait_ready()

    def wait_ready(self) -> None:
        self.page.wait_for_function(READY, timeout=40_000)

    def run(self, number: int) -> None:
        """Start one cell and do not wait for it."""
        self.page.evaluate(RUN, number)

    def output(self, number: int) -> str:
        return self.page.locator(".jp-Cell").nth(number).locator(".jp-OutputArea").inner_text()

    @property
    def busy(self) -> bool:
        return bool(self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"))

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate("([name, arguments]) => { jupyterapp.commands.execute(name, arguments) }", [name, arguments])

    def picture(self, path: Path) -> None:
        """Take the notebook without the front end around it, as far as it is written."""
        panel = self.page.locator(".jp-NotebookPanel").bounding_box()
        assert panel is not None
        last = self.page.locator(".casty-topology").last.bounding_box()
        assert last is not None
        self.page.screenshot(path=path, clip={**panel, "height": last["y"] + last["height"] + 12 - panel["y"]})

    def views(self) -> Locator:
        return self.page.locator(".casty-topology")

    def view(self, place: int = 0) -> View:
        found = self.views().nth(place)
        found.wait_for(timeout=20_000)
        return View(found)


class View:
    """One live view on a page, by what can be seen of it."""

    def __init__(self, root: Locator) -> None:
        self.root = root

    def lane(self, node: str) -> Locator:
        return self.root.locator(f".ct-lane[data-node='{node}']")

    def open(self, tab: str) -> None:
        self.root.get_by_role("tab", name=tab).click()

    @property
    def banner(self) -> str:
        return self.root.locator(".ct-banner [role=status]").inner_text()

    def rows(self) -> list[list[str]]:
        """The rows in sight of the open table."""
        rows: list[list[str]] = self.root.evaluate(
            """(root) => [...root.querySelectorAll('.ct-panel:not([hidden]) tbody tr[data-key]')]
                 .map((row) => [...row.cells].map((cell) => cell.textContent))"""
        )
        return rows

    @property
    def count(self) -> str:
        return self.root.locator(".ct-panel:not([hidden]) .ct-count").inner_text()

    @property
    def colours(self) -> int:
        """Different colours on the map."""
        count: int = self.root.locator(".ct-map canvas").evaluate(
            """(canvas) => {
                 const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                 return new Set(new Uint32Array(data.buffer)).size;
               }"""
        )
        return count

    @property
    def moments(self) -> int:
        count: int = self.root.evaluate("(root) => root.parentElement.castyView.moments.times.length")
        return count

    @property
    def state(self) -> dict[str, Any]:
        """What it shows, as the page holds it."""
        state: dict[str, Any] = self.root.evaluate(
            """(root) => {
                 const { sequence, nodes, types, services } = root.parentElement.castyView.moments.shown;
                 const columns = [...types].map(([name, type]) => [name, [...type.ids], [...type.codes]]);
                 return { sequence, nodes, services, types: columns };
               }"""
        )
        return state


def written(cells: tuple[str, ...]) -> dict[str, Any]:
    """A notebook of these cells, as it is in a file."""
    return {
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"cell_type": "code", "id": f"cell-{place}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
            for place, cell in enumerate(cells)
        ],
    }  # fmt: skip
