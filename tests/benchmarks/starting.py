"""From the start of a process, and from entering the client, to the first snapshot and the first answered ask."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import run_fresh
from tests.benchmarks.rounds import python_of
from tests.benchmarks.targets import Target, raw_node, real_nodes

__all__ = ["GROUP", "measure"]

GROUP = "starting"


def measure(scale: float) -> Iterator[Figure]:
    """One round. There is nothing to shorten in it, but a quick look leaves the three nodes out."""
    with raw_node() as target:
        yield from _sides(target)
    for number in (1, 3) if scale >= 1 else (1,):
        with real_nodes(number, official_python()) as target:
            yield from _sides(target)


def _sides(target: Target) -> Iterator[Figure]:
    for side in ("ours", "Cluster", "official"):
        # The system's clock, which is the same in both processes.
        rows = run_fresh(
            "tests.benchmarks.first_answer:measure_side", side, target.system, target.contacts, time.monotonic(),
            python=python_of(side),
        )  # fmt: skip
        for name, unit, value in rows:
            yield Figure(GROUP, name, target.against, side, unit, value)
