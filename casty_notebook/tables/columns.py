"""Columns that are built in bulk, with dtypes that do not depend on what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from casty_notebook.address import NodeAddress
from casty_notebook.printable import writable
from casty_notebook.tables.table import Table
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.names import natural

if TYPE_CHECKING:
    from casty_notebook.topology.moment import Moment

__all__ = ["attrs_of", "categorical", "codes_of", "frame", "reachable", "repeated", "round_trips", "text"]

type Codes = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]


def frame(columns: Mapping[str, Any], attrs: Mapping[str, Any], table: type[Table] = Table) -> pd.DataFrame:
    """Put ready columns together."""
    made = table(columns, copy=False)
    made.attrs.update(attrs)
    return made


def attrs_of(cluster: str, moment: Moment | None) -> dict[str, Any]:
    """Return what a table says of itself: cluster, epoch of the allocations, time of the moment that it shows.

    The time is ISO 8601 text in UTC: pandas compares attrs in `concat` and writes them as JSON in `to_parquet`.
    """
    return {
        "cluster": cluster,
        "epoch": None if moment is None else moment.snapshot.allocation_epoch,
        "time": None if moment is None else moment.time.astimezone(UTC).isoformat(timespec="milliseconds"),
    }


def text(values: Sequence[str | None]) -> Any:
    """A column of text that seldom repeats; None is missing."""
    written: Any = [float("nan") if value is None else writable(value) for value in values]
    return pd.Series(written, dtype=_TEXT)


def categorical(codes: Codes, names: Sequence[str]) -> pd.Categorical:
    """A column of names by their place in `names`; -1 is missing. Names may repeat, since two nodes may share one."""
    places: dict[str, int] = {}
    new = np.fromiter(
        (places.setdefault(writable(name), len(places)) for name in names), dtype=np.intp, count=len(names)
    )
    if len(places) != len(names):
        codes = np.where(codes < 0, -1, new[codes])
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(places), dtype=_TEXT))


def repeated(values: Sequence[str | None], categories: Sequence[str] | None = None) -> pd.Categorical:
    """A column of names that repeat; None is missing.

    Sorting by it goes by `categories` if they are given, else by natural order (node-2 before node-10).
    """
    names = sorted({value for value in values if value is not None}, key=natural) if categories is None else categories
    return categorical(codes_of(values, {name: code for code, name in enumerate(names)}), names)


def codes_of(values: Sequence[Any], places: Mapping[Any, int]) -> Codes:
    """Return the place of each value, in as few bytes as there is need for; -1 for one that has none."""
    kind = np.min_scalar_type(-max(len(places), 1))
    return np.fromiter((places.get(value, -1) for value in values), dtype=kind, count=len(values))


def reachable(addresses: Sequence[NodeAddress], moment: Moment | None, places: Codes | None = None) -> Any:
    """Our own view of each address as a nullable boolean; missing where we do not know yet. With `places` a row for each."""
    views = [None if moment is None else moment.reach(address) for address in addresses]
    values, missing = np.array([view is True for view in views], bool), np.array([view is None for view in views], bool)
    return pd.arrays.BooleanArray(*((values, missing) if places is None else (values[places], missing[places])))


def round_trips(addresses: Sequence[NodeAddress], moment: Moment | None) -> Any:
    """The last round trip to each address that is reached, in milliseconds; NaN otherwise."""
    return np.array([_milliseconds(None if moment is None else moment.health.get(each)) for each in addresses], dtype=np.float64)


def _milliseconds(view: NodeHealth | None) -> float:
    # What was measured before a node was lost is not how far away it is now.
    return view.rtt * 1000 if view is not None and view.rtt is not None and view.reachable else float("nan")


_TEXT: Any = pd.Series([], dtype="str").dtype
"""``str`` from pandas 3 on, ``object`` before."""
