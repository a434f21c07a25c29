"""What every attack must leave untouched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TELLTALE = ("antigravity", "this", "telnetlib", "ctypes.util")
"""Modules that only code which was received would import."""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that only executed code would make; and no module is imported because of what arrives."""
    path = tmp_path / "executed"
    before = set(sys.modules)
    yield path
    assert not path.exists()
    assert not set(TELLTALE) & (set(sys.modules) - before)
