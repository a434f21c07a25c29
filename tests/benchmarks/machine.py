"""Where and with what it was measured. No host name and no path: the file is for the public."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from tests.benchmarks.official import OFFICIAL

__all__ = ["machine", "versions"]


def machine() -> dict[str, str | int]:
    return {
        "cores": os.cpu_count() or 1, "architecture": platform.machine(), "cpu": _cpu_model(),
        "os": f"{platform.system()} {platform.release().partition('-')[0]}",
    }  # fmt: skip


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def versions() -> dict[str, str]:
    """Of everything that takes part; the nodes run the official client's casty."""
    found = {"python": platform.python_version(), "casty of the official client": OFFICIAL, "casty of the nodes": OFFICIAL}
    for name in ("casty_notebook", "casty", "pandas", "numpy", "anywidget", "uvloop", "msgpack"):
        try:
            version = importlib.metadata.version(name.replace("_", "-"))
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        found["casty of this environment" if name == "casty" else name] = version
    return found
