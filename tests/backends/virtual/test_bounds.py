"""A node that does not read, gives no credit, says nonsense: nothing of ours grows, and whoever is concerned is told."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

import msgpack
import pytest

from casty_notebook import Settings, VirtualClient
from casty_notebook.backends.virtual.session.events import Answer
from casty_notebook.backends.virtual.wire import Message
from casty_notebook.backends.virtual.wire.frames import encode_data, encode_window
from casty_notebook.errors import AskTimeout, NodeUnreachable, Overloaded
from tests.backends.virtual.fake_node import TYPE, FakeNode, framed
from tests.backends.virtual.messages import Add, Get, Size
from tests.support.waiting import wait_until_async

MEGABYTE = 1_000_000


def client_of(node: FakeNode, **options: object) -> VirtualClient:
    settings = Settings(max_buffered_bytes=MEGABYTE, close_timeout=0.3, **options)  # type: ignore[arg-type]
    return VirtualClient(contact_points=[node.contact], cluster_name="shop", settings=settings)


def held(client: VirtualClient) -> int:
    """Bytes that wait in our process for the node, what the transport holds included."""
    assert client._pump is not None
    links = client._pump._links.values()
    return sum(link.unsent + link._transport.get_write_buffer_size() for link in links if link._transport is not None)


async def told_until_refused(client: VirtualClient, size: int) -> int:
    """Tell until we are told to stop; the loop goes on meanwhile."""
    for count in range(10_000):
        try:
            client.tell(f"{TYPE}/a", Size(size, b"\0" * size))
        except Overloaded:
            return count
        await asyncio.sleep(0)
    raise AssertionError("nothing stopped us")


@pytest.mark.parametrize("why", ["the node does not read", "it does not read but gave credit", "the node gives no credit"])
async def test_what_waits_for_a_node_is_bounded_and_leaves_once_it_reads(why: str) -> None:
    async with FakeNode() as node, client_of(node) as client:
        assert await client.ask(f"{TYPE}/a", Get) == 7
        node.credit = why != "the node gives no credit"
        if "gave" in why:
            node.write(encode_window(3, 1 << 30))
            assert await client.ask(f"{TYPE}/a", Get) == 7
        if node.credit:
            node.stop_reading()
        count = await told_until_refused(client, 20_000)
        # The sockets of the system hold some megabytes too, which are not ours.
        assert MEGABYTE / 2 < held(client) <= 1.2 * MEGABYTE
        before = client.counters
        with pytest.raises(Overloaded, match="max_buffered_bytes"):
            await client.ask(f"{TYPE}/a", Size(20_000, b"\0" * 20_000), timeout=1)
        assert client.counters["dropped"] == before["dropped"]  # each was told at once, none is lost in silence
        if node.credit:
            node.read_on()
            await asyncio.wait_for(client.drain(), 10)
            await wait_until_async(lambda: node.told == count)
            assert await client.ask(f"{TYPE}/a", Get) == 7


async def test_a_node_that_does_not_read_makes_nothing_grow_by_what_it_sends() -> None:
    """Pings and data are owed a pong and credit: a number each, however many came."""
    async with FakeNode() as node, client_of(node) as client:
        await client.wait_for_members()
        node.credit = False
        node.stop_reading()
        ping = b"\2\2" + bytes(10)
        nothing = encode_data(3, framed(b"membership", b"\x92\xa7Message\x81\xa4body\x92\xa4Ping\x80"))
        for _ in range(200):
            node.write((ping + nothing) * 1000)
            await asyncio.sleep(0)
        await wait_until_async(lambda: all(not writer.transport.get_write_buffer_size() for writer in node.clients))
        # A socket's buffer of the system and asyncio's high-water mark (64 KiB) are all that answers lie in.
        assert held(client) <= 128 * 1024


async def test_nonsense_is_logged_once_a_second_however_often_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeNode() as node, client_of(node) as client:
        assert await client.ask(f"{TYPE}/a", Get) == 7
        started = monotonic()
        for _ in range(500):
            node.say(b"replies", "nonsense")
        assert await client.ask(f"{TYPE}/a", Get) == 7
        lines = [record for record in caplog.records if "was refused" in record.getMessage()]
        assert 1 <= len(lines) <= 1 + (monotonic() - started)


async def test_what_was_told_has_a_moment_to_leave_and_its_loss_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeNode() as node:
        async with client_of(node) as client:
            assert await client.ask(f"{TYPE}/a", Get) == 7
            for _ in range(100):
                client.tell(f"{TYPE}/a", Add(1))
        await wait_until_async(lambda: node.told == 100)
        async with client_of(node) as client:
            assert await client.ask(f"{TYPE}/a", Get) == 7
            node.credit = False
            await told_until_refused(client, 20_000)
            started = monotonic()
        # `close_timeout` is 0.3 s, for what waits and for the sockets.
        assert monotonic() - started < 2
        assert any("bytes to 127.0.0.1" in record.getMessage() and "dropped" in record.getMessage() for record in caplog.records)


async def test_nodes_lost_and_found_are_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "casty_notebook")
    async with FakeNode() as node, client_of(node, ask_timeout=0.2) as client:
        await client.wait_for_members()
        node.greets = False
        for writer in node.clients:
            writer.transport.abort()
        await wait_until_async(lambda: any(f"lost 127.0.0.1:{node.port}" in line for line in caplog.messages))
        with pytest.raises(AskTimeout):
            await client.ask(f"{TYPE}/a", Get)
        node.greets = True
        await wait_until_async(lambda: any(f"found 127.0.0.1:{node.port} again" in line for line in caplog.messages))


class Busy(FakeNode):
    """Its tables lie behind a long answer, as everything on a stream does: while `busy`, none comes."""

    busy = False

    def _read(self, writer: asyncio.StreamWriter, service: bytes, body: bytes) -> None:
        if service != b"membership" or not self.busy:
            super()._read(writer, service, body)


async def test_a_node_is_not_given_up_while_a_long_answer_trickles_in() -> None:
    async with Busy() as node:
        settings = Settings(liveness_window=1.0, probe_timeout=0.5)
        async with VirtualClient(contact_points=[node.contact], cluster_name="shop", settings=settings) as client:
            assert await client.ask(f"{TYPE}/a", Get) == 7
            node.busy, node.answer = True, lambda deliver: trickling(node, deliver["reply"][1]["id"])
            asked = monotonic()
            assert await client.ask(f"{TYPE}/a", Get, timeout=30) == bytes(MEGABYTE)
            assert monotonic() - asked > 2.0  # twice as long as a silent node is waited for
            assert client.counters["lost_links"] == 0


async def test_a_node_that_falls_silent_ends_what_it_was_asked() -> None:
    async with Busy() as node:
        settings = Settings(liveness_window=1.0, probe_timeout=0.5)
        async with VirtualClient(contact_points=[node.contact], cluster_name="shop", settings=settings) as client:
            assert await client.ask(f"{TYPE}/a", Get) == 7
            node.busy, node.answer = True, lambda _: None
            asked = monotonic()
            with pytest.raises(NodeUnreachable, match="silent for"):
                await client.ask(f"{TYPE}/a", Get, timeout=60)
            assert monotonic() - asked < 30.0


def trickling(node: FakeNode, number: int) -> None:
    """An answer of a megabyte that takes 2.5 s to come."""
    reply = msgpack.packb(["Reply", {"id": number, "outcome": ["Value", {"data": msgpack.packb(bytes(MEGABYTE))}]}])
    data = framed(b"replies", reply)
    loop = asyncio.get_running_loop()
    for place, at in enumerate(range(0, len(data), 40_000)):
        loop.call_later(0.1 * place, node.write, encode_data(3, data[at : at + 40_000]))


async def test_what_comes_out_of_one_answer_keeps_no_other_ask_from_its_own() -> None:
    async with FakeNode() as node, client_of(node) as client:
        await client.wait_for_members()
        assert client._pump is not None
        node.answer = lambda _: None
        asked = [asyncio.ensure_future(client.ask(f"{TYPE}/{key}", Get, force=True)) for key in "abc"]
        await wait_until_async(lambda: node.asked == 3)
        replies = [
            Message(b"replies", msgpack.packb(["Reply", {"id": number, "outcome": ["Value", {"data": b"\x07"}]}]))
            for number in client._pump.futures
        ]
        answer = client._pump._performers[Answer]

        def exit_once(effect: Answer) -> None:
            assert client._pump is not None
            client._pump._performers[Answer] = answer
            answer(effect)
            raise SystemExit

        client._pump._performers[Answer] = exit_once
        (link,) = client._pump._links.values()
        with pytest.raises(SystemExit):
            client._pump.messages_came(link, replies)
        assert await asyncio.gather(*asked) == [7, 7, 7]
