"""Listeners on real nodes: what an actor tells a ref of ours, again and again."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from casty.core import streams

from casty_notebook import Cluster, StandIn, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import (
    AskTimeout,
    ClientClosed,
    MisuseError,
    NodeUnreachable,
    ReadOnly,
    UnsendableMessage,
    WrongThread,
)
from tests.backends.sharded.aio.feeds import FEED, drip, feed_of, feeds_client, numbers, stream
from tests.support.waiting import wait_until, wait_until_async


@pytest.fixture(scope="module")
def feeds(feed_cluster: DemoCluster) -> Iterator[Cluster]:
    with connect(feed_cluster.uri, name="feeds") as cluster:
        wait_until(lambda: cluster.lookup("feed").instances)
        yield cluster


def ctrl_c(after: float) -> threading.Timer:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(after, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    return timer


# --- asyncio ---------------------------------------------------------------------------------------------------------


async def test_messages_come_until_the_listener_is_closed(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster) as client:
        feed = await feed_of(client)
        async with client.listen(feed, numbers(5)) as heard:
            assert [await heard.get(timeout=5.0) for _ in range(5)] == [0, 1, 2, 3, 4]
            client.tell(feed, ("tell", 2, heard.ref))
            assert [await anext(heard), await anext(heard)] == [0, 1]
            with pytest.raises(AskTimeout, match=r"no message came within 0\.05 s; 7 came before"):
                await heard.get(timeout=0.05)
            assert not heard.closed
        assert [message async for message in heard] == []
        with pytest.raises(MisuseError, match="nothing comes any more"):
            await heard.get()
        assert repr(heard).endswith("7 received, 0 dropped, closed>")


async def test_a_waiting_reader_ends_when_the_listener_is_closed_beside_it(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster) as client:
        heard = client.listen(await feed_of(client), numbers(0))

        async def read() -> list[Any]:
            return [message async for message in heard]

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        heard.close()
        heard.close()
        assert await reader == []


async def test_what_is_read_too_slowly_is_dropped_counted_and_said(
    feed_cluster: DemoCluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with feeds_client(feed_cluster) as client:
        async with client.listen(await feed_of(client), numbers(1000), limit=10, label="the feed") as heard:
            await wait_until_async(lambda: heard.received == 1000)
            assert (heard.dropped, heard.waiting) == (990, 10)
            assert [await heard.get() for _ in range(10)] == list(range(990, 1000))
        assert client.counters["dropped"] == 990
    assert caplog.text.count("what the feed tells is read too slowly: the oldest of 10 is dropped") == 1


async def test_leaving_the_client_ends_it_and_what_came_can_still_be_read(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster) as client:
        heard = client.listen(await feed_of(client), numbers(2))
        await wait_until_async(lambda: heard.received == 2)
    assert [await heard.get(), await heard.get()] == [0, 1]
    with pytest.raises(ClientClosed):
        await heard.get()


async def test_what_cannot_be_sent_is_refused_at_once_and_leaves_nothing(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster) as client:
        feed = await feed_of(client)
        with pytest.raises(UnsendableMessage):
            client.listen(feed, lambda ref: (ref, lambda: None))
        with pytest.raises(MisuseError, match="takes a function of the reply ref"):
            client.listen(feed, ("tell", 1))  # type: ignore[arg-type]
        with pytest.raises(MisuseError, match="limit must be a whole number from 1"):
            client.listen(feed, numbers(1), limit=0)
        with pytest.raises(WrongThread):
            await asyncio.to_thread(client.listen, feed, numbers(1))
        pump = client._pump
        assert pump is not None
        assert (pump.futures, pump.bells, pump.session.pending_asks) == ({}, {}, 0)


async def test_a_stream_of_castys_own_gives_as_much_as_is_demanded(feed_cluster: DemoCluster) -> None:
    """The consumer's half of casty's streams (0.18 and later), with casty's own message classes."""
    async with feeds_client(feed_cluster, messages=[streams.StreamElement, streams.StreamCompleted]) as client:
        producer = await client.ask(await feed_of(client), stream(5))
        async with client.listen(producer, lambda ref: streams.Subscribe(consumer=ref, demand=2)) as elements:
            seen = [await elements.get(timeout=5.0), await elements.get(timeout=5.0)]
            with pytest.raises(AskTimeout):
                await elements.get(timeout=0.2)
            client.tell(producer, streams.StreamDemand(n=10))
            async for element in elements:
                if isinstance(element, streams.StreamCompleted):
                    break
                seen.append(element)
    assert seen == [streams.StreamElement(number) for number in range(5)]


# --- lost nodes ------------------------------------------------------------------------------------------------------


