"""`ClusterClient` on a real cluster: what goes right, what is refused, and what is left behind (nothing)."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import textwrap
from collections.abc import Callable

import pytest

from casty_notebook import ActorRef, ClusterClient, ShardEnvelope
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import (
    Echo,
    Forward,
    GetCount,
    Increment,
    ProcessPayment,
    Slow,
    Whereabouts,
    WhereAreYou,
)
from casty_notebook.errors import (
    AskTimeout,
    ClientClosed,
    MisuseError,
    NoContactPoint,
    NotEntered,
    ShardCountMismatch,
    SystemNameMismatch,
    UnsendableMessage,
)
from tests.support.ports import free_port
from tests.support.waiting import wait_until_async


def client_of(demo: DemoCluster, **options: object) -> ClusterClient:
    return ClusterClient(
        contact_points=list(demo.contact_points), system_name="demo", messages=[messages], **options  # type: ignore[arg-type]
    )  # fmt: skip


async def test_two_hundred_entities_on_three_nodes_all_answer(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        asks = [client.ask(counter, lambda r, n=n: ShardEnvelope(f"many-{n}", WhereAreYou(r))) for n in range(200)]  # type: ignore[misc]
        replies = await asyncio.gather(*asks)
    assert [reply.actor for reply in replies] == [f"many-{n}" for n in range(200)]
    assert {reply.node for reply in replies} == {"node-1", "node-2", "node-3"}


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": (1, 2)}, b"\x00" * 100_000, 1.5, "é🧺", {1, 2}])
async def test_any_value_comes_back_as_it_is(demo_cluster: DemoCluster, value: object) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        assert await client.ask(counter, lambda r: ShardEnvelope("echo", Echo(value, r))) == value


async def test_a_reply_from_another_node_than_the_one_addressed_arrives(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        replies = [
            await client.ask(counter, lambda r, n=n: ShardEnvelope("relay", Forward(f"account/far-{n}", r)))  # type: ignore[misc]
            for n in range(12)
        ]
    assert {reply.node for reply in replies} == {"node-1", "node-2", "node-3"}


async def test_a_ref_inside_a_reply_can_be_told_and_asked(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        await client.wait_for_topology()
        counter = client.entity_ref("counter", 100)
        payment = next(iter(client.lookup("payment"))).ref
        ref = await client.ask(counter, lambda r: ShardEnvelope("refs", Echo(payment, r)))
        assert isinstance(ref, ActorRef)
        assert ref == payment
        receipt = await client.ask(ref, lambda r: ProcessPayment(5, r))
        assert receipt.amount == 5
        assert (await client.ask(ref.uri, lambda r: ProcessPayment(6, r))).amount == 6


async def test_castys_own_messages_and_refs_are_accepted(demo_cluster: DemoCluster) -> None:
    casty = pytest.importorskip("casty")
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        counter.tell(casty.ShardEnvelope("theirs", Increment(4)))
        assert await client.ask(counter, lambda r: casty.ShardEnvelope("theirs", GetCount(r))) == 4
        assert len(client.lookup(casty.ServiceKey("payment"))) == 2


async def test_order_per_entity_holds_while_its_shard_is_located(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        account = client.entity_ref("account", 100)
        for amount in (1, 10, 100):
            account.tell(ShardEnvelope("ordered", messages.Deposit(amount)))
        balance = await client.ask(account, lambda r: ShardEnvelope("ordered", messages.GetBalance(r)))
    assert balance == messages.Balance("ordered", 111)


async def test_a_cancelled_or_late_ask_leaves_nothing_behind(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        for entity in ("cancelled", "overdue"):  # Where it lives is known then: what is asked leaves at once.
            await client.ask(counter, lambda r, entity=entity: ShardEnvelope(entity, GetCount(r)))  # type: ignore[misc]
        slow = asyncio.create_task(client.ask(counter, lambda r: ShardEnvelope("cancelled", Slow(0.3, r))))
        await client.ask(counter, lambda r: ShardEnvelope("quick", GetCount(r)))
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        with pytest.raises(AskTimeout, match=r"overdue.*no reply came"):
            await client.ask(counter, lambda r: ShardEnvelope("overdue", Slow(1.0, r)), timeout=0.1)
        assert client._pump is not None
        assert not client._pump.futures
        assert client._pump.session.pending_asks == 0
        await wait_until_async(lambda: client.counters["late_replies"] == 2)


# --- misuse gets an error ----------------------------------------------------------------------------------------


async def test_using_a_client_before_entering_or_after_leaving_is_refused(demo_cluster: DemoCluster) -> None:
    client = client_of(demo_cluster)
    with pytest.raises(NotEntered):
        client.lookup("payment")
    with pytest.raises(NotEntered):
        await client.ask("casty://demo@127.0.0.1:1/x", lambda r: r)
    async with client:
        counter = client.entity_ref("counter", 100)
    with pytest.raises(ClientClosed, match="left"):
        counter.tell(ShardEnvelope("a", Increment()))
    with pytest.raises(MisuseError, match="entered before"):
        await client.__aenter__()


async def test_a_ref_is_not_asked_through_a_client_of_another_cluster_that_has_the_same_name(
    demo_cluster: DemoCluster, start_cluster: Callable[..., DemoCluster]
) -> None:
    other = await asyncio.to_thread(start_cluster, 1)
    async with client_of(demo_cluster) as here, client_of(demo_cluster) as same, client_of(other) as there:
        counter, theirs = here.entity_ref("counter", 100), there.entity_ref("counter", 100)
        for client in (here, same, there):
            await client.wait_for_topology()
        with pytest.raises(MisuseError, match="a client of another cluster than"):
            await here.ask(theirs, lambda r: ShardEnvelope("a", GetCount(r)))
        with pytest.raises(MisuseError, match="a client of another cluster than"):
            here.tell(theirs, ShardEnvelope("a", Increment(1)))
        same.entity_ref("counter", 100)
        assert await same.ask(counter, lambda r: ShardEnvelope("kept", GetCount(r))) == 0
    async with client_of(demo_cluster) as anew:
        await anew.wait_for_topology()
        anew.entity_ref("counter", 100)
        assert await anew.ask(counter, lambda r: ShardEnvelope("kept", GetCount(r))) == 0


async def test_entity_refs_are_cached_and_another_number_of_shards_is_an_error(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        assert client.entity_ref("counter", 100) is client.entity_ref("counter", num_shards=100)
        with pytest.raises(ShardCountMismatch, match="num_shards=100 and cannot also have 50"):
            client.entity_ref("counter", 50)
        with pytest.raises(ShardCountMismatch, match="positive"):
            client.entity_ref("account", 0)


@pytest.mark.parametrize("first", ["right", "wrong"])
async def test_a_wrong_number_of_shards_stops_nobody_and_is_said_to_both(
    first: str, start_cluster: Callable[..., DemoCluster], caplog: pytest.LogCaptureFixture
) -> None:
    """One uses 100 shards of a type, one 10,000: whose number is the nodes' own is not on the wire."""
    demo = await asyncio.to_thread(start_cluster, 1)

    async def ask_ten(client: ClusterClient, count: int) -> None:
        ref = client.entity_ref("counter", count)
        for number in range(10):
            assert await client.ask(ref, lambda r, n=number: ShardEnvelope(f"user-{n}", GetCount(r))) == 0  # type: ignore[misc]

    def said(*words: str) -> bool:
        return any(all(word in record.getMessage() for word in words) for record in caplog.records)

    async with client_of(demo) as right, client_of(demo) as wrong:
        clients = [(right, 100), (wrong, 10_000)]
        for client, count in clients if first == "right" else reversed(clients):
            await ask_ten(client, count)
        await wait_until_async(lambda: said("'counter', which was given as 100 shards", "lie beyond"))
        await wait_until_async(lambda: said("'counter' was given as 10000 shards", "the nodes very likely use fewer"))
        await ask_ten(right, 100)
        await ask_ten(wrong, 10_000)
        async with client_of(demo) as newcomer:
            await ask_ten(newcomer, 100)


