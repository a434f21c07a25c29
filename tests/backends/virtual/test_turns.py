"""What comes at once is handled in turns: how much in one go is counted, and so is the order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from casty_notebook import Settings
from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.aio.link import AT_ONCE, BESIDES, LinkProtocol
from casty_notebook.backends.virtual.wire import Hello, Message
from casty_notebook.backends.virtual.wire.frames import encode_data
from tests.backends.virtual.fake_node import FakeNode, framed

READ = 256 * 1024
"""Bytes of one read of a socket, at most."""
ACK = encode_data(1, framed(b"hello-ack", msgpack.packb(["10.0.1.10:25520", bytes(16), None])))


class Socket(asyncio.Transport):
    """Counts."""

    def __init__(self) -> None:
        super().__init__()
        self.paused, self.pauses, self.aborted = False, 0, False

    def write(self, data: Any) -> None: ...

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True
        self.pauses += 1

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None: ...


class Owner:
    """Notes what it is told, and in which go."""

    def __init__(self) -> None:
        self.goes: list[list[Message]] = []
        self.ended: str | None = None
        self.then: Callable[[], None] = lambda: None

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for go in self.goes for message in go]

    def messages_came(self, _link: LinkProtocol, messages: list[Message]) -> None:
        assert self.ended is None
        self.goes.append(messages)
        self.then()

    def link_ended(self, _link: LinkProtocol, reason: str, *, silent: bool = False) -> None:
        assert not silent
        self.ended = reason

    def ignored(self, *_: object) -> None: ...

    link_opened = link_refused = link_leaving = link_heard = link_flushed = socket_opened = socket_closed = ignored


def opened() -> tuple[LinkProtocol, Owner, Socket]:
    owner, socket = Owner(), Socket()
    address = NodeAddress("10.0.1.10", 25520)
    link = LinkProtocol(1, address, Hello("shop", bytes(16)), Settings(), owner, secure=False)
    link.connection_made(socket)
    link.data_received(ACK)
    return link, owner, socket


async def turns_until(true: Callable[[], object]) -> int:
    for count in range(1_000):
        if true():
            return count
        await asyncio.sleep(0)
    raise AssertionError("never")


def numbered(count: int, size: int) -> tuple[list[bytes], bytes]:
    bodies = [number.to_bytes(4) + bytes(size - 4) for number in range(count)]
    return bodies, b"".join(encode_data(3, framed(b"replies", body)) for body in bodies)


@pytest.mark.parametrize("size", [4, 100, 5_000, 100_000])
async def test_a_full_read_is_handled_in_several_turns_in_order_and_nothing_is_read_meanwhile(size: int) -> None:
    link, owner, socket = opened()
    bodies, data = numbered(READ // (size + 24), size)
    link.data_received(data)
    assert socket.paused
    assert len(owner.goes) == 1
    await turns_until(lambda: not socket.paused)
    assert owner.bodies == bodies
    work = [sum(len(message.body) + BESIDES for message in go) for go in owner.goes]
    assert max(work) < AT_ONCE + size + BESIDES
    assert len(work) >= 2
    assert socket.pauses == 1
    link.abort()


async def test_the_usual_few_are_handled_at_once_without_a_pause() -> None:
    link, owner, socket = opened()
    bodies, data = numbered(100, 100)
    link.data_received(data)
    assert [len(go) for go in owner.goes] == [100]
    link.data_received(data)
    assert owner.bodies == bodies * 2
    assert not socket.pauses
    link.abort()


async def test_what_is_read_all_the_same_comes_behind_what_waits() -> None:
    """A transport may hand over a last piece that it had when it was told to pause."""
    link, owner, socket = opened()
    bodies, data = numbered(READ // 1_100, 1_000)
    more, last = numbered(3, 8)
    link.data_received(data)
    link.data_received(last)
    await turns_until(lambda: not socket.paused)
    assert owner.bodies == bodies + more
    link.abort()


@pytest.mark.parametrize("end", ["lost", "nonsense"])
async def test_what_came_before_the_end_is_heard_before_the_end(end: str) -> None:
    link, owner, socket = opened()
    bodies, data = numbered(READ // 1_100, 1_000)
    link.data_received(data)
    if end == "lost":
        link.connection_lost(ConnectionResetError("reset by peer"))
    else:
        link.data_received(b"HTTP/1.1 400 Bad Request")
        assert socket.aborted
        link.connection_lost(None)
    assert owner.ended is None
    await turns_until(lambda: owner.ended)
    assert owner.bodies == bodies
    assert ("reset by peer" if end == "lost" else "no casty at all") in str(owner.ended)


async def test_nothing_more_is_heard_of_a_link_that_is_hung_up_meanwhile() -> None:
    link, owner, _ = opened()
    _, data = numbered(READ // 1_100, 1_000)
    owner.then = link.hang_up
    link.data_received(data)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(owner.goes) == 1
    assert owner.ended is None


async def test_what_a_listener_raises_keeps_nobody_from_being_read_again() -> None:
    link, owner, socket = opened()
    bodies, data = numbered(READ // 1_100, 1_000)

    def fail() -> None:
        raise SystemExit(len(owner.goes))

    raised: list[object] = []
    turn = link._take_turn

    def survived() -> None:  # as the background loop survives it, which is entered again
        try:
            turn()
        except SystemExit as error:
            raised.append(error.code)

    link._take_turn = survived  # type: ignore[method-assign]
    owner.then = fail
    link.data_received(data)
    await turns_until(lambda: owner.bodies == bodies)
    assert not socket.paused
    assert raised == list(range(1, len(owner.goes) + 1))
    link.abort()


async def test_a_real_socket_goes_on_after_its_pauses() -> None:
    """Two thousand answers of one node at once, and then one more."""
    from casty_notebook import VirtualClient
    from tests.backends.virtual.fake_node import TYPE
    from tests.backends.virtual.messages import Get

    async with FakeNode() as node:
        node.answer = lambda _: ["Value", {"data": msgpack.packb(bytes(3_000))}]
        async with VirtualClient(contact_points=[node.contact], cluster_name="shop") as client:
            await client.wait_for_members()
            answers = await asyncio.gather(*(client.ask(f"{TYPE}/{n}", Get, timeout=30) for n in range(2_000)))
            assert answers == [bytes(3_000)] * 2_000
            assert await client.ask(f"{TYPE}/a", Get) == bytes(3_000)
