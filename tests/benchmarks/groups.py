"""The groups of measurements: modules with a ``GROUP`` and a ``measure(scale)`` that makes one round of all sides in turn."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator

from tests.benchmarks.figures import Figure

__all__ = ["MODULES", "load"]

MODULES = (
    "asking", "telling", "fan_out", "importing", "starting", "observing", "snapshots", "tables", "widgets", "lasting",
    "growing",
)  # fmt: skip


def load() -> dict[str, Callable[[float], Iterator[Figure]]]:
    """The groups by name, in order."""
    names = [f"tests.benchmarks.{name}" for name in MODULES]
    modules = [importlib.import_module(name) for name in names if importlib.util.find_spec(name) is not None]
    return {module.GROUP: module.measure for module in modules}
