"""Plots by what is on them; how they look was judged by eye."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot
import pandas as pd
import pytest

from casty_notebook.errors import AskTimeout, FailureReport, MisuseError
from casty_notebook.tables import answers, members, shards
from casty_notebook.tables.traffic import traffic
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.traffic import TrafficRow
from casty_notebook.views.plots.figures import HATCHES, milliseconds, plot_latency, plot_shards
from casty_notebook.views.plots.traffic import plot_traffic
from casty_notebook.views.theme import COLOURS
from tests.support.topologies import member, node, owned_by, topology

matplotlib.use("Agg")

SNAPSHOT = topology(
    [member(1), member(2), member(10)],
    leader=1,
    shards={
        "cart": {shard: owned_by(1 + shard % 2) for shard in range(9)},
        "order": {0: owned_by(1), 1: owned_by(9)},
    },
)
HEALTH = {node(1): NodeHealth(LinkState.live), node(2): NodeHealth(LinkState.down), node(10): NodeHealth(LinkState.live)}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    matplotlib.pyplot.close("all")


def tables(snapshot: Any = SNAPSHOT) -> tuple[pd.DataFrame, pd.DataFrame]:
    return (
        members(Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot, HEALTH), cluster="$prod$"),
        shards(Moment(datetime(2026, 1, 2, tzinfo=UTC), snapshot, HEALTH), cluster="$prod$"),
    )


def fan_out(latencies: dict[str, list[float]], failed: int = 0) -> pd.DataFrame:
    rows = [
        SimpleNamespace(target="t", node=name, shard=1, reply=1, latency=each, error=None)
        for name, many in latencies.items()
        for each in many
    ]
    error = AskTimeout(FailureReport("t", "no reply came."))
    rows += [SimpleNamespace(target="t", node=None, shard=None, reply=None, latency=5.0, error=error)] * failed
    return answers(rows, cluster="prod")


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_every_node_has_a_bar_of_what_it_owns_by_type() -> None:
    ax = plot_shards(*tables())
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "node-1", "node-2\n(not reachable)", "node-10", "(no member)"
    ]  # fmt: skip
    widths = {str(bars.get_label()): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert widths == {"cart": [5, 4, 0, 0], "order": [1, 0, 0, 1]}
    assert [text.get_text() for text in ax.texts] == ["6", "4", "0", "1"]
    assert ax.get_title() == r"Shards by node: 11 on 3 of 4 nodes · \$prod\$"
    assert ax.get_xlabel() == "shards owned"
    assert set(legend(ax)) == {"cart", "order", "even share of those reached"}
    assert ax.get_lines()[0].get_xdata()[0] == 5.5
    assert ax.get_xlim()[1] > 6


def test_types_differ_by_more_than_colour_and_many_types_never_look_the_same() -> None:
    many = topology([member(1)], shards={f"type-{n}": {0: owned_by(1)} for n in range(20)})
    bars = plot_shards(*tables(many)).containers
    looks = {(bar[0].get_facecolor(), bar[0].get_hatch()) for bar in bars}
    assert len(looks) == 20
    assert len(set(HATCHES)) == len(set(COLOURS)) == 7


def test_nothing_at_all_can_be_drawn() -> None:
    ax = plot_shards(*tables(topology()))
    assert ax.get_title().startswith("Shards by node: 0 on 0 of 0 nodes")
    assert plot_latency(fan_out({})).get_title() == "0 of 0 answered"
    ax.figure.draw_without_rendering()


def test_latencies_are_drawn_by_node_with_their_median_and_failures_counted() -> None:
    ax = plot_latency(fan_out({"node-10": [0.001, 0.002, 0.010], "node-2": [0.004]}, failed=2))
    assert legend(ax) == ["node-2: 1 answer, median 4 ms", "node-10: 3 answers, median 2 ms"]
    assert ax.get_title() == "4 of 6 answered, 2 failed (not drawn)"
    first, second, *_ = ax.get_lines()
    assert list(second.get_xdata()) == [1, 1, 2, 10]
    assert list(second.get_ydata()) == pytest.approx([0, 100 / 3, 200 / 3, 100])
    assert first.get_linestyle() != second.get_linestyle()
    ax.figure.draw_without_rendering()


def test_it_draws_where_it_is_told() -> None:
    _, axes = matplotlib.pyplot.subplots(2)
    assert plot_shards(*tables(), ax=axes[0]) is axes[0]
    assert plot_latency(fan_out({"node-1": [0.1]}), ax=axes[1]) is axes[1]


def test_another_table_is_refused_by_name() -> None:
    with pytest.raises(MisuseError, match="no latency_ms"):
        plot_latency(tables()[0].assign(error=None))


def test_without_matplotlib_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MisuseError, match=r"pip install matplotlib"):
        plot_shards(*tables())


def testmilliseconds_are_never_powers_of_ten() -> None:
    shown = [milliseconds(value) for value in (0.25, 3.14, 250.4, 1000, 12_345, 0.0)]
    assert shown == ["0.25", "3.1", "250", "1,000", "12,345", "0"]


# --- our own asks -----------------------------------------------------------------------------------------------------


def made_traffic() -> pd.DataFrame:
    rows = [
        TrafficRow(12.0, 5.0, node(1), "counter", None, 50, 0.002, 0.02),
        TrafficRow(12.0, 5.0, node(2), "cart", None, 10, 0.001, 0.01),
        TrafficRow(7.0, 5.0, None, "counter", "AskTimeout", 20, 0.5, 0.5),
        TrafficRow(0.1, 0.1, node(1), "counter", None, 1, 0.1, 0.1),
    ]
    return traffic(rows, lambda address: {node(1): "node-1"}.get(address), datetime(2026, 11, 27, tzinfo=UTC), cluster="$prod$")


def test_traffic_is_a_table_by_node_type_and_cause() -> None:
    table = made_traffic()
    assert table["per_s"].tolist() == [10.0, 2.0, 4.0, 10.0]
    assert table["errors"].tolist() == [0, 0, 20, 0]
    assert table["node"].tolist()[:2] == ["node-1", str(node(2))]
    assert table["node"].isna().tolist() == [False, False, True, False]
    assert table["p99_ms"].tolist() == [20.0, 10.0, 500.0, 100.0]
    empty = traffic([], str, datetime(2026, 11, 27, tzinfo=UTC), cluster="prod")
    assert empty.dtypes.drop(["node", "type", "cause"]).equals(table.dtypes.drop(["node", "type", "cause"]))


def test_a_plot_of_traffic_has_a_line_for_each_and_failures_as_marks() -> None:
    above, below = plot_traffic(made_traffic())
    assert [line.get_label() for line in above.lines] == [r"10.0.1.2:25520", "node-1", "failed"]
    assert [line.get_ydata().tolist() for line in above.lines] == [[2.0], [10.0], [4.0]]
    assert len(below.lines) == 2
    assert above.get_title(loc="left") == r"81 asks, 20 failed · \$prod\$"
    above, _ = plot_traffic(made_traffic(), by="type")
    assert [line.get_label() for line in above.lines] == ["cart", "counter", "failed"]
    plot_traffic(traffic([], str, datetime(2026, 11, 27, tzinfo=UTC), cluster="prod"))
    with pytest.raises(MisuseError, match="by must be node or type"):
        plot_traffic(made_traffic(), by="cause")
    with pytest.raises(MisuseError, match="no table of traffic: it has no cause, count"):
        plot_traffic(pd.DataFrame({"node": []}))
