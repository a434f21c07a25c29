"""Find processes that a test run started and did not end, also those whose parent has gone."""

from __future__ import annotations

import os
import uuid

import psutil

__all__ = ["describe", "leftovers", "mark_this_run"]

MARK = "CASTY_NOTEBOOK_TEST_RUN"


def mark_this_run() -> None:
    """Give all descendants an environment variable to be known by. A pytest inside a test keeps the outer mark.

    Workers of pytest-xdist add their own name to it: each knows its own processes, and the controller all of them.
    """
    mark = os.environ.setdefault(MARK, uuid.uuid4().hex)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and not mark.endswith(f":{worker}"):
        os.environ[MARK] = f"{mark}:{worker}"


def leftovers() -> list[psutil.Process]:
    """All processes with the mark that are not this one or above it."""
    here = psutil.Process()
    spared = {here.pid, *(parent.pid for parent in here.parents())}
    return [process for process in psutil.process_iter() if process.pid not in spared and _is_ours(process)]


def _is_ours(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return process.ppid() == os.getpid()
        if not f"{process.environ().get(MARK)}:".startswith(f"{os.environ[MARK]}:"):
            return False
        # multiprocessing's own helper ends with this process, and not before.
        return "multiprocessing.resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


def describe(process: psutil.Process) -> str:
    """One line to find the culprit by."""
    try:
        return f"{process.pid} ({process.status()}): {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid} (gone meanwhile)"
