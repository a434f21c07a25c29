"""Tells from any thread: handed over without a round trip each, in order, and refused as they always were."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.errors import ClientClosed, MisuseError, Overloaded
from casty_notebook.settings import Settings
from tests.support.waiting import wait_until


def test_what_is_asked_then_sees_all_that_was_told(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards={"counter": 100}) as cluster:
        before = cluster.ask("counter/handed-over", GetCount)
        for _ in range(3_000):
            cluster.tell("counter/handed-over", Increment(1))
        assert cluster.ask("counter/handed-over", GetCount, timeout=30) == before + 3_000


def test_threads_do_not_lose_each_others(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards={"counter": 100}) as cluster:
        before = cluster.ask("counter/by-threads", GetCount)

        def tell() -> None:
            for _ in range(500):
                cluster.tell("counter/by-threads", Increment(1))

        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert cluster.ask("counter/by-threads", GetCount, timeout=30) == before + 2_000


def test_leaving_takes_along_what_was_handed_over(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards={"counter": 100}) as cluster:
        before = cluster.ask("counter/left", GetCount)
        for _ in range(100):
            cluster.tell("counter/left", Increment(1))
    with connect(demo_cluster.uri, shards={"counter": 100}) as cluster:
        # Another connection is another order: the node has read them all, and its actor works through them.
        wait_until(lambda: cluster.ask("counter/left", GetCount) == before + 100)


def test_what_is_known_at_once_is_raised_at_once(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards={"counter": 100}) as cluster:
        with pytest.raises(MisuseError):
            cluster.tell("counter/user-42", threading.Lock())
        with pytest.raises(MisuseError):
            cluster.tell("counter/", Increment(1))
    with pytest.raises(ClientClosed):
        cluster.tell("counter/user-42", Increment(1))


def tell_on(cluster: Cluster) -> None:
    for _ in range(200_000):
        cluster.tell("counter/user-42", Increment(1))


def test_a_node_that_does_not_keep_up_is_felt_by_whoever_tells(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1)
    with connect(demo.uri, shards={"counter": 100}, settings=Settings(max_buffered_bytes=100_000)) as cluster:
        cluster.ask("counter/user-42", GetCount)
        demo.freeze("node-1")
        with pytest.raises(Overloaded):
            tell_on(cluster)
