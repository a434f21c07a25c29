"""The code of users that we call may fail in any way: whoever called is told, or the log, and nothing else is touched."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from casty_notebook import Cluster, ClusterClient, ShardEnvelope, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import NoContactPoint
from casty_notebook.loops.background import background_loop
from casty_notebook.topology.snapshot import ShardAllocation, TopologySnapshot
from tests.support.fake_node import FakeNode
from tests.support.scripts import after_connecting, run_script
from tests.support.waiting import wait_until, wait_until_async

EXITS = [SystemExit, KeyboardInterrupt]


def raising(error: type[BaseException]) -> Callable[..., NoReturn]:
    def user(*_args: object) -> NoReturn:
        raise error("of the user")

    return user


@pytest.fixture
def cluster(demo_cluster: DemoCluster):  # type: ignore[no-untyped-def]
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="guests") as connected:
        yield connected


def client_of(node: FakeNode, **options: Any) -> ClusterClient:
    return ClusterClient(contact_points=[node.address], system_name="demo", **options)


# --- listeners -------------------------------------------------------------------------------------------------------


async def test_a_listener_that_raises_costs_no_ask_and_no_other_listener(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeNode() as node, client_of(node) as client:
        counter = client.entity_ref("counter", 100)
        seen: list[TopologySnapshot] = []
        client.on_snapshot(raising(ValueError))
        client.on_snapshot(seen.append)
        for count in range(5):
            node.allocations = {"counter": {count: ShardAllocation(node.address, ())}}
            node.push()
            assert await client.ask(counter, lambda r: ShardEnvelope("a", GetCount(r))) == "GetCount"
        await wait_until_async(lambda: len(seen) >= 5)
        assert client.counters["lost_links"] == 0
    complaints = [record for record in caplog.records if "listener" in record.message]
    assert len(complaints) == 1
    assert complaints[0].exc_info is not None


async def test_listeners_are_told_in_the_order_they_came_and_not_after_they_left() -> None:
    async with FakeNode() as node, client_of(node) as client:
        told: list[int] = []
        stops = [client.on_snapshot(lambda _, place=place: told.append(place)) for place in range(30)]  # type: ignore[misc]
        client.on_snapshot(lambda _: stops[1]() if not told[1:] else stops[2]())  # in the middle of being told
        await client.wait_for_topology()
        await wait_until_async(lambda: len(told) == 30)
        assert told == list(range(30))
        told.clear()
        stops[0]()
        node.allocations = {"counter": {1: ShardAllocation(node.address, ())}}
        node.push()
        await wait_until_async(lambda: len(told) == 28)
        assert told == [1, *range(3, 30)]


@pytest.mark.parametrize("error", EXITS)
def test_a_listener_that_leaves_does_not_take_the_background_loop_along(
    error: type[BaseException], cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    before = background_loop()
    cluster.client._broadcast.listen(raising(error))
    again = copy.copy(cluster.topology)
    assert again is not None
    cluster._on_loop(lambda: cluster.client._broadcast.publish(again))
    wait_until(lambda: any(error.__name__ in record.message for record in caplog.records))
    assert cluster.ask("counter/left", GetCount) == 0
    assert background_loop() is before


# --- messages, maps, answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [*EXITS, ValueError])
def test_what_a_message_function_raises_reaches_whoever_asked(error: type[BaseException], cluster: Cluster) -> None:
    with pytest.raises(error, match="of the user"):
        cluster.ask("counter/a", raising(error))
    with pytest.raises(error, match="of the user"):
        asyncio.run(cluster.ask_async("counter/a", raising(error)))
    if error is not KeyboardInterrupt:  # which ends a fan-out early, and keeps what has arrived
        with pytest.raises(error, match="of the user"):
            cluster.ask_many("counter/a-{1..3}", raising(error), progress=False)
    assert cluster.ask("counter/a", GetCount) == 0
    assert not cluster.client._pump.futures


@pytest.mark.parametrize("error", [*EXITS, ValueError])
def test_what_an_address_map_raises_is_said_of_the_contact_point(error: type[BaseException], demo_cluster: DemoCluster) -> None:
    with pytest.raises(NoContactPoint, match=f"the address map raised {error.__name__}: of the user"):
        connect(demo_cluster.uri, address_map=raising(error), name="unmapped", timeout=0.3)


@pytest.mark.parametrize("error", [*EXITS, ValueError])
def test_what_on_answer_raises_costs_no_row(
    error: type[BaseException], cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    table = cluster.ask_many("counter/row-{1..20}", GetCount, on_answer=raising(error), progress=False)
    assert table.reply.tolist() == [0] * 20
    assert [record.message for record in caplog.records if "on_answer" in record.message] == [
        f"on_answer raised {error.__name__}; the asks go on"
    ]


# --- a loop that dies ------------------------------------------------------------------------------------------------


def test_a_loop_that_somebody_stopped_goes_on() -> None:
    loop = background_loop()
    loop.soon(loop._loop.stop)
    assert loop.run(asyncio.sleep(0, "on")) == "on"
    assert background_loop() is loop


DYING = """
import asyncio, threading
from casty_notebook.loops.background import background_loop

def broken():
    raise OSError(9, "Bad file descriptor")  # as where somebody closed all files

cluster = connected("on-a-dead-loop")
loop = background_loop()
future = loop.submit(asyncio.sleep(60))
loop._loop._run_once = broken
loop.soon(int)
for call in (future.result, lambda: cluster.ask("counter/a", GetCount), lambda: cluster.tell("counter/a", Increment(1))):
    try:
        call()
    except errors.ClientClosed as error:
        print("background loop" in str(error))
with connected("on-the-next") as another:
    print(another.ask("counter/a", GetCount), background_loop() is not loop)
"""


def test_whoever_waits_for_a_loop_that_dies_is_told_and_the_next_gets_another(demo_cluster: DemoCluster) -> None:
    done = run_script(after_connecting(DYING), demo_cluster.uri)
    assert done.stdout.splitlines() == ["True", "True", "True", "0 True"], done.stderr
    assert "the background loop has ended" in done.stderr
    assert done.returncode == 0
