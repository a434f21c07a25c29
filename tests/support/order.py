"""Runs the files that take longest first: one that is still running when all others have ended makes the whole run longer."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["LONGEST", "longest_first"]

LONGEST = (
    "notebooks/test_notebooks.py",
    "reliability/test_soak.py",
    "reliability/test_faults.py",
    "backends/test_contract.py",
    "hostile/test_work.py",
    "release/test_release.py",
    "views/watch/test_watch.py",
    "demo/test_launcher.py",
    "hostile/virtual/test_values.py",
    "hostile/test_payloads.py",
    "magics/test_shell.py",
    "backends/virtual/test_faults.py",
    "backends/virtual/test_collections.py",
    "house/test_site.py",
)
"""By what they take alone, the longest first; all others come after them."""

TESTS = Path(__file__).parents[1]
RANKS = {TESTS / file: rank for rank, file in enumerate(LONGEST)}


def longest_first(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first. Within a file, and among all others, they stay in order."""
    items.sort(key=lambda item: RANKS.get(item.path, len(RANKS)))
