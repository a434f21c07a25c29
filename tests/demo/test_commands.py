"""The commands of the terminal: the tour from start to end, the kept cluster, and Ctrl-C in both."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from casty_notebook.demo.__main__ import main
from tests.house.source import ROOT
from tests.support.leftovers import leftovers
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-m", "casty_notebook.demo"]

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_tour_shows_everything_and_ends_well_in_time() -> None:
    before = time.monotonic()
    done = subprocess.run([*COMMAND, "demo"], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    # One of its asks goes to nodes of which one was just killed.
    ended = r"(demo: \d+ of 20 answered, \d+ failed \(.*\); the first is counter/user-\d+\n)?"
    assert re.fullmatch(ended, done.stderr), done.stderr
    assert time.monotonic() - before < 30, "it takes about ten seconds on an idle machine"
    shown = done.stdout
    assert re.search(r"node-1 127\.0\.0\.1:\d+ +up +True +True", shown), "members"
    assert re.search(r"payment +node-1 127\.0\.0\.1:\d+ +/payment +True", shown), "services"
    assert re.search(r'ask\("counter/user-42", GetCount\) +-> +3 ', shown), "an entity's answer"
    assert "PaymentReceipt(number=1, amount=100" in shown, "a service's answer"
    assert "20 of 20 answered" in shown, "a fan-out"
    assert re.search(r"node-3 127\.0\.0\.1:\d+ +\w+ +False", shown), "a dead node is not reachable"
    assert "./dev lab" in shown, "where to go from here"


def test_a_kept_cluster_prints_how_to_connect_to_it() -> None:
    with running("cluster", "--nodes", "1", "--shards", "12") as process:
        assert process.stdout is not None
        shown = [process.stdout.readline() for _ in range(3)]
    assert re.fullmatch(r"node-1 +127\.0\.0\.1:\d+ +process \d+\n", shown[0])
    assert re.fullmatch(r"%casty_connect casty://demo@127\.0\.0\.1:\d+ --shards counter=12,account=12\n", shown[2])


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("command", ["demo", "cluster"])
def test_an_interrupt_ends_it_quietly_and_leaves_nothing(command: str, number: int) -> None:
    before = {process.pid for process in leftovers()}
    with running(command) as process:
        assert process.stdout is not None
        wait_until(lambda: "node-1" in process.stdout.readline(), 20)  # type: ignore[union-attr]
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert errors == "\nstopped\n"
    wait_until(lambda: {process.pid for process in leftovers()} <= before, 5, "nodes are left")


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["cluster", "--nodes", "0"]) == 1
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert capsys.readouterr().err == "casty-notebook: nodes must be at least 1, not 0\n"


@posix_only
def test_a_reader_who_has_seen_enough_ends_the_tour_quietly() -> None:
    before = {process.pid for process in leftovers()}
    with running("demo") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        wait_until(lambda: "node-1" in process.stdout.readline(), 20)  # type: ignore[union-attr]
        process.stdout.close()
        assert process.wait(timeout=30) == 141
        assert process.stderr.read() == ""
        process.stdout = None  # nothing is left for `communicate` to read
    wait_until(lambda: {process.pid for process in leftovers()} <= before, 5, "nodes are left")


@posix_only
def test_the_tour_is_plainer_where_the_output_is_ascii() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*COMMAND, "demo"], cwd=ROOT, env=environment, capture_output=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert b"UnicodeEncodeError" not in done.stderr
    assert b"20 of 20 answered" in done.stdout
