"""Names, maps and refusals: whatever a dial meets, it ends in a reason, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from casty_notebook import SSH, ClusterClient, ShardEnvelope, connect
from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.contacts import ENOUGH_REFUSED, Contacts
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import MisuseError, NoContactPoint, NodeUnreachable
from casty_notebook.net.dialler import Dialler
from casty_notebook.net.endpoint_probe import DialFailed
from casty_notebook.net.name_lookup import Resolver
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import Member, MemberStatus
from tests.support.fake_node import Connection, FakeNode
from tests.support.ports import free_port
from tests.support.waiting import wait_until_async


def test_a_password_inside_an_ssh_destination_is_refused_and_not_repeated() -> None:
    with pytest.raises(MisuseError) as caught:
        SSH("ops:hunter2@bastion.example")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["10.0.1.10:25520", ("10.0.1.10", "25520"), ("a..b", 1)])
def test_an_address_map_that_can_match_nothing_is_refused(key: object) -> None:
    with pytest.raises(MisuseError, match="address_map has the key"):
        Dialler(Settings(), {key: ("localhost", 9001)}, None, None)  # type: ignore[dict-item]


@pytest.mark.parametrize("host", ["a..b", "nul\0", "x" * 64])
async def test_a_host_that_cannot_be_is_a_dial_that_failed(host: str) -> None:
    with pytest.raises(DialFailed, match="cannot be a host"):
        await Dialler(Settings(), None, None, None).dial(NodeAddress(host, 1), None)  # type: ignore[arg-type]


async def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("casty_notebook.net.name_lookup.socket.getaddrinfo", fail)
    with pytest.raises(DialFailed, match="the name nowhere does not resolve"):
        await Resolver(5.0).look_up("nowhere")


def test_a_closed_port_ends_the_waiting_and_names_the_doctor() -> None:
    with pytest.raises(NoContactPoint, match=r"cannot be reached; casty_notebook\.doctor\(…\)"):
        connect(f"casty://shop@127.0.0.1:{free_port()}", name="closed", timeout=60)


def test_only_refusals_in_a_row_of_every_contact_point_end_the_waiting() -> None:
    one, two = NodeAddress("10.0.1.10", 1), NodeAddress("10.0.1.11", 1)
    contacts = Contacts([one, two])
    for _ in range(ENOUGH_REFUSED):
        contacts.failed(one, "connection refused", verdict=False)
    assert not contacts.hopeless
    for _ in range(ENOUGH_REFUSED):
        contacts.failed(two, "connection refused", verdict=False)
    assert contacts.hopeless


# --- names ---------------------------------------------------------------------------------------------------------------


def resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str] | float]) -> None:
    """Let names resolve to addresses, or fail after so many seconds."""

    def look_up(host: str, *_args: object, **_named: object) -> list[Any]:
        known = names[host]
        if isinstance(known, float):
            time.sleep(known)
            raise OSError(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in known]

    monkeypatch.setattr("casty_notebook.net.name_lookup.socket.getaddrinfo", look_up)


@pytest.mark.parametrize("mute", [1, 2])
async def test_of_several_addresses_those_that_say_nothing_come_last(mute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = [f"127.0.0.{2 + n}" for n in range(mute)]
    async with FakeNode() as node, AsyncExitStack() as stack:
        for address in silent:
            loop = asyncio.get_running_loop()
            stack.callback((await loop.create_server(asyncio.Protocol, address, node.address.port)).close)
        resolving(monkeypatch, {"shop.example": [*silent, "127.0.0.1"]})
        settings = Settings(handshake_timeout=0.3)
        contact = ("shop.example", node.address.port)
        async with ClusterClient(contact_points=[contact], system_name="demo", settings=settings) as client:
            # One handshake's patience and one pause for each that is mute.
            assert (await client.wait_for_topology(timeout=20)).leader == node.address


async def test_names_that_fail_slowly_keep_no_good_member_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"gone-{n}.example": 1.0 for n in range(60)}
    resolving(monkeypatch, dict(names))
    async with FakeNode() as node, FakeNode() as good:
        node.members = [node, good]
        snapshot = node.snapshot()
        gone = frozenset(Member(NodeAddress(name, 1), MemberStatus.up, frozenset(), name) for name in names)
        monkeypatch.setattr(node, "snapshot", lambda: dataclasses.replace(snapshot, members=snapshot.members | gone))
        async with ClusterClient(contact_points=[node.address], system_name="demo") as client:
            await client.wait_for_topology()
            async with asyncio.timeout(10):  # a second would do; it was never dialled in 20
                while not client.health[good.address].reachable:
                    await asyncio.sleep(0.02)
            async with asyncio.timeout(20):
                while any("does not resolve" not in client.health[member.address].reason for member in gone):
                    await asyncio.sleep(0.05)


async def test_a_look_up_that_waits_for_a_thread_does_not_count_as_one_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"gone-{n}.example": 0.3 for n in range(100)}
    resolving(monkeypatch, dict(names))
    # A hundred at 32 threads take four turns of 0.3 s, twice the patience with each.
    resolver = Resolver(0.6)
    said = await asyncio.gather(*(resolver.look_up(name) for name in names), return_exceptions=True)
    assert [str(each) for each in said if "does not resolve" not in str(each)] == []


# --- what is too long ------------------------------------------------------------------------------------------------------


async def test_a_reply_beyond_the_bound_ends_the_ask_and_is_not_asked_for_again() -> None:
    asked = []

    def answer(node: FakeNode, connection: Connection, _path: str, message: Any) -> bool:
        if not isinstance(message, ShardEnvelope):
            return False
        asked.append(message)
        node.send(message.message.reply_to, b"x" * 200_000)
        return True

    settings = Settings(max_frame=100_000)
    async with FakeNode() as node, ClusterClient(contact_points=[node.address], system_name="demo", settings=settings) as client:
        await client.wait_for_topology()
        node.on_message = answer
        counter = client.entity_ref("counter", 100)
        with pytest.raises(NodeUnreachable, match=r"raise Settings\(max_frame="):
            await client.ask(counter, lambda r: ShardEnvelope("alice", GetCount(r)), retry=True, timeout=20)
        assert len(asked) == 1


async def test_a_connector_that_fails_while_an_end_is_explained_costs_no_contact_point() -> None:
    """The link was waited for without end: neither dialled again nor said to be lost."""
    async with FakeNode() as node:
        node.greeting = b""
        calls = 0

        async def reach(address: NodeAddress, protocol: asyncio.Protocol) -> None:
            nonlocal calls
            calls += 1
            if calls > 1:
                raise ValueError("a fault of the connector's own")
            await asyncio.get_running_loop().create_connection(lambda: protocol, *address)

        contact = node.address.host, node.address.port
        async with ClusterClient(contact_points=[contact], system_name="demo", connector=reach) as client:
            await wait_until_async(lambda: bool(node.connections))
            node.cut_all()
            await wait_until_async(lambda: "a fault of the connector's own" in str(client.contact_attempts))


async def test_where_the_system_has_no_thread_left_a_look_up_fails_and_the_next_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_self: object) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver(5.0)
    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", no_thread)
        for _ in range(40):
            with pytest.raises(DialFailed, match="can't start new thread"):
                await asyncio.wait_for(resolver.look_up("localhost"), 2)
            await asyncio.sleep(0)
    assert await resolver.look_up("localhost")