async def test_another_system_name_is_an_error_that_names_both(demo_cluster: DemoCluster) -> None:
    async with ClusterClient(contact_points=list(demo_cluster.contact_points), system_name="prod") as client:
        with pytest.raises(SystemNameMismatch, match="'demo', not 'prod'"):
            await client.wait_for_topology()
        counter = client.entity_ref("counter", 100)
        with pytest.raises(SystemNameMismatch):
            await client.ask(counter, lambda r: ShardEnvelope("a", GetCount(r)))


@dataclasses.dataclass(frozen=True)
class Unpicklable:
    value: object
    reply_to: object = None


async def test_a_message_that_cannot_be_read_back_is_refused_before_it_leaves(demo_cluster: DemoCluster) -> None:
    homeless = dataclasses.make_dataclass("Homeless", ["x"])
    homeless.__module__ = "__main__"
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        with pytest.raises(UnsendableMessage, match=r"__main__.*dotted name"):
            counter.tell(ShardEnvelope("a", homeless(1)))
        with pytest.raises(UnsendableMessage):
            await client.ask(counter, lambda r: ShardEnvelope("a", Unpicklable(lambda: None, r)))
        await client.wait_for_topology()
        with pytest.raises(UnsendableMessage):
            counter.tell(ShardEnvelope("a", homeless(1)))
        with pytest.raises(MisuseError, match="ShardEnvelope\\('the-id', Increment"):
            counter.tell(Increment(1))  # type: ignore[arg-type]
        assert await client.ask(counter, lambda r: ShardEnvelope("untouched", GetCount(r))) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"contact_points": []},
        {"contact_points": ["10.0.1.10:25520"]},
        {"contact_points": [("10.0.1.10", 99999)]},
        {"contact_points": [("a..b", 1)]},
        {"system_name": "a@b"},
        {"system_name": ""},
        {"address_map": 5},
        {"client_host": "a..b"},
        {"client_port": 70000},
        {"tls": "yes"},
        {"serializer": "yaml"},
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(wrong: dict[str, object]) -> None:
    arguments = {"contact_points": [("127.0.0.1", 1)], "system_name": "demo"} | wrong
    with pytest.raises(MisuseError):
        ClusterClient(**arguments)  # type: ignore[arg-type]


