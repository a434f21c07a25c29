"""What every attack must leave untouched."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster, messages

TELLTALE = ("antigravity", "this", "telnetlib", "ctypes.util")
"""Modules that only code which was received would import."""


@pytest.fixture(autouse=True)
def only_its_own_garbage() -> Iterator[None]:
    """What other tests left in this process is not walked in the processor time that a reader is given."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that only executed code would make; and no module is imported because of what arrives."""
    path = tmp_path / "executed"
    before = set(sys.modules)
    yield path
    assert not path.exists()
    assert not set(TELLTALE) & (set(sys.modules) - before)


@pytest.fixture(scope="module")
def honest(demo_cluster: DemoCluster) -> Iterator[Cluster]:
    """A cluster that is asked while others attack."""
    with connect(demo_cluster.uri, name="honest", shards={"counter": 100}, messages=[messages]) as cluster:
        yield cluster
