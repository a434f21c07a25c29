"""The groups of measurements: modules with a ``GROUP`` and a ``measure(scale)`` that makes one round of all sides in turn."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from tests.benchmarks.figures import Figure

__all__ = ["MODULES", "load"]

MODULES = (
    "asking", "telling", "fan_out", "importing", "starting", "observing", "snapshots", "tables", "widgets", "lasting",
    "growing", "virtual",
)  # fmt: skip


def load() -> dict[str, Callable[[float], Iterator[Figure]]]:
    """The groups by name, in order."""
    modules = [importlib.import_module(f"tests.benchmarks.{name}") for name in MODULES]
    return {module.GROUP: module.measure for module in modules}
