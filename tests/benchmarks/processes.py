"""Fresh interpreters: nobody pays for another's imports, threads or garbage, and each side has the packages it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "BenchmarkFailed", "cpu_of", "held", "run_fresh"]

ROOT = Path(__file__).resolve().parents[2]

BOOT = """
import importlib, json, sys
module, _, name = sys.argv[1].partition(":")
result = getattr(importlib.import_module(module), name)(*json.loads(sys.argv[2]))
if result is not None:
    print("\\n" + json.dumps(result), flush=True)
"""


class BenchmarkFailed(Exception):
    """A process that measures has failed or hung; quotes what it said."""


def _command(function: str, arguments: tuple[Any, ...], python: str | os.PathLike[str] | None) -> list[str]:
    return [os.fspath(python or sys.executable), "-P", "-c", BOOT, function, json.dumps(arguments)]


def _environment() -> dict[str, str]:
    # The checkout behind whatever an environment has installed itself: another casty there must stay what it is.
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}


def run_fresh(
    function: str, *arguments: Any, python: str | os.PathLike[str] | None = None, timeout: float = 120.0
) -> Any:
    """Call ``package.module:function`` in an interpreter of its own; arguments and result travel as JSON.

    Raises
    ------
    BenchmarkFailed
        If it raises or takes longer than `timeout` seconds; quotes its stderr.
    """
    command = _command(function, arguments, python)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=timeout, check=False, env=_environment(),
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        said = error.stderr.decode("utf-8", "replace") if isinstance(error.stderr, bytes) else error.stderr
        raise BenchmarkFailed(f"{function}{arguments} did not end within {timeout:g} s:\n{said or ''}") from None
    if done.returncode:
        raise BenchmarkFailed(f"{function}{arguments} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.rstrip().rpartition("\n")[2])


@contextmanager
def held(
    function: str, *arguments: Any, python: str | os.PathLike[str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a function that prints one line when it is ready and returns at the end of its stdin; yields process and line."""
    process = subprocess.Popen(
        _command(function, arguments, python), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        env=_environment(),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise BenchmarkFailed(f"{function}{arguments} ended before it was ready")
        yield process, line
    finally:
        process.stdin.close()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def cpu_of(pid: int) -> float:
    """CPU seconds that another process has used so far, all its threads."""
    if sys.platform == "linux":
        # clock_getcpuclockid(3) by hand: nanoseconds, where /proc counts in ticks of 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
