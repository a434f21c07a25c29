"""casty's streams, which came with 0.18: a listener is their consumer, with the demand that it gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from casty_notebook import connect
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import AskTimeout
from tests.backends.sharded.aio.feeds import FEED, stream
from tests.support.waiting import wait_until


@pytest.mark.parametrize("version", ["0.18.0", "0.20.1"])
def test_a_producer_gives_as_much_as_is_demanded_and_says_when_it_is_done(
    start_version: Callable[..., DemoCluster], version: str
) -> None:
    demo = start_version(version, 1, system="feeds", app=FEED)
    with connect(demo.uri, name=version) as cluster:
        wait_until(lambda: cluster.lookup("feed").instances)
        theirs = cluster.module("casty.core.streams")
        producer = cluster.ask("feed", stream(4))
        with cluster.listen(producer, theirs.Subscribe(demand=3), reply_field="consumer") as heard:
            assert [heard.get(5.0).element for _ in range(3)] == [0, 1, 2]
            with pytest.raises(AskTimeout, match="3 came before"):
                heard.get(timeout=0.2)
            cluster.tell(producer, theirs.StreamDemand(n=1))
            assert heard.get(5.0).element == 3
            assert heard.get(5.0) == theirs.StreamCompleted()
