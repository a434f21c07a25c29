"""What the log is told: a line for each node lost and found and for each new contact, none for an attempt; quiet by default."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest

from casty_notebook import connect
from casty_notebook.demo import DemoCluster
from tests.house.source import ROOT
from tests.support.waiting import wait_until

SILENT = """
import sys
from casty_notebook import connect
from casty_notebook.demo import DemoCluster
with DemoCluster(1) as demo, connect(demo.uri) as cluster:
    demo.kill("node-1")
    while cluster.members["reachable"].fillna(True).any():
        pass
"""


def test_the_log_tells_of_nodes_that_die_freeze_and_return(
    start_cluster: Callable[..., DemoCluster], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "casty_notebook")
    demo = start_cluster(2)
    first, second = (str(node.address) for node in demo.nodes)

    def said(level: int, *words: str) -> list[str]:
        lines = [record.getMessage() for record in list(caplog.records) if record.levelno == level]
        return [line for line in lines if all(word in line for word in words)]

    with connect(demo.uri) as cluster:
        wait_until(lambda: cluster.members["reachable"].fillna(False).sum() == 2)
        assert len(said(logging.INFO, "is the new contact")) == 1
        assert said(logging.DEBUG, "dialling", second)

        demo.freeze("node-2")
        wait_until(lambda: said(logging.INFO, "lost", second), 20, "a frozen node")
        demo.thaw("node-2")
        wait_until(lambda: said(logging.INFO, "found", second, "again"), 20, "a thawed node")
        demo.kill("node-1")
        wait_until(lambda: said(logging.INFO, "lost", first), 20, "a killed node")
        wait_until(lambda: len(said(logging.INFO, "is the new contact")) == 2, 20, "another contact")
        demo.kill("node-2")
        wait_until(lambda: said(logging.INFO, "no node is reached any more"), 20, "all of them")
        dials = len(said(logging.DEBUG, "dialling", first))
        wait_until(lambda: len(said(logging.DEBUG, "dialling", first)) > dials + 2, 20, "attempts")
        assert len(said(logging.INFO, "lost", first)) == 1, "one line for a node, not for each attempt"
        assert {record.name for record in caplog.records} == {"casty_notebook.backends"}


def test_nobody_is_told_who_did_not_ask() -> None:
    done = subprocess.run([sys.executable, "-c", SILENT], cwd=ROOT, capture_output=True, text=True, timeout=40, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_after_close_nothing_is_reachable(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri) as cluster:
        wait_until(lambda: cluster.members["reachable"].fillna(False).all())
    assert not cluster.members["reachable"].any()
    assert cluster.members["reachable"].notna().all()
