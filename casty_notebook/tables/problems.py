"""The table of problems."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from casty_notebook.console import fitting
from casty_notebook.printable import printable
from casty_notebook.tables.columns import attrs_of, frame, repeated, text
from casty_notebook.tables.table import Table
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import KINDS, Problem

__all__ = ["ProblemTable", "problems"]

NONE = "no problems"
READABLE = 80
"""Characters of a line, unless pandas was told another width."""


class ProblemTable(Table):
    """A table that is printed as text: for each problem a paragraph with all that is said of it, and what to try.

    Printed as rows, a problem would be wider than any terminal: cut, or wrapped into blocks of columns that nobody can follow.
    A selection that lacks one of the columns is printed like any other table.
    """

    @property
    def _constructor(self) -> Any:
        return ProblemTable

    @property
    def _is_whole(self) -> bool:
        return {"severity", "subject", "since", "says", "text", "remedy"} <= set(self.columns)

    def __repr__(self) -> str:
        if not self._is_whole:
            return super().__repr__()
        width = pd.get_option("display.width") or READABLE
        return fitting("\n".join(line for row in self.itertuples() for line in _paragraph(row, width)) or NONE)

    def _repr_html_(self) -> str | None:
        return NONE if self.empty and self._is_whole else super()._repr_html_()


def _paragraph(row: Any, width: int) -> Iterator[str]:
    yield f"{row.severity:4} {printable(row.subject)}, since {row.since:%Y-%m-%d %H:%M:%S} UTC, by {printable(row.says)}"
    for mark, said in (("  ", row.text), ("> ", row.remedy)):
        yield from textwrap.wrap(
            printable(said), width, initial_indent=f"     {mark}", subsequent_indent="       ", break_on_hyphens=False
        )


def problems(found: Sequence[Problem], *, cluster: str, moment: Moment | None = None) -> pd.DataFrame:
    """One row per problem of the `moment`, the worst and oldest first; empty where nothing is wrong.

    Columns
    -------
    severity
        ``bad`` or ``warn``.
    kind, subject
        What it is, and of whom.
    since
        From when on it has been so without a break.
    says
        Whose word it is: ``here`` (our own connections), ``cluster``, or both; or a node's own, by its helper.
    text, remedy
        What was seen, and what to try.

    Examples
    --------
    >>> problems([], cluster="prod")
    no problems
    """
    return frame(
        {
            "severity": repeated([each.severity for each in found], ["bad", "warn"]),
            "kind": repeated([each.kind for each in found], KINDS),
            "subject": text([each.subject for each in found]),
            "since": pd.Series([each.since for each in found], dtype=pd.DatetimeTZDtype("us", "UTC")),
            "says": text([each.says for each in found]),
            "text": text([each.text for each in found]),
            "remedy": text([each.remedy for each in found]),
        },
        attrs_of(cluster, moment),
        ProblemTable,
    )
