"""A room's tests in a fork of this process, which has imported what takes long: a fault costs a second where they notice it."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
from pathlib import Path
from typing import Any

import psutil  # noqa: F401 - as all that the tests' conftest needs: imported once, for all forks
import pytest
from hypothesis import Phase, settings

__all__ = ["Rooms"]

OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0", "-k", "not cost_nothing")
"""Of pytest: no time by the clock, which a busy machine uses up without any fault; and without the tests that count every line
that is run, which take half of a room's time: they are about cost."""
IMPORTED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Its plugins were imported before the fork, which it would warn of."""
OUTPUT = "output.txt"
FORK = multiprocessing.get_context("fork")
SLOWER = 4
"""Times the processor's time of a run without a fault that one with a fault gets; who takes longer is in a loop, and noticed."""
AT_MOST = 600.0
"""Seconds of a run by the clock: for faults that make a test wait, which takes no processor's time."""


class Rooms:
    """Runs tests in one checkout, the quickest first, so that a fault is noticed soon."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._durations: dict[str, float] = {}
        self._seconds: dict[tuple[str, ...], float] = {}

    def pass_as_they_are(self, tests: tuple[str, ...]) -> bool:
        """Whether the tests pass without any fault; learns how long they take."""
        learned = self._checkout.parent / "durations.json"
        passed = self._fork(tests, learned)
        if not passed:
            print((self._checkout.parent / OUTPUT).read_text("utf-8"), file=sys.stderr)
        else:
            known = json.loads(learned.read_text("utf-8"))
            self._seconds[tests] = known.pop("")
            self._durations |= known
        return passed

    def notice(self, tests: tuple[str, ...]) -> bool:
        """Whether the tests fail."""
        return not self._fork(tests, None)

    def _fork(self, tests: tuple[str, ...], learned: Path | None) -> bool:
        process = FORK.Process(target=self._run, args=(tests, learned))
        process.start()
        process.join(AT_MOST)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode == 0

    def _run(self, tests: tuple[str, ...], learned: Path | None) -> None:
        """In the fork: only code of the checkout, and its output in a file."""
        output = os.open(self._checkout.parent / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        # Byte code is written once, without a fault in it.
        sys.dont_write_bytecode = learned is None
        if learned is None:
            limit = int(SLOWER * self._seconds[tests]) + 10
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        os.chdir(self._checkout)
        sys.path.insert(0, str(self._checkout))
        for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
            del sys.modules[name]
        plugin = _Quickest(self._durations)
        code = pytest.main([*OPTIONS, *IMPORTED, *tests], plugins=[plugin])
        if learned is not None:
            used = resource.getrusage(resource.RUSAGE_SELF)
            learned.write_text(json.dumps(plugin.durations | {"": used.ru_utime + used.ru_stime}), "utf-8")
        os._exit(int(code))


class _Quickest:
    """Runs the quickest tests first, and properties with few examples."""

    def __init__(self, known: dict[str, float]) -> None:
        self._known = known
        self.durations: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        # The project's own profile was loaded by its conftest. Nothing is shrunk: nobody reads the example.
        settings.register_profile(
            "mutants", settings(deadline=None), max_examples=25, derandomize=True, database=None, phases=[Phase.generate]
        )
        settings.load_profile("mutants")
        items.sort(key=lambda item: self._known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.durations[report.nodeid] = report.duration
