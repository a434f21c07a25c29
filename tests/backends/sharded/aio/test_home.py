"""A client used from another thread or loop than its own: it works, or is refused and not done; it is never harmed."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from casty_notebook import ClusterClient, ShardEnvelope, connect
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.errors import AskTimeout, WrongThread
from casty_notebook.loops.home import HomeLoop
from tests.support.loops import loop_inside
from tests.support.scripts import after_connecting, run_script
from tests.support.waiting import wait_until_async


def client_of(demo: DemoCluster) -> ClusterClient:
    contacts = [(node.host, node.port) for node in demo.contact_points]
    return ClusterClient(contact_points=contacts, system_name=demo.system, messages=[messages])


async def count(client: ClusterClient, entity: str) -> Any:
    return await client.ask(client.entity_ref("counter", 100), lambda r: ShardEnvelope(entity, GetCount(r)))


async def test_tells_from_other_threads_are_handed_over_in_order(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        assert await count(client, "threads") == 0

        def work() -> None:
            for _ in range(20):
                counter.tell(ShardEnvelope("threads", Increment(1)))

        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(4)))
        assert await count(client, "threads") == 80


async def test_a_thread_is_told_at_once_of_a_message_that_cannot_be_sent(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        with pytest.raises(TypeError, match="lock"):
            await asyncio.to_thread(counter.tell, ShardEnvelope("locked", threading.Lock()))


async def test_asks_tells_and_waits_of_another_threads_loop_are_carried_out_here(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)

        async def elsewhere() -> Any:
            counter.tell(ShardEnvelope("elsewhere", Increment(3)))
            seen = [await client.wait_for_topology(), await anext(client.snapshots())]
            # The shard that was told to is placed meanwhile, which is another snapshot.
            assert all(client.topology is not None and each.members == client.topology.members for each in seen)
            return await count(client, "elsewhere")

        assert await asyncio.to_thread(asyncio.run, elsewhere()) == 3


async def test_an_ask_that_another_loop_cancels_leaves_nothing_behind(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.ask(counter, lambda r: ShardEnvelope("unasked", Increment(0)), timeout=60), 0.2)

        await asyncio.to_thread(asyncio.run, give_up())
        await wait_until_async(lambda: not client._pump.futures)  # type: ignore[union-attr]


async def test_the_message_of_another_loops_ask_is_made_on_its_own_thread(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)

        def leave(_reply_to: object) -> ShardEnvelope:
            raise SystemExit(7)

        with pytest.raises(SystemExit):
            await asyncio.to_thread(asyncio.run, client.ask(counter, leave))
        assert await count(client, "after-that") == 0


SECOND_RUN = """
import asyncio
from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.address import ClusterURI
from tests.support.loops import loop_inside
from tests.support.waiting import wait_until

async def enter():
    await client.__aenter__()
    counter = client.entity_ref("counter", num_shards=100)
    print(await client.ask(counter, lambda r: ShardEnvelope("second-run", GetCount(r))))
    return counter

contacts = ClusterURI.parse(uri).contacts
client = ClusterClient(contact_points=contacts, system_name="demo")
counter = asyncio.run(enter())

async def tell():
    counter.tell(ShardEnvelope("second-run", Increment(1)))

for refused in (tell(), client.ask(counter, lambda _: ShardEnvelope("second-run", Increment(1))), client.wait_for_topology()):
    try:
        asyncio.run(refused)
    except errors.WrongThread as error:
        print("closed" in str(error), "nothing was sent" in str(error))

with connected("other") as cluster:
    print(cluster.ask("counter/second-run", GetCount))

socks = [link._transport.get_extra_info("socket") for link in client._pump._sockets]
asyncio.run(client.__aexit__())
# What was under way may still be read; then both directions have ended.
wait_until(lambda: not any(sock.dup().recv(65536) for sock in socks))
print(len(socks), "ended")
"""


def test_a_second_asyncio_run_is_told_that_the_clients_loop_is_closed_and_can_still_leave(demo_cluster: DemoCluster) -> None:
    done = run_script(after_connecting(SECOND_RUN), demo_cluster.uri)
    assert done.stdout.splitlines() == ["0", *["True True"] * 3, "0", "3 ended"], done.stderr


async def test_a_loop_inside_of_the_clients_own_is_refused_and_not_deadlocked(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        asked = client.ask(counter, lambda r: ShardEnvelope("inside", GetCount(r)))
        with loop_inside() as inner, pytest.raises(WrongThread, match="waits for this thread"):
            inner.run_until_complete(asked)


def test_without_a_loop_of_asyncios_nothing_is_sent(demo_cluster: DemoCluster) -> None:
    client = client_of(demo_cluster)
    with pytest.raises(WrongThread, match="asyncio"):
        client.__aenter__().send(None)
    with connect(demo_cluster.uri, shards=demo_cluster.shards) as cluster:
        for kind in (cluster.ask_async, lambda *args: cluster.client.ask(cluster.entity_ref("counter", 100), *args[1:])):
            step = kind("counter/no-loop", lambda _: ShardEnvelope("no-loop", Increment(1)))
            with pytest.raises(WrongThread, match="nothing was sent"):
                step.send(None)
        assert cluster.ask("counter/no-loop", GetCount) == 0


def test_trio_inside_of_asyncios_loop_is_no_loop_of_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lowlevel:
        @staticmethod
        def in_trio_run() -> bool:
            return True

    async def enter() -> None:
        HomeLoop()

    asyncio.run(enter())
    trio = type("trio", (), {"lowlevel": Lowlevel})
    monkeypatch.setitem(sys.modules, "trio", trio)
    with pytest.raises(WrongThread, match="asyncio"):
        asyncio.run(enter())


async def test_a_shard_count_is_settled_on_the_clients_own_loop(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        with pytest.raises(WrongThread, match="entity_ref"):
            await asyncio.to_thread(client.entity_ref, "counter", 100)
        settled = client.entity_ref("counter", 100)
        assert await asyncio.to_thread(client.entity_ref, "counter", 100) is settled


def test_a_blocking_ask_goes_on_in_any_thread(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards=demo_cluster.shards) as cluster, pytest.raises(AskTimeout):
        asyncio.run(cluster.ask_async("counter/silent", lambda _: Increment(0), timeout=0.1))
