"""The same question again and again: latencies, percentiles, a line of bars."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Slow
from casty_notebook.errors import MisuseError
from casty_notebook.tables.latency import sparkline
from tests.support.messages import NOBODY


@pytest.fixture(scope="module")
def cluster(demo_cluster: DemoCluster):  # type: ignore[no-untyped-def]
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="sampling") as connected:
        yield connected


def test_a_sampling_is_a_table_of_latencies_with_percentiles(cluster: Cluster) -> None:
    table = cluster.sample("counter/sampled", GetCount, count=30, every=0.01)
    assert list(table.columns) == ["at_s", "node", "latency_ms", "error"]
    assert len(table) == 30
    assert table["error"].isna().all()
    assert np.diff(table["at_s"]).min() >= 0
    assert table["at_s"].iloc[-1] >= 0.29
    percentiles = table.attrs["percentiles"]
    assert list(percentiles) == ["min", "p50", "p90", "p95", "p99", "max"]
    assert list(percentiles.values()) == sorted(percentiles.values())
    assert percentiles["max"] == table["latency_ms"].max()
    assert len(table.attrs["sparkline"]) == 30
    assert table.attrs["summary"] == {
        "target": "counter/sampled", "asked": 30, "answered": 30, "failed": 0, "interrupted": 0,
    }  # fmt: skip


def test_a_slow_reply_does_not_hold_up_the_next_question(cluster: Cluster) -> None:
    table = cluster.sample("counter/queueing", Slow(0.3, NOBODY), count=5, every=0.01)
    assert table["at_s"].max() < 0.3, "they were asked on time, though each took longer"
    assert table["latency_ms"].iloc[-1] > 900, "what waited behind the others shows it"


def test_without_a_pause_one_is_asked_at_a_time(cluster: Cluster) -> None:
    table = cluster.sample("counter/back-to-back", Slow(0.02, NOBODY), count=5, every=0)
    assert np.diff(table["at_s"]).min() >= 0.02


def test_lost_ones_are_crosses_and_no_latencies(cluster: Cluster) -> None:
    table = cluster.sample("counter/lost", Slow(60, NOBODY), count=2, every=0.01, timeout=0.05)
    assert table.attrs["sparkline"] == "××"
    assert table["error"].str.startswith("AskTimeout: counter/lost: sent to").all()
    assert set(table.attrs["percentiles"].values()) == {None}
    assert table.attrs["summary"]["failed"] == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": 0}, "count must be from 1 to 100,000, not 0"),
        ({"count": 1_000_000}, "count must be from 1 to 100,000, not 1000000"),
        ({"every": -1}, "every must be from 0 to 3,600 seconds, not -1"),
    ],
)
def test_a_sampling_is_bounded(cluster: Cluster, options: dict[str, int], says: str) -> None:
    with pytest.raises(MisuseError, match=says):
        cluster.sample("counter/x", GetCount, **options)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_keeps_what_was_measured(cluster: Cluster) -> None:
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    table = cluster.sample("counter/stopped", GetCount, count=10_000, every=0.02)
    assert 3 <= len(table) < 100
    assert table["latency_ms"].notna().all()
    assert table.attrs["summary"]["interrupted"] == 10_000 - len(table)


def test_bars_show_the_worst_of_what_shares_a_cell() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([1, 1, 1, 8], width=2) == "▁█"
    assert sparkline([1, None, 8, 8], width=2) == "×█"
    assert len(sparkline(range(61))) == 60
