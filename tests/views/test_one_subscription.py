"""An observer must not load the cluster: whatever is looked at, the node hears of one subscriber."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from casty_notebook import connect
from casty_notebook.backends.sharded.session.messages import SubscribeTopology, UnsubscribeTopology
from tests.support.fake_node import Connection, FakeNode
from tests.support.waiting import wait_until

VIEWS = 5


class Counted:
    """A fake node on a loop of its own, which notes each subscription and its end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.subscribed: list[str] = []
        self.unsubscribed: list[str] = []
        self.node = FakeNode()
        self.node.on_message = self._note
        self.run(self.node.listen())

    def run(self, coroutine: Any) -> Any:
        future: concurrent.futures.Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(10.0)

    def _note(self, _node: FakeNode, _connection: Connection, _path: str, message: Any) -> bool:
        match message:
            case SubscribeTopology(ref):
                self.subscribed.append(ref.uri)
            case UnsubscribeTopology(ref):
                self.unsubscribed.append(ref.uri)
        return False

    async def _end(self) -> None:
        self.node.stop()

    def close(self) -> None:
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def counted() -> Iterator[Counted]:
    node = Counted()
    yield node
    node.close()


def test_one_subscription_whatever_the_number_of_views(counted: Counted) -> None:
    uri = f"casty://demo@{counted.node.address}"
    with connect(uri, shards={"counter": 10}, name="many-views", serializer="pickle") as cluster:
        before = list(counted.subscribed)
        widgets = [cluster.widget() for _ in range(VIEWS)]
        for number, widget in enumerate(widgets):
            widget.bridge.hear({"kind": "look", "page": f"page-{number}", "visible": True, "full": True})
        for _ in range(VIEWS):
            assert len(cluster.members) == 1
            assert not len(cluster.events.query("kind == 'member_left'"))
            assert cluster.shards is not None
            assert cluster.services is not None
        # An answer comes after whatever the views would have sent before it.
        assert cluster.ask("counter/a", "casty_notebook.demo.messages.GetCount()") == "GetCount"
        assert counted.subscribed == before
        assert len(set(before)) == 1, "if more than once, then by the same ref"
        assert counted.node.accepted == 1
        for widget in widgets:
            widget.close()
    wait_until(lambda: counted.unsubscribed, message="the one subscription ends with the cluster")
    assert set(counted.unsubscribed) == set(before)


def test_a_closed_cluster_never_dials_again_though_its_views_still_look(counted: Counted) -> None:
    cluster = connect(f"casty://demo@{counted.node.address}", name="left", serializer="pickle")
    widget = cluster.widget()
    widget.bridge.hear({"kind": "look", "page": "page", "visible": True, "full": True})
    cluster.close()
    wait_until(lambda: not counted.node.connections)
    assert counted.node.accepted == 1
    assert len(set(counted.subscribed)) == 1
    widget.close()
    # A second client comes and goes; the first would have had time to dial meanwhile.
    with connect(f"casty://demo@{counted.node.address}", name="next", serializer="pickle"):
        assert counted.node.accepted == 2
    wait_until(lambda: not counted.node.connections)
    assert counted.node.accepted == 2
