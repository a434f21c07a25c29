"""What goes wrong on our own side: whoever waits is told, and nothing is kept for ever."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from casty_notebook import Settings, VirtualClient
from casty_notebook.backends.virtual.session.ring import Ring
from casty_notebook.errors import ClientClosed, NodeUnreachable
from tests.backends.virtual.fake_node import TYPE, FakeNode
from tests.backends.virtual.messages import Get, Size
from tests.support.waiting import wait_until_async


def client_of(node: FakeNode, **options: Any) -> VirtualClient:
    settings = Settings(**({"close_timeout": 0.3} | options))
    return VirtualClient(contact_points=[node.contact], cluster_name="shop", settings=settings)


def no_thread(*_args: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("size", [1, 100_000])
async def test_whatever_reading_an_answer_raises_is_told_to_who_asked_and_costs_no_link(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeNode() as node, client_of(node) as client:
        assert await client.ask(f"{TYPE}/a", Get) == 7
        read = client.reader.read

        def fail(data: bytes) -> Any:
            if len(data) >= size:
                raise RuntimeError("a fault of ours")
            return read(data)

        monkeypatch.setattr(client.reader, "read", fail)
        monkeypatch.setattr(client.reader, "is_quick", lambda _data: False)
        node.answer = lambda _: ["Value", {"data": b"\xc6" + size.to_bytes(4) + bytes(size)}]
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError, match="a fault of ours"):
                await client.ask(f"{TYPE}/a", Get, timeout=60)
        monkeypatch.undo()
        assert await client.ask(f"{TYPE}/a", Get) == bytes(size)
        assert client.counters["lost_links"] == 0


async def test_where_no_thread_is_to_be_had_a_long_answer_is_an_error_and_not_a_wait_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await client.wait_for_members()
        monkeypatch.setattr(client.reader, "is_quick", lambda _data: False)
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", no_thread)
        node.answer = lambda _: ["Value", {"data": b"\xc6" + (100_000).to_bytes(4) + bytes(100_000)}]
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await client.ask(f"{TYPE}/a", Get, timeout=60)


async def test_where_no_thread_is_to_be_had_a_ring_of_many_members_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ring, "prepared", Ring)  # in less time
    async with FakeNode() as node:
        node.table += [node.record(f"10.0.{n}.1:25520") for n in range(101)]
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", no_thread)
        async with client_of(node, eager_links=1) as client:
            assert len((await client.wait_for_members(10)).members) == 102


async def test_a_node_that_stopped_reading_keeps_no_socket_of_ours_once_it_is_given_up() -> None:
    """What waited in the socket was to be flushed first: for a frozen node that is never."""
    async with FakeNode() as node, client_of(node, probe_timeout=0.2, liveness_window=0.5) as client:
        assert await client.ask(f"{TYPE}/a", Get) == 7
        pump = client._pump
        assert pump is not None
        (link,) = pump._links.values()
        node.credit = False
        node.write(b"\2\1\0\0\0\0\0\3" + (1 << 30).to_bytes(4))
        assert await client.ask(f"{TYPE}/a", Get) == 7
        node.stop_reading()
        for _ in range(200):
            client.tell(f"{TYPE}/a", Size(50_000, bytes(50_000)))
        asked = asyncio.ensure_future(client.ask(f"{TYPE}/a", Get, timeout=60))
        with pytest.raises(NodeUnreachable):
            await asyncio.wait_for(asked, 10)
        await wait_until_async(lambda: link not in set(pump._sockets), timeout=2)
        node.read_on()


async def test_who_waits_for_members_is_told_at_once_that_the_client_was_left() -> None:
    async with FakeNode() as node:
        node.greets = False
        async with client_of(node) as client:
            waiting = asyncio.ensure_future(client.wait_for_members(60))
            asking = asyncio.ensure_future(client.ask(f"{TYPE}/a", Get, timeout=60))
            await wait_until_async(lambda: bool(node._writers))
            began = monotonic()
        for each in (waiting, asking):
            with pytest.raises(ClientClosed):
                await asyncio.wait_for(each, 10)
        assert monotonic() - began < 10