async def test_a_lost_node_ends_it_and_with_retry_it_goes_on_with_the_node_that_is_back(
    start_cluster: Callable[..., DemoCluster],
) -> None:
    demo = start_cluster(1, system="feeds", app=FEED)
    async with feeds_client(demo) as client:
        feed = await feed_of(client)
        once, again = client.listen(feed, drip(0.02)), client.listen(feed, drip(0.02), retry=True)
        assert (await once.get(5.0), await again.get(5.0)) == (0, 0)
        await asyncio.to_thread(demo.kill, "node-1")
        with pytest.raises(NodeUnreachable, match="lost"):
            _ = [number async for number in once]
        assert once.closed
        assert not again.closed
        await asyncio.to_thread(demo.restart, "node-1")
        began_anew = False
        while not began_anew:
            began_anew = await again.get(timeout=30.0) == 0  # the new node's actor begins to count
        again.close()


# --- plain calls -----------------------------------------------------------------------------------------------------


def test_a_plain_loop_reads_what_comes(feeds: Cluster) -> None:
    with feeds.listen("feed", numbers(3)) as heard:
        assert list(heard.messages(timeout=1.0)) == [0, 1, 2]
        assert heard.received == 3
        feeds.tell("feed", ("tell", 1, heard.ref))
        assert next(iter(heard)) == 0
        assert not heard.closed
        with pytest.raises(AskTimeout):
            heard.get(timeout=0.05)
    assert heard.closed
    assert list(heard) == []


def test_messages_and_replies_need_no_classes(feeds: Cluster) -> None:
    theirs = feeds.module("casty.core.streams")
    producer = feeds.ask("feed", stream(2))
    with feeds.listen(producer, theirs.Subscribe(demand=5), reply_field="consumer") as heard:
        one, two, completed = heard.get(5.0), heard.get(5.0), heard.get(5.0)
    assert isinstance(one, StandIn)
    assert (one.element, two.element, type(completed).__name__) == (0, 1, "StandIn")


def test_ctrl_c_ends_the_wait_and_closes_the_listener(feeds: Cluster) -> None:
    heard = feeds.listen("feed", numbers(0))
    timer = ctrl_c(0.2)
    with pytest.raises(KeyboardInterrupt):
        list(heard)
    timer.join()
    assert heard.closed
    pump = feeds.client._pump
    assert pump is not None
    wait_until(lambda: not pump.bells, 5, "the loop has ended what was waited for")


def test_a_read_only_connection_listens_to_its_questions_only(feed_cluster: DemoCluster) -> None:
    with connect(feed_cluster.uri, name="prod", read_only=True, questions=["builtins.tuple"]) as prod:
        wait_until(lambda: prod.lookup("feed").instances)
        with prod.listen("feed", numbers(1)) as heard:
            assert heard.get(5.0) == 0
        with pytest.raises(ReadOnly, match=r"builtins\.list is not one of its questions"):
            prod.listen("feed", lambda ref: ["tell", 1, ref])


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_table_of_so_many_messages(feeds: Cluster) -> None:
    table = feeds.collect("feed", drip(0.01), count=3)
    assert list(table.columns) == ["time", "node", "message", "error"]
    assert list(table["message"]) == [0, 1, 2]
    assert table["time"].is_monotonic_increasing
    assert set(table["node"]) == {"node-1"}
    assert table["error"].isna().all()
    assert table.attrs["summary"]["target"] == "feed"
    assert table.attrs["cluster"] == "feeds"


def test_a_table_of_some_time_with_the_fields_as_columns(feeds: Cluster) -> None:
    table = feeds.collect("feed", lambda ref: ("fields", 2, ref), seconds=0.5, fields=True)
    assert list(table.columns) == ["time", "node", "price", "message.time", "error"]
    assert list(table["price"]) == [0, 1]
    assert table.attrs["summary"] == {"target": "feed", "received": 2, "dropped": 0, "refused": 0}


def test_ctrl_c_keeps_what_has_arrived(feeds: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    timer = ctrl_c(1.0)
    table = feeds.collect("feed", numbers(2), seconds=50)
    timer.join()
    assert list(table["message"]) == [0, 1]
    assert "interrupted after 2 messages" in caplog.text


@pytest.mark.parametrize("options", [{"count": 0}, {"seconds": 0}, {"seconds": float("nan")}, {"count": True}])
def test_impossible_numbers_are_refused(feeds: Cluster, options: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match=f"{next(iter(options))} must be"):
        feeds.collect("feed", numbers(1), **options)


def test_what_ends_listening_is_the_last_row(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1, system="feeds", app=FEED)
    with connect(demo.uri, name="ending") as cluster:
        wait_until(lambda: cluster.lookup("feed").instances)
        killer = threading.Timer(0.5, demo.kill, ["node-1"])
        killer.start()
        table = cluster.collect("feed", numbers(1), seconds=50)
        killer.join()
    assert list(table["message"])[:1] == [0]
    assert table["error"].iloc[-1].startswith("NodeUnreachable: ")
    assert table.attrs["summary"]["refused"] == 1
