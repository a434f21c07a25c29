"""Real nodes of casty 0.30, killed, frozen, stopped and started again, and what a client makes of it (VIRTUAL section 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import psutil
import pytest

from casty_notebook import VirtualClient
from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.backends.virtual.session.picture import Painter
from casty_notebook.errors import AskTimeout, NoContactPoint, NodeUnreachable
from casty_notebook.topology.events import Change, TopologyEvent, diff
from casty_notebook.topology.health import LinkState
from tests.backends.virtual.cluster import VirtualCluster
from tests.backends.virtual.messages import Add, Get, Size
from tests.backends.virtual.test_client import client_of, warm

AGREED = 25.0
"""Seconds until members agree on a death: 10 with their default periods, and as many again on a busy machine."""


def reason(client: VirtualClient, port: int) -> str:
    return client.health[NodeAddress("127.0.0.1", port)].reason


async def until(true: Callable[[], object], timeout: float = AGREED) -> None:
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.02)


def keys_of(client: VirtualClient, port: int, count: int) -> list[str]:
    """Keys that the node at a port owns."""
    keys = (f"counter/{port}-{n}" for n in range(10_000))
    return [key for key in keys if client.place(key).owner == ("127.0.0.1", port)][:count]


def status(client: VirtualClient, port: int) -> str:
    member = client.members.get(NodeAddress("127.0.0.1", port)) if client.members is not None else None
    return member.status if member is not None else "gone"


def state(client: VirtualClient, port: int) -> LinkState | None:
    health = client.health.get(NodeAddress("127.0.0.1", port))
    return health.state if health is not None else None


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_asks_of_a_killed_node_wait_for_its_keys_next_owner_and_it_is_found_again() -> None:
    with VirtualCluster() as cluster:
        contact, victim = cluster.ports[0], cluster.ports[2]
        async with VirtualClient(contact_points=[("127.0.0.1", contact)], cluster_name="shop") as client:
            await warm(client)
            theirs, others = keys_of(client, victim, 5), keys_of(client, contact, 5)
            await asyncio.gather(*(client.ask(key, Add(1)) for key in theirs))
            killed = monotonic()
            cluster.kill(victim)
            await until(lambda: state(client, victim) is not LinkState.live, 5)
            assert await asyncio.gather(*(client.ask(key, Get) for key in others)) == [0] * 5
            with pytest.raises((NodeUnreachable, AskTimeout)):
                await client.ask(theirs[0], Get, fail_fast=True, timeout=1)
            # None of them has left, so that none fails; the state is that of the replicas.
            assert await asyncio.gather(*(client.ask(key, Get, timeout=AGREED) for key in theirs)) == [1] * 5
            assert monotonic() - killed < AGREED
            assert client.counters["lost_links"] == 1
            cluster.restart(victim)
            await until(lambda: state(client, victim) is LinkState.live and status(client, victim) == "alive")
            key = keys_of(client, victim, 1)[0]
            assert await client.ask(key, Add(2), timeout=AGREED) in (2, 3)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_only_contact_point_frozen_does_not_blind_us() -> None:
    """casty's own client hears nothing for 25 s then: it goes on asking its only seed."""
    with VirtualCluster() as cluster:
        frozen = cluster.ports[0]
        async with VirtualClient(contact_points=[("127.0.0.1", frozen)], cluster_name="shop") as client:
            await warm(client)
            key = keys_of(client, cluster.ports[1], 1)[0]
            cluster.freeze(frozen)
            await until(lambda: state(client, frozen) is LinkState.suspect, 10)
            assert await client.ask(key, Get) == 0
            # What the living members say of it, while it says nothing itself.
            await until(lambda: status(client, frozen) in ("suspect", "dead"))
            cluster.thaw(frozen)
            await until(lambda: state(client, frozen) is LinkState.live and status(client, frozen) == "alive")


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_node_that_leaves_in_order_costs_nothing_and_all_killed_are_found_again() -> None:
    with VirtualCluster() as cluster:
        async with client_of(cluster) as client:
            await warm(client)
            leaving = cluster.ports[2]
            keys = keys_of(client, leaving, 5)
            await asyncio.gather(*(client.ask(key, Add(1)) for key in keys))
            await asyncio.to_thread(cluster.stop, leaving)
            assert await asyncio.gather(*(client.ask(key, Get, timeout=AGREED) for key in keys)) == [1] * 5
            await until(lambda: status(client, leaving) in ("gone", "leaving"))
            cluster.kill(cluster.ports[0])
            cluster.kill(cluster.ports[1])
            await until(lambda: all(state(client, port) is not LinkState.live for port in cluster.ports))
            asked = asyncio.ensure_future(client.ask("shop.actors:counter/after", Get, timeout=60, retry=True, force=True))
            cluster.start(cluster.ports[0], [])
            cluster.start(cluster.ports[1], [cluster.ports[0]])
            assert await asked == 0  # what was kept in memory alone is gone with the nodes


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_frozen_node_that_had_answered_is_not_called_an_older_casty() -> None:
    with VirtualCluster() as cluster:
        async with client_of(cluster) as client:
            await warm(client)
            frozen = cluster.ports[2]
            cluster.freeze(frozen)
            # Silent for ten seconds the connection is given up; its kernel takes the next one, and its process says nothing.
            await until(lambda: "no answer to the hello" in reason(client, frozen))
            assert reason(client, frozen).endswith("it said nothing: its process hangs or stands still")
            cluster.thaw(frozen)
            await until(lambda: state(client, frozen) is LinkState.live)
    with VirtualCluster(1) as cluster:
        cluster.freeze(cluster.ports[0])
        await until(lambda: psutil.Process(cluster.pids[0]).status() == psutil.STATUS_STOPPED)
        async with client_of(cluster) as client:
            with pytest.raises(NoContactPoint, match=r"it said nothing: a casty of 0\.15 to 0\.21, or a node that hangs"):
                await client.wait_for_members()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_cluster_that_is_started_anew_as_a_whole_has_restarted() -> None:
    with VirtualCluster() as cluster:
        async with client_of(cluster) as client:
            await warm(client)
            painter = Painter()
            before = painter.paint(client.members)
            told: list[TopologyEvent] = []

            def changed(members: Members) -> None:
                nonlocal before
                after = painter.paint(members)
                assert after is not None
                told.extend(diff(before, after, datetime.now(UTC)))
                before = after

            client.on_change(changed)
            for port in cluster.ports:
                cluster.kill(port)
            await until(lambda: all(state(client, port) is not LinkState.live for port in cluster.ports))
            for place, port in enumerate(cluster.ports):
                await asyncio.to_thread(cluster.start, port, cluster.ports[:place])
            await until(lambda: sum(each.kind == Change.member_restarted for each in told) == 3)
            await until(lambda: all(status(client, port) == "alive" for port in cluster.ports))
            assert not [each for each in told if each.kind in (Change.member_joined, Change.member_removed)]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_forty_answers_of_three_megabytes_at_once_come_and_no_node_is_suspected_meanwhile() -> None:
    """Their nodes' tables lie behind them: for longer than a silent node is waited for on a slow machine."""
    with VirtualCluster() as cluster:
        async with client_of(cluster) as client:
            await warm(client)
            for _ in range(3):
                asks = [client.ask(f"shop.actors:zoo/big-{n}", Size(3_000_000), timeout=60, force=True) for n in range(40)]
                assert [len(reply) for reply in await asyncio.gather(*asks)] == [3_000_000] * 40
            assert client.counters["lost_links"] == 0


async def test_twenty_clients_leave_nothing_behind(shop: VirtualCluster) -> None:
    for _ in range(20):
        async with client_of(shop) as client:
            await client.ask("shop.actors:counter/again", Get, force=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
