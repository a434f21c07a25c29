"""The class of our tables: a DataFrame whose cells hold the true values, and whose printed text is safe to show.

A name, an id or a reply in a cell is what the cluster knows it by, so that it can be compared, joined and asked. But pandas
prints text as it is: whatever a peer put into it would reach the terminal, and MathJax would typeset what stands between two
``$``. Slices, selections and single columns are of these classes too. Other libraries find a DataFrame like any other.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pandas as pd

from casty_notebook.console import fitting
from casty_notebook.printable import printable_lines

__all__ = ["Table", "TableColumn"]


MOST_WRAPPED = 20
"""Most columns that a terminal shows, wrapped over as many lines as they need; pandas' own limit in a notebook."""

MOST_OF_A_CELL = 300
"""Most characters of a cell that a notebook shows: enough for any reason or remedy of ours, not for the whole of a long reply."""


class TableColumn(pd.Series):
    """A column of a `Table`."""

    @property
    def _constructor(self) -> Any:
        return TableColumn

    @property
    def _constructor_expanddim(self) -> Any:
        return Table

    def __repr__(self) -> str:
        return fitting(printable_lines(super().__repr__()))

    def to_string(self, buf: Any = None, *args: Any, **options: Any) -> Any:
        text = super().to_string(buf, *args, **options)
        return text if text is None else printable_lines(text)


class Table(pd.DataFrame):
    """A DataFrame whose printed forms are printable. Its values, and what it is saved as, are as they came."""

    @property
    def _constructor(self) -> Any:
        return Table

    @property
    def _constructor_sliced(self) -> Any:
        return TableColumn

    def __repr__(self) -> str:
        # With 0, the default in a terminal, pandas leaves out the columns in the middle, our own view of a node among them.
        # Wrapped, a table shows all its columns.
        wrapped = pd.get_option("display.max_columns") == 0
        with pd.option_context("display.max_columns", MOST_WRAPPED) if wrapped else nullcontext():
            return fitting(printable_lines(super().__repr__()))

    def _repr_html_(self) -> str | None:
        # A page wraps long text, and pandas' default of 50 characters would cut reasons short. A user's own length is kept.
        cut = pd.get_option("display.max_colwidth")
        with pd.option_context("display.html.use_mathjax", False, "display.max_colwidth", MOST_OF_A_CELL if cut == 50 else cut):
            shown = super()._repr_html_()  # type: ignore[misc]
        return None if shown is None else printable_lines(shown)

    def to_string(self, buf: Any = None, *args: Any, **options: Any) -> Any:
        text = super().to_string(buf, *args, **options)
        return text if text is None else printable_lines(text)
