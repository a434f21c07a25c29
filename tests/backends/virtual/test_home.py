"""A client used from another thread, loop or process than its own: it works, or is refused and not done; it is never harmed."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any, NoReturn

import pytest

from casty_notebook import VirtualClient
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.errors import Overloaded, UnsendableMessage, WrongProcess, WrongThread
from tests.backends.virtual.fake_node import TYPE, FakeNode
from tests.backends.virtual.messages import Add, Get, Size
from tests.support.loops import loop_inside
from tests.support.waiting import wait_until_async

KEY = f"{TYPE}/a"


def client_of(node: FakeNode) -> VirtualClient:
    return VirtualClient(contact_points=[node.contact], cluster_name="shop")


async def test_asks_tells_and_waits_of_another_threads_loop_are_carried_out_here() -> None:
    async with FakeNode() as node, client_of(node) as client:

        async def elsewhere() -> Any:
            assert await client.wait_for_members() is client.members
            assert await anext(client.changes()) is client.members
            for _ in range(20):
                client.tell(KEY, Add(1))
            await client.drain()
            return await client.ask(KEY, Get)

        assert await asyncio.to_thread(asyncio.run, elsewhere()) == 7
        await wait_until_async(lambda: node.told == 20)


async def test_a_thread_is_told_at_once_of_a_message_that_cannot_be_sent() -> None:
    async with FakeNode() as node, client_of(node) as client:
        await client.wait_for_members()
        with pytest.raises(UnsendableMessage):
            await asyncio.to_thread(client.tell, KEY, object())


async def test_an_ask_that_another_loop_cancels_leaves_nothing_behind() -> None:
    async with FakeNode() as node, client_of(node) as client:
        node.answer = lambda _: None

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.ask(KEY, Get, timeout=60), 0.2)

        await asyncio.to_thread(asyncio.run, give_up())
        await wait_until_async(lambda: not client._pump.futures)  # type: ignore[union-attr]
        await wait_until_async(lambda: node.cancelled == 1)


async def test_a_loop_inside_of_the_clients_own_is_refused_and_not_deadlocked() -> None:
    async with FakeNode() as node, client_of(node) as client:
        await client.wait_for_members()
        asked = client.ask(KEY, Get)
        with loop_inside() as inner, pytest.raises(WrongThread, match="waits for this thread"):
            inner.run_until_complete(asked)
        assert node.asked == 0


def tell_without_end(client: VirtualClient) -> None:
    while True:
        client.tell(KEY, Size(0, bytes(100_000)))


async def test_whoever_is_cancelled_while_leaving_leaves_all_the_same() -> None:
    async with FakeNode() as node:
        client = client_of(node)
        await client.__aenter__()
        assert await client.ask(KEY, Get) == 7
        node.credit = False
        with pytest.raises(Overloaded):
            tell_without_end(client)
        leaving = asyncio.create_task(client.__aexit__(None, None, None))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await wait_until_async(lambda: not node.clients)


async def test_a_forked_child_is_refused_and_its_parent_goes_on() -> None:
    async with FakeNode() as node, client_of(node) as client:
        assert await client.ask(KEY, Get) == 7
        child = os.fork()
        if child == 0:
            status = 1
            try:
                client.ask(KEY, Get).send(None)
            except WrongProcess:
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert await client.ask(KEY, Get) == 7
        assert node.asked == 2


def test_a_second_asyncio_run_is_told_that_the_clients_loop_is_closed_and_can_still_leave() -> None:
    node = FakeNode()

    async def enter() -> VirtualClient:
        await node.__aenter__()
        client = client_of(node)
        await client.__aenter__()
        assert await client.ask(KEY, Get) == 7
        return client

    with asyncio.Runner() as first:
        client = first.run(enter())

        async def again() -> None:
            for refused in (client.ask(KEY, Get), client.wait_for_members()):
                with pytest.raises(WrongThread, match="nothing was sent"):
                    await refused
            with pytest.raises(WrongThread):
                client.tell(KEY, Add(1))
            await client.__aexit__(None, None, None)

        asyncio.run(again())
        first.run(node.__aexit__())


def test_without_a_loop_of_asyncios_nothing_is_sent() -> None:
    client = VirtualClient(contact_points=[("127.0.0.1", 1)], cluster_name="shop")
    with pytest.raises(WrongThread, match="asyncio"):
        client.__aenter__().send(None)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_listener_that_raises_costs_no_ask_and_no_other_listener(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def raising(_: Members) -> NoReturn:
        raise error("of the user")

    async with FakeNode() as node, client_of(node) as client:
        seen: list[Members] = []
        client.on_change(raising)
        client.on_change(seen.append)
        await client.wait_for_members()
        for status in ("suspect", "alive"):
            node.table = [node.record(status=status)]
            assert await client.ask(KEY, Get) == 7
            await wait_until_async(partial(shows, seen, status))
    complaints = [record for record in caplog.records if "listener" in record.message]
    assert len(complaints) == (1 if error is ValueError else 0)


def shows(seen: list[Members], status: str) -> bool:
    return bool(seen) and seen[-1].members[0].status == status
