"""Listeners on real nodes of casty 0.30."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import casty_notebook
from casty_notebook import VirtualClient
from casty_notebook.address import NodeAddress
from casty_notebook.backends.aio.listener import Listener
from casty_notebook.backends.contract import Arrival
from casty_notebook.errors import AskTimeout, ClientClosed, MisuseError, NodeUnreachable, NoSuchType, ReadOnly
from casty_notebook.values.standin import stand_in_class
from tests.backends.virtual.cluster import RELEASES, VirtualCluster
from tests.support.ports import free_ports

FEED = "shop.feeds:feed"


@pytest.fixture
async def client(shop: VirtualCluster) -> AsyncIterator[VirtualClient]:
    async with VirtualClient(contact_points=shop.contacts, cluster_name="shop") as made:
        await made.wait_for_members()
        yield made


async def test_what_an_actor_tells_again_and_again_comes_in_order(client: VirtualClient) -> None:
    async with client.listen(f"{FEED}/numbers", "x.Numbers(count=50)", force=True) as heard:
        prices = [await heard.get(10) for _ in range(50)]
        assert [price.number for price in prices] == list(range(50))
        assert (heard.received, heard.dropped, heard.closed) == (50, 0, False)
        with pytest.raises(AskTimeout, match="50 came before"):
            await heard.get(0.05)
    assert heard.closed
    with pytest.raises(MisuseError, match="nothing comes any more"):
        await heard.get(1)


async def taken(heard: Listener[Any], count: int) -> list[Arrival]:
    """The next so many messages; those from different nodes come in no order."""
    came: list[Arrival] = []
    while len(came) < count:
        came += await heard.batch(10)
    return came


@pytest.mark.parametrize("release", RELEASES)
async def test_a_ref_is_kept_handed_on_and_told_from_every_node(release: str) -> None:
    with VirtualCluster(2, release) as nodes:
        async with VirtualClient(contact_points=nodes.contacts, cluster_name="shop") as client:
            members = await client.wait_for_members()
            async with asyncio.timeout(10):
                while len(members.members) < 2 or not all(view.reachable for view in client.health.values()):
                    await asyncio.sleep(0.05)
                    members = await client.wait_for_members()
            async with client.listen(f"{FEED}/kept", "x.Subscribe", timeout=0.3, force=True) as heard:
                with pytest.raises(AskTimeout, match="none has come yet"):
                    await heard.get(0.5)  # longer than its message might wait to leave
                assert await client.ask(f"{FEED}/kept", "x.Fire(value=7)", force=True) == 1
                came = await taken(heard, 25)
                assert sorted(each.message for each in came) == [7, *range(700, 724)]
                assert {each.node for each in came} == set(nodes.contacts)
                client.tell(f"{FEED}/other", stand_in_class("x.Listen")(listener=heard.ref), force=True)
                await client.ask(f"{FEED}/other", "x.Fire(value=8)", force=True)
                assert sorted(each.message for each in await taken(heard, 25)) == [8, *range(800, 824)]


async def test_a_slow_reader_loses_the_oldest_and_is_told(client: VirtualClient, caplog: pytest.LogCaptureFixture) -> None:
    async with client.listen(f"{FEED}/slow", "x.Numbers(count=30)", limit=10, force=True) as heard:
        async with asyncio.timeout(10):
            while heard.received < 30:
                await asyncio.sleep(0.01)
        assert [each.message.number for each in await heard.batch(1)] == list(range(20, 30))
        assert (heard.dropped, client.counters["dropped"]) == (20, 20)
    assert sum("is read too slowly: the oldest of 10 is dropped" in record.message for record in caplog.records) == 1


async def test_what_does_not_fit_or_does_not_exist_ends_a_listener(client: VirtualClient) -> None:
    with pytest.raises(NoSuchType):
        client.listen("elsewhere.feeds:nothing/1", "x.Subscribe")
    with pytest.raises(MisuseError, match="limit"):
        client.listen(f"{FEED}/a", "x.Subscribe", limit=0, force=True)
    async with client.listen(f"{FEED}/misfit", "x.Nope", force=True) as heard:
        with pytest.raises(Exception, match="does not fit"):
            await heard.get(10)
        assert heard.closed


async def until_its_end(heard: Listener[Any]) -> None:
    while True:
        await heard.get(10)


async def test_the_loss_of_its_node_and_leaving_end_a_listener() -> None:
    with VirtualCluster(2) as nodes:
        async with VirtualClient(contact_points=nodes.contacts, cluster_name="shop") as client:
            await client.wait_for_members()
            await client.ask(f"{FEED}/first", "x.Fire(value=0)", force=True)
            keys = {client.place(f"{FEED}/{n}").owner: f"{FEED}/{n}" for n in range(50)}
            doomed, other = (keys[NodeAddress(*contact)] for contact in nodes.contacts)
            heard, left = (client.listen(key, "x.Subscribe", force=True) for key in (doomed, other))
            await asyncio.gather(*(client.ask(key, "x.Fire(value=1)", force=True) for key in (doomed, other)))
            nodes.kill(nodes.ports[0])
            with pytest.raises(NodeUnreachable):
                await until_its_end(heard)
            assert (heard.closed, left.closed) == (True, False)
        with pytest.raises(ClientClosed):
            await until_its_end(left)


def test_plain_calls_listen_and_collect(shop: VirtualCluster) -> None:
    uri = f"casty://shop@127.0.0.1:{shop.ports[0]}"
    with casty_notebook.connect(uri, name="plain") as cluster:
        cluster.ask(f"{FEED}/plain", "x.Fire(value=0)", force=True)
        with cluster.listen(f"{FEED}/plain", "x.Numbers(count=3)") as heard:
            assert [heard.get(10).number for _ in range(3)] == [0, 1, 2]
        table = cluster.collect(f"{FEED}/plain", "x.Numbers(count=4)", count=4, seconds=10)
        assert [price.number for price in table.message] == [0, 1, 2, 3]
        assert table.node.str.startswith("node-").all()
    with casty_notebook.connect(uri, name="rail", read_only=True, questions=["x.Numbers"]) as rail:
        with rail.listen(f"{FEED}/plain", "x.Numbers(count=1)") as heard:
            assert heard.get(10).number == 0
        with pytest.raises(ReadOnly):
            rail.listen(f"{FEED}/plain", "x.Subscribe")


async def test_a_listener_that_may_be_sent_again_follows_its_key_to_another_node() -> None:
    with VirtualCluster(2) as nodes:
        async with VirtualClient(contact_points=nodes.contacts, cluster_name="shop") as client:
            await client.wait_for_members()
            await client.ask(f"{FEED}/first", "x.Fire(value=0)", force=True)
            heard = {key: client.listen(key, "x.Subscribe", retry=True) for key in (f"{FEED}/moving-{n}" for n in range(16))}
            before = {key: client.place(key).owner for key in heard}
            await asyncio.gather(*(client.ask(key, "x.Fire(value=0)") for key in heard))
            (port,) = free_ports(1)
            await asyncio.to_thread(nodes.start, port, nodes.ports)
            async with asyncio.timeout(20):
                while not (moved := [key for key in heard if client.place(key).owner != before[key]]):
                    await asyncio.sleep(0.05)
                while await client.ask(moved[0], "x.Fire(value=9)", retry=True) == 0:
                    await asyncio.sleep(0.05)
                while await heard[moved[0]].get() != 9:
                    pass
