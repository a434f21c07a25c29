"""What a pushed snapshot costs a client, changed and unchanged; beside it plain unpickling and our reading alone."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import held, run_fresh
from tests.benchmarks.pushing import SHAPES, TYPES, VERSIONS

GROUP = "snapshots"
CLIENTS = ("ours", "Cluster", "official")
UNITS = {"CPU per snapshot": "ms", "share at 10 a second": "core", "stall": "ms", "memory": "MB"}


def measure(scale: float) -> Iterator[Figure]:
    """One round; below a scale of 0.5 only the smallest snapshots."""
    shapes = SHAPES if scale >= 0.5 else SHAPES[:1]
    unchanged = max(2, round(5 * scale))
    with held("tests.benchmarks.pushing:main") as (_, line):
        port, control, folder = line.split(maxsplit=2)
        for members, shards in shapes:
            label = f"{members} members, {TYPES} × {shards:,} shards"
            for side in CLIENTS:
                python = official_python() if side == "official" else None
                numbers = run_fresh(
                    "tests.benchmarks.receiving:receive", side, int(port), int(control), f"{members}x{shards}", shards,
                    unchanged, python=python,
                )  # fmt: skip
                for name, value in numbers.items():
                    yield Figure(GROUP, f"{label}, {name}", "raw node", side, _unit(name), value)
            for side, function, python in (("plain", "unpickle", official_python()), ("ours", "read", None)):
                values = run_fresh(f"{__name__}:{function}", folder, f"{members}x{shards}", python=python)
                yield Figure(GROUP, f"{label}, reading alone, CPU", "", side, "ms", values)


def _unit(name: str) -> str:
    return next(unit for part, unit in UNITS.items() if part in name)


def _payloads(folder: str, shape: str) -> list[bytes]:
    return [Path(folder, f"{shape}.{version}").read_bytes() for version in range(VERSIONS)]


def _cpu_each(function: Any, payloads: list[bytes]) -> float:
    """CPU milliseconds for each of the changed payloads, the first one having been read before."""
    last = function(payloads[0])
    rounds = max(1, 400_000 // len(payloads[0]) // len(payloads))
    used = time.process_time()
    for _ in range(rounds):
        for payload in payloads[1:]:
            last = function(payload)  # the one before lives until then, as in a client
    used = time.process_time() - used
    assert last.allocation_epoch == VERSIONS - 1
    return used / rounds / (len(payloads) - 1) * 1e3


def unpickle(folder: str, shape: str) -> float:
    """Plain unpickling with casty's own classes."""
    return _cpu_each(pickle.loads, _payloads(folder, shape))


def read(folder: str, shape: str) -> float:
    """Our codec on the same bytes."""
    from tests.benchmarks.reading import codec

    return _cpu_each(codec().decode, _payloads(folder, shape))
