"""What becomes of each message when its node does what real nodes will not on demand: is mute, slow, cut off or full."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from casty_notebook import ClusterClient, ShardEnvelope, connect
from casty_notebook.address import NodeAddress
from casty_notebook.demo import messages
from casty_notebook.demo.messages import Echo, GetCount, Increment
from casty_notebook.errors import AskFailed, AskTimeout, ClientClosed, NodeUnreachable, NoSuchService, Overloaded
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import ShardAllocation
from tests.support.fake_node import GARBAGE, STALL, Connection, FakeNode
from tests.support.messages import NOBODY
from tests.support.ports import free_port
from tests.support.waiting import wait_until, wait_until_async


def client_of(*contacts: NodeAddress, **settings: Any) -> ClusterClient:
    return ClusterClient(contact_points=contacts, system_name="demo", messages=[messages], settings=Settings(**settings))


def ask(client: ClusterClient, entity: str = "alice", *, timeout: float = 2.0, **options: Any) -> Any:
    counter = client.entity_ref("counter", 100)
    return client.ask(counter, lambda r: ShardEnvelope(entity, GetCount(r)), timeout=timeout, **options)


def amounts(node: FakeNode) -> list[int]:
    return [message.amount for message in node.asked if isinstance(message, Increment)]


# --- buffers -------------------------------------------------------------------------------------------------------


async def test_an_ask_that_times_out_while_it_waits_for_a_route_is_never_sent() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        node.locates = False
        with pytest.raises(AskTimeout, match=r"did not say where its shard lives|no node said where") as caught:
            await ask(client, timeout=0.2)
        assert not caught.value.report.may_have_run
        later = asyncio.create_task(ask(client))
        node.locates = True
        for question in node.questions:
            node.locate(question)
        assert await later == "GetCount"
        assert len(node.asked) == 1


async def test_what_waits_is_bounded_and_the_newest_beyond_it_is_refused_and_counted() -> None:
    async with client_of(NodeAddress("127.0.0.1", free_port()), max_buffered=20) as client:
        results = await asyncio.gather(*(ask(client, timeout=0.3) for _ in range(30)), return_exceptions=True)
        assert [type(result) for result in results] == [AskTimeout] * 20 + [Overloaded] * 10
        assert client.counters["overflowed"] == 10
        counter = client.entity_ref("counter", 100)
        for _ in range(20):
            counter.tell(ShardEnvelope("alice", Increment()))
        with pytest.raises(Overloaded, match=r"20 messages already wait.*max_buffered"):
            counter.tell(ShardEnvelope("alice", Increment()))
        assert client.counters["overflowed"] == 11


async def test_a_node_that_reads_too_slowly_overflows_the_newest_and_gets_all_others_in_order() -> None:
    async with FakeNode() as node, client_of(node.address, max_buffered_bytes=1_000_000, probe_timeout=5.0) as client:
        await ask(client)
        node.inbox.clear()
        node.stop_reading()
        counter = client.entity_ref("counter", 100)
        refused: Overloaded | None = None
        taken = 0
        while refused is None and taken < 20_000:
            try:
                counter.tell(ShardEnvelope("alice", Echo(taken.to_bytes(4) + bytes(10_000), NOBODY)))
            except Overloaded as error:
                refused = error
            else:
                taken += 1
            await asyncio.sleep(0)
        assert "reads more slowly" in str(refused)
        assert client.counters["overflowed"] == 1
        assert taken > 100
        node.read_on()
        await wait_until_async(lambda: len(node.asked) == taken)
        assert [int.from_bytes(message.value[:4]) for message in node.asked] == list(range(taken))


# --- loss, order, duplicates ---------------------------------------------------------------------------------------


async def test_what_had_not_left_for_a_node_that_dies_goes_to_the_next_owner_in_order_and_once() -> None:
    async with FakeNode() as first, FakeNode() as second, client_of(second.address) as client:
        first.members = second.members = [first, second]
        first.allocations = second.allocations = {"counter": dict.fromkeys(range(100), ShardAllocation(first.address))}
        assert await ask(client) == "GetCount"
        first.inbox.clear()
        first.stop_reading()
        counter = client.entity_ref("counter", 100)
        # More than the sockets' buffers take, so that the last ones certainly wait here.
        for number in range(1500):
            counter.tell(ShardEnvelope("alice", Echo(number.to_bytes(4) + bytes(10_000), NOBODY)))
        await asyncio.sleep(0.05)
        second.allocations["counter"] = dict.fromkeys(range(100), ShardAllocation(second.address))
        second.members = [second]
        first.stop()
        second.push()
        await wait_until_async(lambda: bool(second.asked) and second.asked[-1].value[:4] == (1499).to_bytes(4))
        numbers = [int.from_bytes(message.value[:4]) for message in second.asked]
        assert numbers == list(range(numbers[0], 1500))
        assert not {int.from_bytes(message.value[:4]) for message in first.asked} & set(numbers)


async def test_connections_that_are_cut_again_and_again_reorder_nothing_and_repeat_nothing() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        await ask(client)
        counter = client.entity_ref("counter", 100)
        for number in range(1, 401):
            counter.tell(ShardEnvelope("alice", Increment(number)))
            if number % 100 == 0:
                await asyncio.sleep(0.01)
                node.cut_all()
            elif number % 5 == 0:
                await asyncio.sleep(0.001)
        # On a slow machine the link was back before the last cut, which this question then runs into: it may have left.
        await ask(client, retry=True)
        seen = amounts(node)
        assert seen == sorted(set(seen))
        # Each cut may lose what was on its way just then, at most.
        assert len(seen) > 300


async def test_what_is_told_while_a_node_is_away_arrives_when_it_is_back() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        await ask(client)
        node.stop()
        await wait_until_async(lambda: not client.health[node.address].reachable)
        counter = client.entity_ref("counter", 100)
        for number in range(50):
            counter.tell(ShardEnvelope("alice", Increment(number)))
        await node.listen()
        await wait_until_async(lambda: len(amounts(node)) == 50)
        assert amounts(node) == list(range(50))


def cut_first_ask(node: FakeNode, connection: Connection, path: str, message: Any) -> bool:
    """Take the first question for an entity and cut its connection instead of answering."""
    if isinstance(message, ShardEnvelope) and not node.asked:
        node.inbox.append((path, message))
        connection.cut()
        return True
    return False


async def test_an_ask_that_may_have_left_is_not_repeated_by_itself() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        await client.wait_for_topology()
        node.on_message = cut_first_ask
        with pytest.raises(NodeUnreachable, match=r"lost while waiting.*retry=True") as caught:
            await ask(client)
        assert caught.value.report.may_have_run
        assert await ask(client, "bob") == "GetCount"
        assert len(node.asked) == 2


async def test_an_ask_that_may_be_repeated_is_answered_by_the_second_try() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        await client.wait_for_topology()
        node.on_message = cut_first_ask
        assert await ask(client, retry=True) == "GetCount"
        assert len(node.asked) == 2


@pytest.mark.parametrize("retry", [False, True], ids=["not left", "may be repeated"])
async def test_an_ask_waits_for_a_node_that_is_away(retry: bool) -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        await ask(client)
        node.stop()
        await wait_until_async(lambda: not client.health[node.address].reachable)
        waiting = asyncio.create_task(ask(client, retry=retry, timeout=5.0))
        await asyncio.sleep(0.2)
        await node.listen()
        assert await waiting == "GetCount"


async def test_where_asks_are_to_fail_fast_one_may_still_wait_and_none_is_held_otherwise() -> None:
    async with FakeNode() as node, client_of(node.address, fail_fast=True) as client:
        await ask(client)
        node.stop()
        await wait_until_async(lambda: client.health[node.address].reachable is False)
        with pytest.raises(NodeUnreachable, match="cannot be reached"):
            await ask(client)
        with pytest.raises(AskTimeout, match=r"it was held all the time, since its node .* cannot be reached"):
            await ask(client, fail_fast=False, timeout=0.3)


async def test_blocking_asks_one_and_many_can_fail_fast() -> None:
    async with FakeNode() as node:

        def blocking() -> list[str]:
            with connect(f"casty://demo@{node.address}", shards={"counter": 100}) as cluster:
                cluster.ask("counter/alice", GetCount)
                asyncio.run_coroutine_threadsafe(_stop(node), loop).result()
                wait_until(lambda: cluster.health[node.address].reachable is False)
                errors = [answer.error for answer in cluster.answers(["counter/alice"] * 2, GetCount, fail_fast=True)]
                sampled = cluster.samples("counter/alice", GetCount, count=2, every=0, fail_fast=True)
                errors += [answer.error for answer in sampled]
                with pytest.raises(NodeUnreachable) as caught:
                    cluster.ask("counter/alice", GetCount, fail_fast=True)
                return [type(error).__name__ for error in (*errors, caught.value)]

        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(blocking) == ["NodeUnreachable"] * 5


async def _stop(node: FakeNode) -> None:
    node.stop()


# --- every failure explains itself ---------------------------------------------------------------------------------


def _check(error: AskFailed, **known: object) -> None:
    report = error.report
    for name, value in known.items():
        assert getattr(report, name) == value, name
    assert report.cause
    assert report.advice
    assert report.story
    assert report.elapsed is not None
    assert report.target in str(error)
    assert report.advice in str(error)


async def test_a_timeout_says_what_is_known_of_target_shard_owner_and_snapshot() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        await ask(client, "user-42")  # Where it lives is known then, and the short time is all the owner's.
        node.answers = False
        with pytest.raises(AskTimeout) as caught:
            await ask(client, "user-42", timeout=0.2)
        owner = str(node.address)
        _check(caught.value, target="counter/user-42", shard=87, owner=owner, owner_health="live", may_have_run=True)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.report.snapshot_age is not None
        assert 0.15 < caught.value.report.elapsed < 5.0  # type: ignore[operator]


async def test_an_unreachable_owner_is_named_at_once_with_its_health_where_an_ask_is_to_fail_fast() -> None:
    async with FakeNode() as node, FakeNode() as owner, client_of(node.address) as client:
        node.members = [node, owner]
        node.allocations = {"counter": dict.fromkeys(range(100), ShardAllocation(owner.address))}

        def believes(leader: FakeNode, _connection: Connection, path: str, message: Any) -> bool:
            if path.startswith("/_coord-"):
                leader.locate(message, owner.address)
                return True
            return False

        # The leader still believes in the dead node, as it does in clusters of three and more (PROTOCOL section 6.5).
        node.on_message = believes
        await ask(client)
        owner.stop()
        await wait_until_async(lambda: client.health[owner.address].reachable is False)
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(NodeUnreachable, match=r"cannot be reached .connection refused") as caught:
            await ask(client, "user-42", fail_fast=True)
        assert loop.time() - started < 0.5
        _check(caught.value, shard=87, owner=str(owner.address), owner_health="down", may_have_run=False)
        assert isinstance(caught.value, ConnectionError)


async def test_a_mute_coordinator_fails_the_ask_in_its_own_time_and_is_named() -> None:
    async with FakeNode() as node, client_of(node.address) as client:
        node.locates = False
        node.allocations = {"counter": {0: ShardAllocation(node.address)}}
        with pytest.raises(AskTimeout, match=f"the leader {node.address} did not say where") as caught:
            await ask(client, "user-42", timeout=0.3)
        _check(caught.value, shard=87, owner=None, may_have_run=False)


async def test_a_service_that_nobody_offers_is_its_own_error() -> None:
    async with FakeNode() as node:

        def blocking() -> NoSuchService:
            with connect(f"casty://demo@{node.address}") as cluster, pytest.raises(NoSuchService) as caught:
                cluster.ask("payment", GetCount, timeout=1.0)
            return caught.value

        error = await asyncio.to_thread(blocking)
        assert isinstance(error, LookupError)
        assert error.report.target == "payment"
        assert error.report.cause


async def test_closing_ends_what_waits_with_its_own_error() -> None:
    async with FakeNode() as node:
        node.answers = False
        async with client_of(node.address) as client:
            waiting = asyncio.create_task(ask(client, timeout=10.0))
            await wait_until_async(lambda: len(node.asked) == 1)
        with pytest.raises(ClientClosed) as caught:
            await waiting
        assert caught.value.report.may_have_run
        with pytest.raises(ClientClosed):
            await ask(client)


# --- no storms, nothing left ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("greeting", [b"", STALL, GARBAGE, bytes(4)], ids=["mute", "stall", "garbage", "zero"])
async def test_a_contact_point_that_never_gets_through_a_handshake_is_dialled_with_pauses(greeting: bytes) -> None:
    async with FakeNode() as bad, FakeNode() as good, client_of(bad.address, good.address) as client:
        bad.greeting = greeting
        snapshot = await client.wait_for_topology(timeout=1.5)
        assert {member.address for member in snapshot.members} == {good.address}
        await asyncio.sleep(1.0)
        # One dial, one repetition, and for a mute one the few connections by which is found out what it is.
        assert bad.accepted <= 8


async def test_a_member_that_takes_up_no_connection_is_dialled_less_and_less_and_the_others_not_at_all() -> None:
    async with FakeNode() as node, FakeNode() as flapping, client_of(node.address) as client:
        node.members = [node, flapping]
        node.on_message = None

        def cut(_node: FakeNode, connection: Connection, _path: str, _message: Any) -> bool:
            connection.cut()
            return True

        flapping.on_message = cut
        await client.wait_for_topology()
        node.push()
        await asyncio.sleep(3.0)
        # Pauses of 0.1, 0.2, 0.4 and 0.8 s, each cut short by up to 40 % at random: eight or nine in three seconds.
        assert 3 <= flapping.accepted <= 12
        assert node.accepted <= 2


async def test_nothing_is_left_of_a_hundred_clients_of_a_fake_node() -> None:
    async with FakeNode() as node:
        tasks = len(asyncio.all_tasks())
        for _ in range(100):
            async with client_of(node.address) as client:
                await ask(client)
        await wait_until_async(lambda: not node.connections)
        assert node.subscribers == set()
        assert node.accepted == 100
        await wait_until_async(lambda: len(asyncio.all_tasks()) == tasks)
