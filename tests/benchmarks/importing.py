"""What ``import casty_notebook`` takes over bare Python, in pairs; and what ``import casty`` takes beside it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import ROOT

__all__ = ["GROUP", "measure"]

GROUP = "importing"
PAIRS = 7
NAME = "import over bare Python"


def measure(scale: float) -> Iterator[Figure]:
    """One round: the median of a few pairs, since one start of a process is noise."""
    pairs = max(1, int(PAIRS * scale))
    yield Figure(GROUP, NAME, "", "ours", "ms", _over_bare(sys.executable, "import casty_notebook", pairs))
    yield Figure(GROUP, NAME, "", "official", "ms", _over_bare(str(official_python()), "import casty", pairs))


def _over_bare(python: str, code: str, pairs: int) -> float:
    _run(python, code)  # compiles what is not compiled yet
    return statistics.median(_run(python, code) - _run(python, "pass") for _ in range(pairs)) * 1e3


def _run(python: str, code: str) -> float:
    started = time.perf_counter()
    subprocess.run([python, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return time.perf_counter() - started
