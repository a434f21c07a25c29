"""Clusters whose application the asking side cannot import."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster

collect_ignore = ["nodeside"]

APP = Path(__file__).parent / "nodeside" / "app.py"


@pytest.fixture(scope="package")
def bank_cluster() -> Iterator[DemoCluster]:
    """Two nodes with the bank and distributed structures."""
    assert importlib.util.find_spec("bank") is None, "these tests show nothing if the bank can be imported here"
    with DemoCluster(2, system="bank", app=APP) as demo:
        yield demo


@pytest.fixture(scope="package")
def bank(bank_cluster: DemoCluster) -> Iterator[Cluster]:
    """A connection that knows no class, and the shards of one type."""
    with connect(bank_cluster.uri, shards={"bank-account": 30, "counter": 100}, name="bank") as cluster:
        yield cluster


@pytest.fixture(scope="package", params=["pickle", "json", "msgpack"])
def any_bank(request: pytest.FixtureRequest, bank: Cluster) -> Iterator[Cluster]:
    """The bank in each of casty's encodings."""
    with ExitStack() as stack:
        if request.param == "pickle":
            yield bank
            return
        demo = stack.enter_context(DemoCluster(1, system="bank", app=APP, serializer=request.param))
        yield stack.enter_context(
            connect(demo.uri, shards={"bank-account": 30}, name=request.param, serializer=request.param)
        )
