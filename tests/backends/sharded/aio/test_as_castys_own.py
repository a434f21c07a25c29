"""What casty's own tests ask of its client, asked of ours, on real nodes.

What they ask of its inner parts (its proxy and subscriber actors) has its place in the session's tests; `test_description.py`
has the lines of its documentation, `test_drop_in.py` its objects. Actors cannot be spawned in an observer: where casty's
tests spawn a consumer of a stream, a listener consumes it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import casty
import pytest
from casty.core import streams

from casty_notebook import ClusterClient, ServiceKey, ShardEnvelope
from casty_notebook.address import NodeAddress
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.errors import AskTimeout, NotEntered
from tests.backends.sharded.aio.feeds import feed_of, feeds_client, stream
from tests.support.waiting import wait_until_async


def client_of(demo: DemoCluster, **options: Any) -> ClusterClient:
    return ClusterClient(contact_points=demo.contact_points, system_name="demo", messages=[messages], **options)


async def test_nothing_works_before_it_is_entered(demo_cluster: DemoCluster) -> None:
    client = client_of(demo_cluster)
    with pytest.raises(NotEntered):
        client.lookup(ServiceKey("payment"))
    with pytest.raises(NotEntered):
        client.entity_ref("counter", num_shards=100)


async def test_entities_are_apart_and_spread_over_the_nodes(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", num_shards=100)
        names = [f"apart-{number}" for number in range(12)]
        for number, name in enumerate(names):
            for _ in range(number % 3):
                counter.tell(ShardEnvelope(name, Increment(number)))
        counts = [await client.ask(counter, lambda r, n=name: ShardEnvelope(n, GetCount(r))) for name in names]  # type: ignore[misc]
        assert counts == [number * (number % 3) for number in range(12)]
        assert all(client.locate("counter", name)[1] in demo_cluster.contact_points for name in names)

        def owners() -> set[NodeAddress]:
            """Of all shards in use: which node a new one goes to depends on how many each has by then."""
            assert client.topology is not None
            return {allocation.primary for allocation in client.topology.shard_allocations["counter"].values()}

        await wait_until_async(lambda: owners() == set(demo_cluster.contact_points))


async def test_many_asks_at_once_get_each_their_own_reply(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", num_shards=100)
        for number in range(50):
            counter.tell(ShardEnvelope(f"at-once-{number}", Increment(number)))
        replies = await asyncio.gather(
            *(client.ask(counter, lambda r, n=n: ShardEnvelope(f"at-once-{n}", GetCount(r))) for n in range(50))  # type: ignore[misc]
        )
    assert replies == list(range(50))


async def test_an_ask_without_a_reply_times_out_as_asyncio_does(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", num_shards=100)
        with pytest.raises(asyncio.TimeoutError) as caught:
            await client.ask(counter, lambda r: ShardEnvelope("silent", Increment(1)), timeout=0.2)
        assert isinstance(caught.value, AskTimeout)


async def test_services_are_found_by_key_and_only_by_it(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        await client.wait_for_topology(timeout=5.0)
        payment = await wait_until_async(lambda: client.lookup(ServiceKey("payment")).instances)
        assert {instance.ref.address.path for instance in payment} == {"/payment"}
        assert all(instance.ref.address.node == instance.node for instance in payment)
        assert client.lookup(ServiceKey("pay")).instances == frozenset()
        assert client.lookup(ServiceKey("payment")) == client.lookup(ServiceKey("payment"))


async def test_a_stream_is_consumed_one_by_one_to_its_end(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster, messages=[streams.StreamElement, streams.StreamCompleted]) as client:
        feed = await feed_of(client)
        for length in (0, 1, 30):
            producer = await client.ask(feed, stream(length))
            seen = []
            async with client.listen(producer, lambda r: streams.Subscribe(consumer=r, demand=1)) as elements:
                async for element in elements:
                    if element == streams.StreamCompleted():
                        break
                    seen.append(element.element)
                    client.tell(producer, streams.StreamDemand(n=1))
            assert seen == list(range(length))


async def test_a_stream_is_cancelled_by_a_message_and_gives_no_more(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster, messages=[streams.StreamElement]) as client:
        producer = await client.ask(await feed_of(client), stream(1000))
        async with client.listen(producer, lambda r: streams.Subscribe(consumer=r, demand=3)) as elements:
            assert [(await elements.get(5.0)).element for _ in range(3)] == [0, 1, 2]
            client.tell(producer, streams.StreamCancel())
            client.tell(producer, streams.StreamDemand(n=5))
            with pytest.raises(AskTimeout):
                await elements.get(timeout=0.3)


async def test_a_stream_is_handed_to_a_thread_as_it_comes(feed_cluster: DemoCluster) -> None:
    async with feeds_client(feed_cluster, messages=[streams.StreamElement, streams.StreamCompleted]) as client:
        producer = await client.ask(await feed_of(client), stream(20))
        loop, seen = asyncio.get_running_loop(), []

        async with client.listen(producer, lambda r: streams.Subscribe(consumer=r, demand=100)) as elements:

            def read() -> None:
                while (element := asyncio.run_coroutine_threadsafe(elements.get(5.0), loop).result(10)) != (
                    streams.StreamCompleted()
                ):
                    seen.append(element.element)

            thread = threading.Thread(target=read)
            thread.start()
            await asyncio.to_thread(thread.join)
    assert seen == list(range(20))


async def test_castys_own_envelope_and_key_serve_throughout(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", num_shards=100)
        counter.tell(casty.ShardEnvelope("as-castys-own", Increment(4)))
        client.tell(counter, casty.ShardEnvelope("as-castys-own", Increment(1)))
        assert await client.ask(counter, lambda r: casty.ShardEnvelope("as-castys-own", GetCount(reply_to=r))) == 5
