"""A problem that appears rings once, calls who asked for it, and is over with the connection."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from casty_notebook import connect
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import MisuseError
from casty_notebook.topology.problems import Problem
from tests.support.waiting import wait_until

RINGS = """
from casty_notebook import connect
with connect({uri!r}) as cluster:
    bell = cluster.bell()
    print("listening", flush=True)
    cluster.wait_until(lambda _: bell.rung, timeout=60)
    print("rang", bell, flush=True)
"""


def test_a_death_rings_the_bell_and_calls_with_what_is_wrong(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(3)
    came: list[Problem] = []
    with connect(demo.uri, name="belled") as cluster:
        with pytest.raises(MisuseError, match="on_problem takes a function, not int"):
            cluster.on_problem(7)  # type: ignore[arg-type]
        cluster.wait_until(lambda c: c.health and all(view.reachable for view in c.health.values()), timeout=20)
        bell, subscription = cluster.bell(), cluster.on_problem(came.append)
        assert cluster.bell() is bell
        assert "no problem" in bell._repr_mimebundle_()[0]["text/html"]  # type: ignore[index]
        demo.kill("node-3")
        wait_until(lambda: bell.rung and came, 20)
        assert "node-3" in {problem.subject for problem in came}
        assert "node-3" in {row["subject"] for row in bell.problems["rows"]}
        assert "node-3: " in bell._repr_mimebundle_()[0]["text/html"]  # type: ignore[index]
    wait_until(lambda: bell.stopped and subscription.stopped)
    assert "is still" in repr(bell)
    bell.close()


def test_in_a_terminal_it_is_the_terminals_bell(start_cluster: Callable[..., DemoCluster], tmp_path: Path) -> None:
    demo = start_cluster(2)
    (tmp_path / "rings.py").write_text(RINGS.format(uri=demo.uri))
    process = pexpect.spawn(
        sys.executable, [str(tmp_path / "rings.py")], timeout=60, encoding="utf-8", cwd=str(Path(__file__).parents[2])
    )
    try:
        process.expect_exact("listening")
        demo.kill("node-2")
        process.expect_exact("\a")
        process.expect_exact("rang <Bell of demo: rings when a problem appears, rang 1 time")
    finally:
        process.close(force=True)
