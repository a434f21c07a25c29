"""Balance and latency as pictures. matplotlib is imported when the first is drawn (extra ``plot``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from casty_notebook.errors import MisuseError
from casty_notebook.printable import printable
from casty_notebook.topology.names import natural
from casty_notebook.views.reprs.plain import clipped
from casty_notebook.views.theme import COLOURS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DASHES", "milliseconds", "named", "plot_latency", "plot_shards", "pyplot"]

HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")
DASHES = ("-", "--", "-.", ":")
LONGEST_NAME = 40
NO_MEMBER = "(no member)"


def pyplot() -> ModuleType:
    """Return matplotlib's, or say what to install."""
    try:
        import matplotlib.pyplot as pyplot
    except ImportError:
        raise MisuseError("plots need matplotlib: pip install matplotlib") from None
    return pyplot


def plot_shards(members: pd.DataFrame, shards: pd.DataFrame, *, ax: Any = None) -> Any:
    """Draw how many shards each node owns, by type, beside its even share.

    Parameters
    ----------
    members, shards
        The tables of one moment. A member without shards has a row, too.
    ax
        Where to draw; a new figure if None.

    Returns
    -------
    Axes

    Raises
    ------
    MisuseError
        If matplotlib is not installed.
    """
    import pandas as pd

    owners = shards["node"].cat.add_categories([NO_MEMBER]).fillna(NO_MEMBER)
    counts = pd.crosstab(owners, shards["type"]) if len(shards) else pd.DataFrame()
    names = list(dict.fromkeys([*members["node"].astype(str), *map(str, counts.index)]))
    counts = counts.reindex(names, fill_value=0)
    lost = set(members.loc[members["reachable"].eq(False).fillna(False), "node"].astype(str))
    ax = _axes(ax, height=1.4 + 0.38 * max(len(names), 1))
    left = [0] * len(names)
    for place, kind in enumerate(counts.columns):
        widths = counts[kind].tolist()
        # Beyond seven types colours repeat with another hatch.
        hatch = HATCHES[(place + place // len(COLOURS)) % len(HATCHES)]
        ax.barh(
            range(len(names)), widths, left=left, label=named(str(kind)), height=0.72,
            color=COLOURS[place % len(COLOURS)], hatch=hatch, edgecolor="white",
        )  # fmt: skip
        left = [start + width for start, width in zip(left, widths, strict=True)]
    living = len(set(names) - lost - {NO_MEMBER})
    share = sum(left) / living if living else 0
    if share:
        label = "even share" + (" of those reached" if lost else "")
        ax.axvline(share, color="#333333", linestyle=(0, (4, 3)), linewidth=1.2, label=label)
    _totals(ax, left, share)
    labels = [named(name) + ("\n(not reachable)" if name in lost else "") for name in names]
    ax.set_yticks(range(len(names)), labels)
    ax.invert_yaxis()
    ax.set_xlabel("shards owned")
    ax.set_title(f"Shards by node: {sum(left):,} on {sum(map(bool, left)):,} of {len(names):,} nodes{_of(shards)}")
    _finish(ax, legend=bool(sum(left)))
    return ax


def _totals(ax: Any, totals: Sequence[int], share: float) -> None:
    for place, total in enumerate(totals):
        ax.annotate(f"{total:,}", (total, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_xlim(0, max([1, share, *totals]) * 1.12)
    ax.xaxis.get_major_locator().set_params(integer=True)


def plot_latency(answers: pd.DataFrame, *, ax: Any = None) -> Any:
    """Draw which share of the answers came within how many milliseconds, a line for each node.

    Parameters
    ----------
    answers
        The table of a fan-out (`Cluster.ask_many`, ``%%casty_ask``).
    ax
        Where to draw; a new figure if None.

    Returns
    -------
    Axes

    Raises
    ------
    MisuseError
        If matplotlib is not installed, or the table has other columns.
    """
    import numpy as np

    if missing := {"node", "latency_ms", "error"} - set(getattr(answers, "columns", ())):
        raise MisuseError(f"this is no table of a fan-out: it has no {', '.join(sorted(missing))}. Give what ask_many returned")
    answered = answers[answers["error"].isna()]
    ax = _axes(ax, height=3.6)
    nodes = answered["node"].astype(object).fillna("unknown node").astype(str)
    for place, name in enumerate(sorted(set(nodes), key=natural)):
        latencies = np.sort(answered.loc[nodes == name, "latency_ms"].to_numpy())
        median = milliseconds(float(np.median(latencies)))
        shares = np.arange(1, len(latencies) + 1) / len(latencies) * 100
        ax.step(
            np.concatenate([latencies[:1], latencies]), np.concatenate([[0.0], shares]), where="post",
            color=COLOURS[place % len(COLOURS)], linestyle=DASHES[place % len(DASHES)], linewidth=2,
            label=f"{named(name)}: {len(latencies):,} answer{"s" * (len(latencies) != 1)}, median {median} ms",
        )  # fmt: skip
    for share, name in ((50, "median"), (99, "99 %")):
        ax.axhline(share, color="#999999", linewidth=0.8, linestyle=":", zorder=0)
        ax.annotate(name, (0.005, share), xycoords=("axes fraction", "data"), va="bottom", fontsize=8, color="#555555")
    if len(answered):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: milliseconds(value))
        ax.xaxis.set_minor_formatter(lambda value, _: milliseconds(value) if f"{value:e}"[0] in "25" else "")
    ax.set_ylim(0, 106)
    ax.set_xlabel("latency in ms")
    ax.set_ylabel("% of answers")
    failed = len(answers) - len(answered)
    ax.set_title(f"{len(answered):,} of {len(answers):,} answered" + (f", {failed:,} failed (not drawn)" if failed else ""))
    _finish(ax, legend=bool(len(answered)))
    return ax


def milliseconds(value: float) -> str:
    """A number with at least two significant digits, never as a power of ten: 0.25, 3.1, 250, 12,000."""
    digits = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
    shown = f"{value:,.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


# --- what both look like ----------------------------------------------------------------------------------------------


def _axes(ax: Any, height: float) -> Any:
    if ax is not None:
        pyplot()
        return ax
    return pyplot().subplots(figsize=(8, height), layout="constrained")[1]


def _finish(ax: Any, *, legend: bool) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", color="#DDDDDD", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.title.set(fontsize=11, ha="left", position=(0, 1))
    if legend:
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


def _of(table: pd.DataFrame) -> str:
    cluster = table.attrs.get("cluster")
    return f" · {named(cluster)}" if cluster else ""


def named(name: str) -> str:
    """A name as a label. Names come from the network: what is invisible in one is shown, and ``$`` starts no formula."""
    return clipped(printable(name), LONGEST_NAME).replace("$", r"\$")
