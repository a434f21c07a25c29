"""Nodes of casty 0.30 for the tests of their backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.virtual.cluster import VirtualCluster

collect_ignore = ["nodeside"]


@pytest.fixture(scope="session")
def shop() -> Iterator[VirtualCluster]:
    """Three nodes that all tests share: do not break them."""
    with VirtualCluster() as cluster:
        yield cluster
