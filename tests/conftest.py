"""Fixtures for every room: real clusters, and the promise that no test leaves a process behind."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
from hypothesis import settings

from casty_notebook.demo import DemoCluster
from casty_notebook.loops.background import LOOP
from tests.support.leftovers import describe, leftovers, mark_this_run
from tests.support.order import longest_first
from tests.support.skips import fail_unless_allowed
from tests.support.waiting import wait_until
from tests.versions.environments import interpreters

mark_this_run()

# A property is about values. How long one example takes says more about what else the machine does; pytest-timeout ends a hang.
# Of hypothesis' own defaults also on a build server, where it would try the same examples for ever.
settings.register_profile("casty_notebook", settings.get_profile("default"), deadline=None, print_blob=True)
settings.load_profile("casty_notebook")

# Most users have no uvloop; what differs on it is tested in tests/networks/test_uvloop.py.
os.environ.setdefault(LOOP, "asyncio")

# Needs atheris, which only fuzzing needs; its targets are run by tests without it.
collect_ignore = ["fuzz/fuzz_all.py"]

# A build server may start us as a background job, in which Ctrl-C is ignored, by all child processes too.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers of pytest-xdist are given files in the order in which they were found (``--no-loadscope-reorder``)."""
    if hasattr(config, "workerinput"):
        longest_first(items)


def pytest_collection_finish() -> None:
    """What was imported stays: walking it in each full collection is a tenth of the processor time of the pure rooms."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A build server skips only what it may."""
    report = yield
    fail_unless_allowed(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for files that skip as a whole."""
    report = yield
    fail_unless_allowed(report)
    return report


@pytest.fixture(scope="session")
def demo_cluster() -> Iterator[DemoCluster]:
    """Three nodes that all tests share: do not break them; `start_cluster` gives a test its own."""
    with DemoCluster() as demo:
        yield demo


@pytest.fixture(scope="session")
def virtual_demo() -> Iterator[DemoCluster]:
    """Three nodes of casty 0.30 that all tests share: do not break them."""
    with DemoCluster(casty="0.30", python=interpreters(["0.30.2"])["0.30.2"]) as demo:
        yield demo


@pytest.fixture
def start_cluster() -> Iterator[Callable[..., DemoCluster]]:
    """A started cluster of the test's own, with the arguments of `DemoCluster`; ended with the test."""
    with ExitStack() as stack:

        def start(nodes: int = 1, **options: Any) -> DemoCluster:
            return stack.enter_context(DemoCluster(nodes, **options))

        yield start


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a process that it started is left, and end that process.

    With pytest-xdist only the controller looks, after its workers are gone: for one worker the others would be leftovers.
    """
    if hasattr(session.config, "workerinput"):
        return
    try:
        wait_until(lambda: not leftovers(), timeout=3.0)
    except AssertionError:
        left = leftovers()
        report = session.config.pluginmanager.get_plugin("terminalreporter")
        if report is not None:
            report.section("processes left behind", red=True)
            for process in left:
                report.line(describe(process))
        for process in left:
            try:
                process.kill()
            except psutil.Error:
                continue
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
