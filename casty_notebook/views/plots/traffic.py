"""Our own asks over time as a picture: how many were answered and failed, and how long they took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casty_notebook.errors import MisuseError
from casty_notebook.topology.names import natural
from casty_notebook.views.plots.figures import DASHES, milliseconds, named, pyplot
from casty_notebook.views.theme import BAD, COLOURS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plot_traffic"]

MOST_LINES = 7
SHORTEST = 1.0
"""Seconds that a stretch must have lasted to be drawn."""


def plot_traffic(traffic: pd.DataFrame, *, by: str = "node") -> Any:
    """Draw the asks of a second, those that failed among them, above how long 99 of 100 took, a line for each node or type.

    Parameters
    ----------
    traffic
        `Cluster.traffic`.
    by
        ``node`` or ``type``.

    Returns
    -------
    Two Axes

    Raises
    ------
    MisuseError
        If matplotlib is not installed, or the table has other columns.
    """
    if by not in ("node", "type"):
        raise MisuseError(f"by must be node or type, not {by!r}")
    if missing := {"time", "seconds", "node", "type", "cause", "count", "p99_ms"} - set(getattr(traffic, "columns", ())):
        raise MisuseError(f"this is no table of traffic: it has no {', '.join(sorted(missing))}. Give cluster.traffic")
    figure, (above, below) = pyplot().subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    # A stretch that has just begun would show a few asks as a high rate.
    drawn = traffic[traffic["seconds"] >= SHORTEST]
    answered, failed = drawn[drawn["cause"].isna()], drawn[drawn["cause"].notna()]
    names = answered[by].astype(object).fillna("(none)")
    groups = answered.groupby(names)["count"].sum().nlargest(MOST_LINES).index
    for place, name in enumerate(sorted(map(str, groups), key=natural)):
        mine = answered[names == name].groupby("time")
        look = {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place % len(DASHES)], "marker": ".", "linewidth": 1.6}
        above.plot(*_line(mine["count"].sum() / mine["seconds"].max()), label=named(name), **look)
        below.plot(*_line(mine["p99_ms"].max()), **look)
    if len(failed):
        lost = failed.groupby("time")
        look = {"color": BAD, "marker": "X", "markersize": 8, "linestyle": "none"}
        above.plot(*_line(lost["count"].sum() / lost["seconds"].max()), label="failed", **look)
    _finish(figure, above, below, traffic)
    return above, below


def _line(values: pd.Series[Any]) -> tuple[Any, Any]:
    return values.index, values.to_numpy()


def _finish(figure: Any, above: Any, below: Any, traffic: pd.DataFrame) -> None:
    cluster = f" · {named(traffic.attrs['cluster'])}" if traffic.attrs.get("cluster") else ""
    asked, failed = int(traffic["count"].sum()), int(traffic.loc[traffic["cause"].notna(), "count"].sum())
    above.set_title(f"{asked:,} asks, {failed:,} failed{cluster}", loc="left", fontsize=11)
    above.set_ylabel("asks per second")
    above.set_ylim(bottom=0)
    below.set_ylabel("p99 in ms")
    if below.lines:
        below.set_yscale("log")
        below.yaxis.set_major_formatter(lambda value, _: milliseconds(value))
        below.yaxis.set_minor_formatter(lambda value, _: milliseconds(value) if f"{value:e}"[0] in "25" else "")
    for ax in (above, below):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#DDDDDD", linewidth=0.7)
    if above.lines:
        above.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    figure.autofmt_xdate(rotation=0, ha="center")
