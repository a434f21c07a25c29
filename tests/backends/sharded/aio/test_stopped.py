"""A process that was stopped past a deadline: what came in time counts, and nobody is dead who had answered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from casty_notebook.demo import DemoCluster
from tests.house.source import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops a process by its signals")

JOB = """
import sys, threading
from casty_notebook import connect
from casty_notebook.demo.messages import GetCount, Slow
with connect(sys.argv[1], shards={"counter": 100}) as cluster:
    cluster.ask("counter/stopped", GetCount)
    def ask():
        try:
            got = cluster.ask("counter/stopped", lambda reply_to: Slow(0.8, reply_to), timeout=2)
        except Exception as error:
            got = type(error).__name__
        print("SLOW", got, flush=True)
    thread = threading.Thread(target=ask)
    thread.start()
    cluster.ask("counter/another", GetCount)
    print("ASKED", flush=True)
    thread.join()
    print("NEXT", cluster.ask("counter/stopped", GetCount), "LOST", cluster.client.counters["lost_links"], flush=True)
"""


@pytest.mark.parametrize("loop", ["asyncio", "fast"])
def test_a_reply_that_came_while_the_process_was_stopped_counts(demo_cluster: DemoCluster, loop: str) -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", JOB, demo_cluster.uri], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "CASTY_NOTEBOOK_LOOP": loop},
    )  # fmt: skip
    try:
        assert job.stdout is not None
        assert job.stdout.readline() == "ASKED\n"
        job.send_signal(signal.SIGSTOP)
        # Nothing here can be waited for but time: past the ask's deadline, the answer long since sent.
        time.sleep(2.6)
        job.send_signal(signal.SIGCONT)
        out, _ = job.communicate(timeout=40)
    finally:
        job.kill()
    assert out == "SLOW 0.8\nNEXT 0 LOST 0\n"
