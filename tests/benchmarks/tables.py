"""Tables from a snapshot, beside pandas with the same columns at hand.

What is at hand differs: "plain" is given numpy arrays, categoricals as codes and categories; that is the least that any way
to these tables can cost. "plain from lists" is given what Python code gathers from a snapshot in a loop: the codes and
numbers as lists. The gathering itself is counted for neither.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import run_fresh

if TYPE_CHECKING:
    import pandas as pd

GROUP = "tables"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SHAPES = ((3, 4, 10_000), (50, 4, 10_000))


def measure(scale: float) -> Iterator[Figure]:
    """One round, in a process of its own."""
    for nodes, types, shards in SHAPES if scale >= 0.5 else SHAPES[:1]:
        yield from (Figure(*row) for row in run_fresh(f"{__name__}:tables_of", nodes, types, shards, max(5, round(25 * scale))))


def tables_of(nodes: int, types: int, shards: int, times: int) -> list[tuple[str, str, str, str, str, float]]:
    """Figures as JSON can carry them."""
    from tests.benchmarks.measuring import cpu_each

    rows = []
    for name, make in _makers(nodes, types, shards).items():
        table = make()
        label = f"{name} table of {len(table):,} rows, {nodes} nodes"
        if name == "shards":
            label = f"{len(table):,} shards" + ("" if nodes == SHAPES[0][0] else f", {nodes} nodes")
        plain, from_lists = _from_arrays(table), _from_lists(table)
        for ready in (plain, from_lists):
            assert ready().equals(table)
            assert (ready().dtypes == table.dtypes).all()
        costs = cpu_each([make, plain, from_lists], times)
        for side, suffix, cost in zip(("ours", "plain", "plain"), ("", "", ", from lists"), costs, strict=True):
            rows.append((GROUP, label + suffix, "", side, "ms", cost))
        rows.append((GROUP, label + ", over plain", "", "ours", "1", costs[0] / costs[1]))
        rows.append((GROUP, label + ", over plain from lists", "", "ours", "1", costs[0] / costs[2]))
    return rows


def _makers(nodes: int, types: int, shards: int) -> dict[str, Callable[[], pd.DataFrame]]:
    from casty_notebook import NodeAddress, tables
    from casty_notebook.topology.events import diff
    from casty_notebook.topology.health import LinkState, NodeHealth
    from casty_notebook.topology.moment import Moment
    from tests.benchmarks.reading import decoded

    before, after = (decoded(nodes, types, shards, version) for version in (0, 1))
    health = {NodeAddress(*member.address): NodeHealth(LinkState.live, 0.001) for member in after.members}
    events = diff(before, after, NOW) * 100
    moment = Moment(NOW, after, health)
    return {
        "shards": lambda: tables.shards(moment, cluster="bench"),
        "members": lambda: tables.members(moment, cluster="bench"),
        "services": lambda: tables.services(moment, cluster="bench"),
        "events": lambda: tables.events(events, cluster="bench", moment=moment),
    }


def _from_arrays(table: pd.DataFrame) -> Callable[[], pd.DataFrame]:
    """A function that makes the same table of ready arrays."""
    import numpy as np
    import pandas as pd

    def maker(name: str) -> Callable[[], Any]:
        column = table[name]
        kind = column.dtype
        if isinstance(kind, pd.CategoricalDtype):
            codes, names = np.array(column.cat.codes, dtype=np.intp), column.cat.categories.tolist()
            of = column.cat.categories.dtype
            return lambda: pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=of))
        if isinstance(kind, np.dtype) and kind.kind in "ifb":
            array = column.to_numpy().copy()
            return lambda: array
        values = column.array.copy() if pd.api.types.is_extension_array_dtype(kind) else column.tolist()
        return lambda: pd.array(values, dtype=kind, copy=False) if not isinstance(values, list) else pd.Series(values, dtype=kind)

    return _together(table, maker)


def _from_lists(table: pd.DataFrame) -> Callable[[], pd.DataFrame]:
    """A function that makes the same table of lists, with the dtypes given."""
    import pandas as pd

    def maker(name: str) -> Callable[[], Any]:
        column = table[name]
        kind = column.dtype
        if isinstance(kind, pd.CategoricalDtype):
            codes, names, of = column.cat.codes.tolist(), column.cat.categories.tolist(), column.cat.categories.dtype
            return lambda: pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=of))
        values = [None if value is pd.NA else value for value in column.tolist()]
        return lambda: pd.Series(values, dtype=kind)

    return _together(table, maker)


def _together(table: pd.DataFrame, maker: Callable[[str], Callable[[], Any]]) -> Callable[[], pd.DataFrame]:
    import pandas as pd

    makers = {str(name): maker(str(name)) for name in table.columns}
    return lambda: pd.DataFrame({name: make() for name, make in makers.items()}, copy=False)
