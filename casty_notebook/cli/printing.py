"""What commands print: tables and values at once, or rows as they come; as text, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from casty_notebook.console import fitting
from casty_notebook.printable import printable, printable_lines

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FAILED", "Rows", "as_plain", "note", "print_records", "print_table", "print_value"]

FAILED = 1
"""What a command ends with where the cluster said no."""


def print_table(table: DataFrame, form: str | None) -> int:
    """Print a table; returns the exit code of a command that only looks."""
    if form == "json":
        print(table.to_json(orient="records", date_format="iso", default_handler=str, indent=2))
    elif form == "csv":
        print(table.to_csv(index=False), end="")
    elif len(table):
        shown = table.round({name: 2 for name in table if str(name).endswith("_ms")})
        print(fitting(shown.to_string(index=False, na_rep="")))
    else:
        print("none")
    return 0


def print_records(found: Mapping[str, Any] | Sequence[Mapping[str, Any]], columns: Sequence[str], form: str) -> None:
    """Print one record, or several, that are no table."""
    if form == "json":
        print(json.dumps(found, default=str, indent=2))
        return
    rows = Rows(columns, form)
    for row in [found] if isinstance(found, Mapping) else found:
        rows.add(row, "")


def print_value(value: Any, form: str | None) -> None:
    """Print what was answered."""
    if form == "json":
        print(json.dumps(value, default=as_plain, indent=2))
    else:
        print(fitting(printable(value if isinstance(value, str) else repr(value))))


def as_plain(value: Any) -> Any:
    """For JSON: what a stand-in, a named tuple or an object of a class that is here holds."""
    for form in ("to_dict", "_asdict"):
        if hasattr(value, form):
            return getattr(value, form)()
    return getattr(value, "__dict__", None) or str(value)


def note(text: str) -> None:
    """Say something beside the output: whoever reads that from a pipe does not get it."""
    print(fitting(printable_lines(text)), file=sys.stderr, flush=True)


class Rows:
    """Rows that are printed one by one, each at once: for a pipe, too."""

    def __init__(self, columns: Sequence[str], form: str | None) -> None:
        self._columns, self._form = columns, form
        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        if form == "csv":
            self._csv.writerow(columns)
            sys.stdout.flush()

    def add(self, row: Mapping[str, Any], text: str) -> None:
        """Print a row; `text` is how a person reads it, who is told nothing where it is empty."""
        if self._form == "json":
            print(json.dumps({name: row[name] for name in self._columns}, default=as_plain))
        elif self._form == "csv":
            self._csv.writerow([row[name] for name in self._columns])
        elif text:
            print(fitting(printable(text)))
        sys.stdout.flush()