async def test_unreachable_contact_points_are_each_listed_with_what_happened() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    rude = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (silent, rude)]
    refused = free_port()
    points = [("127.0.0.1", port) for port in (*ports, refused)]
    async with silent, rude, ClusterClient(contact_points=points, system_name="demo") as client:
        with pytest.raises(NoContactPoint) as caught:
            await client.wait_for_topology(timeout=3.0)
    text = str(caught.value)
    assert f"127.0.0.1:{refused}: connection refused" in text
    assert "it takes the handshake and says nothing" in text
    assert "closed the connection without answering the handshake" in text
    assert len(caught.value.attempts) == 3


# --- identities ----------------------------------------------------------------------------------------------------


async def test_a_chosen_identity_is_the_one_that_replies_come_to(demo_cluster: DemoCluster) -> None:
    port = free_port()
    async with client_of(demo_cluster, client_host="127.0.0.1", client_port=port) as client:
        counter = client.entity_ref("counter", 100)
        ref = await client.ask(counter, lambda r: ShardEnvelope("identity", Echo(r, r)))
    assert f"@127.0.0.1:{port}/" in ref.uri


async def test_two_clients_in_one_process_never_disturb_each_other(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as one, client_of(demo_cluster) as two:
        refs = [client.entity_ref("counter", 100) for client in (one, two)]
        for _ in range(40):
            replies = await asyncio.gather(
                *(
                    client.ask(ref, lambda r, n=n: ShardEnvelope(f"both-{n}", GetCount(r)))  # type: ignore[misc]
                    for client, ref in zip((one, two), refs, strict=True)
                    for n in range(5)
                )
            )
            assert replies == [0] * 10
        assert one.counters["lost_links"] == two.counters["lost_links"] == 0


SCRIPT = """
    import asyncio, sys
    from casty_notebook import ClusterClient, ShardEnvelope
    from casty_notebook.demo.messages import GetCount

    async def main(port):
        async with ClusterClient(contact_points=[("127.0.0.1", port)], system_name="demo") as client:
            counter = client.entity_ref("counter", 100)
            for number in range(200):
                assert await client.ask(counter, lambda r: ShardEnvelope(f"procs-{number}", GetCount(r))) == 0
            print(client.counters["lost_links"])

    asyncio.run(main(int(sys.argv[1])))
"""


async def test_two_clients_in_two_processes_never_disturb_each_other(demo_cluster: DemoCluster) -> None:
    port = str(demo_cluster.contact_points[0].port)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(SCRIPT), port, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [(await process.communicate())[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [output.strip() for output in outputs] == [b"0", b"0"]


# --- leaving -------------------------------------------------------------------------------------------------------


async def test_after_close_the_nodes_dial_nobody_and_push_to_nobody(start_cluster: Callable[..., DemoCluster]) -> None:
    """A listener stands at the client's own identity: whoever would dial it after the close is counted."""
    demo = start_cluster(nodes=2)
    dials = 0

    def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dials
        dials += 1
        writer.close()

    listener = await asyncio.start_server(count, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        async with client_of(demo, client_host="127.0.0.1", client_port=port) as client:
            await client.wait_for_topology()
            await wait_until_async(lambda: client.counters["snapshots"] > 3)
        # Two nodes gossip twice a second; each push to a subscription that was left behind would dial at once.
        await asyncio.sleep(2.5)
        assert dials == 0
        # The counter-check: a client that only drops its connections is dialled.
        rude = client_of(demo, client_host="127.0.0.1", client_port=port)
        await rude.__aenter__()
        await rude.wait_for_topology()
        assert rude._pump is not None
        for link in list(rude._pump._links.values()):
            link.abort()
        rude._pump._links.clear()
        await wait_until_async(lambda: dials > 0, timeout=5.0)
        await rude.__aexit__()


async def test_leaving_ends_every_task_and_socket(demo_cluster: DemoCluster) -> None:
    import psutil

    me = psutil.Process()
    before = len(me.net_connections())
    tasks = len(asyncio.all_tasks())
    for _ in range(5):
        async with client_of(demo_cluster) as client:
            counter = client.entity_ref("counter", 100)
            await client.ask(counter, lambda r: ShardEnvelope("user-42", GetCount(r)))
    await wait_until_async(
        lambda: len([c for c in me.net_connections() if c.status == "ESTABLISHED"]) <= before
        and len(asyncio.all_tasks()) == tasks
    )


async def test_leaving_while_nothing_answers_is_quick() -> None:
    loop = asyncio.get_running_loop()
    async with ClusterClient(contact_points=[("127.0.0.1", free_port())], system_name="demo"):
        started = loop.time()
    assert loop.time() - started < 1.0


async def test_whereabouts_arrive_as_stand_ins_unless_their_class_is_welcome(demo_cluster: DemoCluster) -> None:
    async with ClusterClient(contact_points=list(demo_cluster.contact_points), system_name="demo") as client:
        counter = client.entity_ref("counter", 100)
        reply = await client.ask(counter, lambda r: ShardEnvelope("strange", WhereAreYou(r)))
    assert not isinstance(reply, Whereabouts)
    assert reply.actor == "strange"
    assert repr(reply).startswith("casty_notebook.demo.messages.Whereabouts(node='node-")


async def test_a_type_is_settled_once_and_its_ref_is_the_same_from_then_on(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", 100)
        assert client.entity_ref("counter", 100) is counter
        assert (client.num_shards("counter"), client.num_shards("cart")) == (100, None)
        for other in (50, 100.0, True):
            with pytest.raises(ShardCountMismatch):
                client.entity_ref("counter", other)  # type: ignore[arg-type]


async def test_a_ref_of_a_type_that_is_not_in_use_here_is_refused_before_anything_is_sent(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as elsewhere, client_of(demo_cluster) as client:
        counter = elsewhere.entity_ref("counter", 100)
        refusal = r"'counter' is not in use; call entity_ref\('counter', num_shards=…\) first"
        with pytest.raises(MisuseError, match=refusal):
            await client.ask(counter, lambda r: ShardEnvelope("a", GetCount(r)))
        with pytest.raises(MisuseError, match=refusal):
            client.tell(counter, ShardEnvelope("a", Increment(1)))
