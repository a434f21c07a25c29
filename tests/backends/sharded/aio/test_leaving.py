"""Tell, then leave: what was told arrives, or it is said how much did not."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from casty_notebook import ClusterClient, ShardEnvelope, connect
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import Echo, GetCount, Increment
from casty_notebook.errors import ClientClosed, MisuseError
from casty_notebook.settings import Settings
from tests.support.fake_node import FakeNode
from tests.support.messages import NOBODY
from tests.support.waiting import wait_until, wait_until_async

SCRIPT = """
import sys
from casty_notebook import connect
from casty_notebook.demo.messages import Increment
cluster = connect(sys.argv[1], shards={"counter": 100})
cluster.tell("counter/told-by-a-script", Increment(1))
"""


def client_of(demo: DemoCluster, **settings: float) -> ClusterClient:
    contacts = list(demo.contact_points)
    return ClusterClient(contact_points=contacts, system_name="demo", messages=[messages], settings=Settings(**settings))  # type: ignore[arg-type]


def arrived(demo: DemoCluster, *entities: str) -> None:
    """Wait until each has counted one."""
    with connect(demo.uri, shards=demo.shards) as judge:
        for entity in entities:
            wait_until(lambda entity=entity: judge.ask(f"counter/{entity}", GetCount) == 1, message=entity)  # type: ignore[misc]


@pytest.fixture
def demo(start_cluster: Callable[..., DemoCluster]) -> DemoCluster:
    return start_cluster(2)


def test_what_a_connection_tells_and_leaves_at_once_arrives(demo: DemoCluster) -> None:
    entities = [f"told-{number}" for number in range(20)]
    for entity in entities:
        with connect(demo.uri, shards={"counter": 100}) as cluster:
            cluster.tell(f"counter/{entity}", Increment(1))
    subprocess.run([sys.executable, "-c", SCRIPT, demo.uri], check=True, timeout=60)
    arrived(demo, *entities, "told-by-a-script")


@pytest.mark.parametrize("first", [True, False], ids=["after the first snapshot", "before it"])
async def test_what_a_client_tells_and_leaves_at_once_arrives(demo: DemoCluster, first: bool) -> None:
    entities = [f"told-{first}-{number}" for number in range(5)]
    for entity in entities:
        async with client_of(demo) as client:
            if first:
                await client.wait_for_topology()
            client.entity_ref("counter", 100).tell(ShardEnvelope(entity, Increment(1)))
    await asyncio.to_thread(arrived, demo, *entities)


async def test_what_finds_no_route_in_time_is_dropped_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeNode() as node:
        node.locates = False
        settings = Settings(close_timeout=0.3)
        async with ClusterClient(contact_points=[node.address], system_name="demo", settings=settings) as client:
            await client.wait_for_topology()
            counter = client.entity_ref("counter", 100)
            for entity in ("alice", "alice", "bob"):
                counter.tell(ShardEnvelope(entity, Increment(1)))
            waiting = asyncio.create_task(client.ask(counter, lambda r: ShardEnvelope("carol", GetCount(r))))
            await asyncio.sleep(0)
            began = time.monotonic()
        assert time.monotonic() - began < 5.0  # 0.3 s, a farewell, and a slow machine
        assert client.counters["undelivered"] == 3
        (said,) = [record for record in caplog.records if "dropped" in record.getMessage()]
        assert said.levelno == logging.WARNING
        assert "3 messages that were told were dropped: no route in 0.3 s while leaving" in said.getMessage()
        assert "counter/alice (2), counter/bob" in said.getMessage()
        with pytest.raises(ClientClosed):
            await waiting
        assert not node.asked


async def test_what_a_node_does_not_read_while_its_client_leaves_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeNode() as node:
        settings = Settings(close_timeout=0.3)
        async with ClusterClient(contact_points=[node.address], system_name="demo", settings=settings) as client:
            counter = client.entity_ref("counter", 100)
            await client.ask(counter, lambda r: ShardEnvelope("alice", GetCount(r)))
            node.stop_reading()
            for _ in range(1500):  # more than the sockets' buffers take
                counter.tell(ShardEnvelope("alice", Echo(bytes(10_000), NOBODY)))
        assert any("were dropped: it read too slowly" in record.getMessage() for record in caplog.records)


# --- bursts --------------------------------------------------------------------------------------------------------


async def test_a_burst_to_a_healthy_node_is_taken_whole_in_one_turn_of_the_loop(demo: DemoCluster) -> None:
    async with client_of(demo, ask_timeout=60.0) as client:
        counter = client.entity_ref("counter", 100)

        async def count() -> int:
            reply: int = await client.ask(counter, lambda r: ShardEnvelope("burst", GetCount(r)))
            return reply

        await count()
        beyond = Settings().max_buffered + 1_000  # what may wait for a route
        for _ in range(beyond):
            counter.tell(ShardEnvelope("burst", Increment(1)))
        await client.drain()
        assert await count() == beyond
        assert await asyncio.gather(*(count() for _ in range(beyond))) == [beyond] * beyond


async def test_a_burst_beyond_the_bytes_that_may_wait_is_written_and_not_refused() -> None:
    """Nobody has tried to send it before: the bound is for a socket that takes no more."""
    async with FakeNode() as node:
        settings = Settings(max_buffered_bytes=200_000)
        async with ClusterClient(contact_points=[node.address], system_name="demo", settings=settings) as client:
            counter = client.entity_ref("counter", 100)
            await client.ask(counter, lambda r: ShardEnvelope("alice", GetCount(r)))
            for number in range(500):
                counter.tell(ShardEnvelope("alice", Increment(number)))
            await client.drain()
            await wait_until_async(lambda: len(node.asked) == 501)
            assert client.counters["overflowed"] == 0


def test_tell_many_waits_where_tell_would_refuse(demo: DemoCluster) -> None:
    with connect(demo.uri, shards={"counter": 100}, settings=Settings(max_buffered=50)) as cluster:
        assert cluster.tell_many("counter/many-{1..200}", Increment(1)) == 200
        assert cluster.tell_many(["many-1"] * 3000, messages=[Increment(2)] * 3000, shard_type="counter") == 3000
        cluster.drain()
        assert cluster.ask("counter/many-1", GetCount) == 6001
        assert cluster.ask("counter/many-200", GetCount) == 1
        with pytest.raises(MisuseError, match="2 targets and 1 messages"):
            cluster.tell_many(["counter/a", "counter/b"], messages=[Increment(1)])


async def test_who_waits_for_the_first_snapshot_is_told_at_once_that_the_client_was_left() -> None:
    async with FakeNode() as node:
        node.silent = True
        async with ClusterClient(contact_points=[(node.address.host, node.address.port)], system_name="demo") as client:
            waiting = asyncio.ensure_future(client.wait_for_topology(60))
            await wait_until_async(lambda: bool(node.accepted))
        with pytest.raises(ClientClosed):
            await asyncio.wait_for(waiting, 10)
