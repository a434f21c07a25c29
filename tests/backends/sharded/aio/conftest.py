"""Clusters whose actors tell more than once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from casty_notebook.demo import DemoCluster
from tests.backends.sharded.aio.feeds import FEED

collect_ignore = ["nodeside"]


@pytest.fixture(scope="package")
def feed_cluster() -> Iterator[DemoCluster]:
    """One node with the service ``feed``."""
    with DemoCluster(1, system="feeds", app=FEED) as demo:
        yield demo
