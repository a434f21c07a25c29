"""A client and real nodes of casty 0.30."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from casty_notebook import OneOf, VirtualClient
from casty_notebook.backends.virtual.codec.values import EntityKey
from casty_notebook.errors import (
    ActorFailed,
    AskFailed,
    AskTimeout,
    ClientClosed,
    MisuseError,
    NoContactPoint,
    NoSuchKey,
    NoSuchType,
    NotEntered,
    UnsendableMessage,
)
from casty_notebook.values.standin import StandIn, stand_in_class
from tests.backends.virtual import messages
from tests.backends.virtual.cluster import RELEASES, VirtualCluster
from tests.backends.virtual.messages import Add, Boom, Colour, EchoZoo, Get, Inner, Nope, Size, Slow, Who, Zoo

COUNTER = "shop.actors:counter"

ZOO = Zoo(
    number=-(2**63), ratio=2.5, text="né", octets=b"\0\xff", maybe=None, row=(1, 2), pair=(3, "c"), names=frozenset({"b", "a"}),
    counts={"b": 1, "a": 2}, moment=datetime(2026, 11, 26, 18, 0, 0, 7, timezone(timedelta(hours=1))), day=date(1969, 12, 31),
    span=timedelta(days=-1, microseconds=3), price=Decimal("1.50"), id=UUID(int=5), colour=Colour.BLUE, one=Inner(1),
    several=(Inner(2), Inner(3)), perhaps=Inner(4),
)  # fmt: skip


def client_of(cluster: VirtualCluster, **options: object) -> VirtualClient:
    return VirtualClient(contact_points=cluster.contacts, cluster_name="shop", **options)  # type: ignore[arg-type]


async def warm(client: VirtualClient, actor: str = COUNTER) -> None:
    """Let the members meet the type, and wait until they say so."""
    if actor not in (await client.wait_for_members()).types:
        await client.ask(f"{actor}/warm", Get, force=True)
        async with asyncio.timeout(10):
            async for members in client.changes():
                if actor in members.types:
                    break


async def test_the_members_are_counted_and_gone_through(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        members = await client.wait_for_members()
        assert len(members) == len(shop.contacts)
        assert [member.address for member in members] == [member.address for member in members.members]
        assert re.fullmatch(r"<Members: 3, \d+ types>", repr(members))


# --- asking ------------------------------------------------------------------------------------------------------------


async def test_members_come_and_keys_are_asked_on_their_owners(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        members = await client.wait_for_members()
        assert [member.address for member in members.members] == sorted(shop.contacts)
        await warm(client)
        before = await asyncio.gather(*(client.ask(f"counter/one-{n}", Get) for n in range(40)))
        after = await asyncio.gather(*(client.ask(f"counter/one-{n}", Add(n)) for n in range(40)))
        assert [b - a for a, b in zip(before, after, strict=True)] == list(range(40))
        # Nothing came back: each went straight to its owner, on all three nodes.
        assert client.counters["returned"] == 0
        assert {client.place(f"counter/one-{n}").owner for n in range(40)} == set(shop.contacts)


async def test_a_wrong_name_is_corrected_and_said_once(shop: VirtualCluster, caplog: pytest.LogCaptureFixture) -> None:
    async with VirtualClient(contact_points=shop.contacts, cluster_name="wrong") as client:
        await client.wait_for_members()
        assert client.cluster_name == "shop"
    assert [record.message for record in caplog.records if "is called 'shop'" in record.message and "'wrong'" in record.message]
    assert sum("is called" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("release", RELEASES)
async def test_every_release_is_observed_placed_and_asked(release: str) -> None:
    with VirtualCluster(2, release) as cluster:
        async with client_of(cluster, messages=[messages]) as client:
            await client.wait_for_members()
            assert await client.ask(f"{COUNTER}/a", Add(3), force=True) == 3
            assert await client.ask("shop.actors:zoo/z", EchoZoo(ZOO), force=True) == ZOO
            assert client.counters["returned"] == 0


async def test_every_kind_of_value_arrives_and_comes_back(shop: VirtualCluster) -> None:
    async with client_of(shop, messages=[messages]) as client:
        assert await client.ask("shop.actors:zoo/values", EchoZoo(ZOO), force=True) == ZOO


async def test_replies_without_their_classes_are_stand_ins(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        reply = await client.ask("shop.actors:zoo/standin", EchoZoo(ZOO), force=True)
        assert type(reply) is StandIn
        assert repr(reply).startswith("Zoo(number=-9223372036854775808, ratio=2.5")
        assert (reply.row, reply.colour, reply.one, repr(reply.perhaps)) == ((1, 2), "BLUE", {"x": 1}, "Inner(x=4)")


async def test_messages_are_sent_without_their_classes(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        add = stand_in_class("shop.actors.Add")
        assert await client.ask("counter/by-name", add(amount=4)) == await client.ask("counter/by-name", Get)
        assert await client.ask("counter/by-name", "anything.Add(amount=0)") >= 4
        with pytest.raises(UnsendableMessage, match="name the fields"):
            await client.ask("counter/by-name", add(4))
        zoo = {name: getattr(ZOO, name) for name in ZOO.__dataclass_fields__} | {
            "one": stand_in_class("shop.Inner")(x=1), "several": (), "perhaps": OneOf(stand_in_class("shop.Inner")(x=9)),
        }  # fmt: skip
        echo = stand_in_class("shop.EchoZoo")(zoo=stand_in_class("shop.Zoo")(**zoo))
        assert (await client.ask("shop.actors:zoo/by-name", echo, force=True)).perhaps.x == 9


async def test_what_cannot_be_a_target_is_refused_and_leaves_nothing(shop: VirtualCluster) -> None:
    client = client_of(shop)
    half = "\ud800"
    odd_targets: list[Any] = [f"{COUNTER}/{half}", EntityKey(COUNTER, half), ["counter/a"], {}, None]
    odd_targets.append(EntityKey(COUNTER, 5))  # type: ignore[arg-type]
    async with client:
        await warm(client)
        for odd in odd_targets:
            with pytest.raises(MisuseError):
                await client.ask(odd, Get)
            with pytest.raises(MisuseError):
                client.tell(odd, Add(1))
            with pytest.raises(MisuseError):
                client.place(odd)
        assert isinstance(await client.ask("counter/after", Get), int)
    assert client.counters["dropped"] == 0


async def test_a_mended_message_goes_after_one_that_did_not_fit(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        with pytest.raises(ActorFailed, match=r"expected int, got str.* its like to .* is refused"):
            await client.ask("counter/mended", "shop.actors.Add(amount='3')")
        with pytest.raises(MisuseError, match="Mend the message"):
            await client.ask("counter/mended", "shop.actors.Add(amount='4')")
        assert await client.ask("counter/mended", "shop.actors.Add(amount=3)") == 3


async def test_one_of_several_classes_is_written_in_a_text(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        zoo = {name: getattr(ZOO, name) for name in ZOO.__dataclass_fields__} | {"one": Inner(1), "several": ()}
        inner, made = stand_in_class("shop.Inner")(x=9), stand_in_class("shop.Zoo")
        plain = stand_in_class("shop.EchoZoo")(zoo=made(**zoo | {"perhaps": inner}))
        with pytest.raises(ActorFailed, match=r"casty_notebook\.OneOf\(…\) around the value"):
            await client.ask("shop.actors:zoo/one-of", plain, force=True)
        mended = stand_in_class("shop.EchoZoo")(zoo=made(**zoo | {"perhaps": stand_in_class("casty_notebook.OneOf")(inner)}))
        assert (await client.ask("shop.actors:zoo/one-of", mended, force=True)).perhaps.x == 9


async def test_an_answer_beyond_the_limit_is_named(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        with pytest.raises(AskFailed, match="its answer is larger than the cluster's limit"):
            await client.ask("shop.actors:zoo/large", Size(5_000_000), force=True)


async def test_messages_of_three_megabytes_travel_both_ways(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        asks = [client.ask(f"shop.actors:zoo/big-{n}", Size(3_000_000, bytes(3_000_000)), force=True) for n in range(4)]
        assert [len(reply) for reply in await asyncio.gather(*asks)] == [3_000_000] * 4
        with pytest.raises(Exception, match="limit for one message is 4,194,304"):
            await client.ask("shop.actors:zoo/big", Size(0, bytes(5_000_000)), force=True)
        assert await client.ask("shop.actors:zoo/big", Size(3), force=True) == bytes(3)


async def test_a_pinned_type_is_asked_on_the_node_that_is_named(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        for host, port in shop.contacts:
            said = await client.ask(f"shop.actors:pinned@{host}:{port}/x", Who, force=True)
            assert said == f"@{host}:{port}/x"
        assert client.counters["returned"] == 0


async def test_a_tell_arrives_before_the_ask_that_follows_it(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        before = await client.ask("counter/told", Get)
        for _ in range(20):
            client.tell("counter/told", Add(1))
        assert await client.ask("counter/told", Get) == before + 20


# --- no harm -----------------------------------------------------------------------------------------------------------


async def test_a_type_that_no_member_knows_is_asked_only_if_the_user_insists(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        with pytest.raises(NoSuchType, match=r"Did you mean shop\.actors:counter"):
            await client.ask("countr/a", Get)
        with pytest.raises(NoSuchType, match=r"force=True: the nodes then import"):
            await client.ask("elsewhere.module:thing/a", Get)
        with pytest.raises(NoSuchType, match="does not have that actor type"):
            await client.ask("shop.actors:nothing/a", Get, force=True)
        with pytest.raises(MisuseError, match="names no key"):
            await client.ask("counter", Get)


async def test_a_message_that_does_not_fit_is_sent_once(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        with pytest.raises(ActorFailed, match="does not fit the actor, which was restarted by it") as failed:
            await client.ask("counter/misfit", Nope)
        assert (failed.value.error, failed.value.report.may_have_run) == ("SchemaError", True)
        with pytest.raises(MisuseError, match="unknown alternative Nope"):
            await client.ask("counter/another", Nope)
        with pytest.raises(MisuseError, match="force=True"):
            client.tell("counter/another", Nope())
        with pytest.raises(ActorFailed):
            await client.ask("counter/misfit", Nope, force=True)


async def test_what_the_node_says_has_a_name(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        with pytest.raises(ActorFailed, match="raised RuntimeError: boom") as failed:
            await client.ask("counter/boom", Boom)
        assert failed.value.message == "boom"
        with pytest.raises(NoSuchKey, match="the key does not exist"):
            await client.ask("shop.actors:strict/ghost", Get, force=True)


async def test_a_node_is_told_when_nobody_waits_any_more(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        # Without the word the key would be busy for a minute.
        with pytest.raises(AskTimeout, match="reachable, but no answer came"):
            await client.ask("counter/slow", Slow(60.0), timeout=0.3)
        assert await client.ask("counter/slow", Get, timeout=10) == 0
        asked = asyncio.ensure_future(client.ask("counter/slow", Slow(60.0)))
        await asyncio.sleep(0)
        asked.cancel()
        assert await client.ask("counter/slow", Get, timeout=10) == 0


async def test_at_most_a_hundred_asks_are_on_their_way(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        # 1,500 new keys at once: sent all together the nodes refuse a fifth of them (VIRTUAL section 5.4).
        replies = await asyncio.gather(*(client.ask(f"counter/many-{n}", Get, timeout=60) for n in range(1500)))
        assert replies == [0] * 1500


# --- leaving, and misuse -----------------------------------------------------------------------------------------------


async def test_a_client_is_entered_once_and_left_for_good(shop: VirtualCluster) -> None:
    client = client_of(shop)
    with pytest.raises(NotEntered):
        await client.ask("counter/a", Get)
    async with client:
        await warm(client)
        waiting = asyncio.ensure_future(client.ask("counter/leaving", Slow(60.0)))
        await asyncio.sleep(0)
    with pytest.raises(ClientClosed):
        await waiting
    with pytest.raises(ClientClosed):
        client.tell("counter/a", Get())
    with pytest.raises(MisuseError, match="entered before"):
        await client.__aenter__()


async def test_what_cannot_be_written_is_refused_before_it_is_sent(shop: VirtualCluster) -> None:
    async with client_of(shop) as client:
        await warm(client)
        for wrong in (Add(2**70), Add(datetime(2026, 1, 1)), Add(object()), Add("\ud800")):  # type: ignore[arg-type]
            with pytest.raises(UnsendableMessage):
                await client.ask("counter/a", wrong)
        with pytest.raises(UnsendableMessage):
            await client.ask("counter/a", 42)
        assert datetime.now(UTC)


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), -1, 0, "5", True])
async def test_a_time_that_cannot_be_waited_for_is_refused_before_anything_is_sent(shop: VirtualCluster, timeout: object) -> None:
    async with client_of(shop) as client:
        await client.wait_for_members()
        with pytest.raises(MisuseError):
            await client.ask("shop.actors:counter/a", Get, timeout=timeout, force=True)  # type: ignore[arg-type]
        with pytest.raises(MisuseError):
            await client.wait_for_members(timeout)  # type: ignore[arg-type]


# --- contacts that fail ------------------------------------------------------------------------------------------------


async def test_contacts_that_refuse_are_named_within_two_seconds(free_tcp_port: int) -> None:
    async with VirtualClient(contact_points=[("127.0.0.1", free_tcp_port)]) as client:
        started = monotonic()
        with pytest.raises(NoContactPoint, match="connection refused"):
            await client.wait_for_members()
        # Two dials with a pause of at most 0.1 s between them; the rest is a busy machine.
        assert monotonic() - started < 2


async def test_a_contact_that_says_nothing_is_named(free_tcp_port: int) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", free_tcp_port)
    async with server, VirtualClient(contact_points=[("127.0.0.1", free_tcp_port)]) as client:
        started = monotonic()
        with pytest.raises(NoContactPoint, match="said nothing"):
            await client.wait_for_members()
        # Told after one silence of 1.5 s; a second one would take as long again.
        assert monotonic() - started < 3


async def test_a_contact_that_is_another_server_is_named() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, VirtualClient(contact_points=[("127.0.0.1", port)]) as client:
        with pytest.raises(NoContactPoint, match="no casty at all"):
            await client.wait_for_members()


async def test_a_good_contact_beside_bad_ones_is_enough(shop: VirtualCluster, free_tcp_port: int) -> None:
    contacts = [("127.0.0.1", free_tcp_port), ("does-not-exist.invalid", 1), shop.contacts[0]]
    async with VirtualClient(contact_points=contacts, cluster_name="shop") as client:
        assert len((await client.wait_for_members()).members) == 3
