"""A long payload keeps nobody waiting: it is read beside the loop, in its link's order, while everything else goes on."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.backends.sharded.wire import encode_envelope
from casty_notebook.demo import messages
from casty_notebook.demo.messages import GetCount
from tests.hostile.__main__ import Meter
from tests.hostile.work import GENERATORS
from tests.support.fake_node import Connection, FakeNode

STALL = 5.0
"""Seconds. On a quiet machine a tenth of one; such payloads of 2 MB stood the loop for minutes."""
BUSY = 0.5
"""Seconds of processor time that the loop may spend in one go; by count a tenth of one, and twice that for the fake node."""
LONG = pickle.dumps([{"number": n} for n in range(60_000)], 5)


def client_of(node: FakeNode) -> ClusterClient:
    return ClusterClient(contact_points=[node.address], system_name="demo", messages=[messages])


def ask(client: ClusterClient, entity: str = "alice") -> Any:
    return client.ask(client.entity_ref("counter", 100), lambda r: ShardEnvelope(entity, GetCount(r)), timeout=30.0)


class Answers:
    """Answers what is asked of an entity with a payload; whoever has none is answered as always."""

    def __init__(self, **payloads: bytes) -> None:
        self.payloads = payloads
        self.close = False

    def __call__(self, node: FakeNode, connection: Connection, _path: str, message: Any) -> bool:
        payload = self.payloads.get(message.entity_id) if isinstance(message, ShardEnvelope) else None
        if payload is None:
            return False
        uri = message.message.reply_to.uri
        connection.write(encode_envelope(uri, f"casty://demo@{node.address}/", "a.B", payload))
        if self.close:
            assert connection.transport is not None
            connection.transport.close()
        return True


async def test_what_comes_behind_a_long_reply_waits_for_it() -> None:
    async with FakeNode() as node, client_of(node) as client:
        for entity in ("long", "a", "b"):  # where they live is known then, so that all leave at once
            await ask(client, entity)
        node.on_message = Answers(long=LONG)
        done: list[str] = []

        async def asked(entity: str) -> None:
            await ask(client, entity)
            done.append(entity)

        async with asyncio.TaskGroup() as group:
            for entity in ("long", "a", "b", "long"):
                group.create_task(asked(entity))
        assert done == ["long", "a", "b", "long"]


async def test_a_long_reply_is_given_though_its_node_ends_the_connection_at_once() -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        node.on_message = answers = Answers(long=LONG)
        answers.close = True
        assert len(await ask(client, "long")) == 60_000
        node.on_message = None
        assert await ask(client) == "GetCount"


async def test_a_client_closes_while_a_long_reply_is_read() -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        node.on_message = Answers(long=GENERATORS["pickle: stand-ins"][2](4 << 20))
        asked = asyncio.ensure_future(ask(client, "long"))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5.0):
            await client.__aexit__(None, None, None)
        await asyncio.wait([asked])
        assert asked.exception() is not None


async def test_many_short_payloads_in_one_go_let_the_others_have_their_turn() -> None:
    payload = GENERATORS["decimal.Decimal"][2](30_000)
    async with FakeNode() as hostile, FakeNode() as honest, client_of(hostile) as victim, client_of(honest) as other:
        await ask(victim)
        await ask(other)
        hostile.on_message = Answers(alice=payload)
        meter = Meter()
        attacked = [asyncio.ensure_future(ask(victim)) for _ in range(40)]
        async with asyncio.timeout(2 * STALL):
            assert await ask(other) == "GetCount"
        await asyncio.wait(attacked)
        meter.stop()
        assert meter.busiest < BUSY


async def test_a_snapshot_of_a_large_cluster_is_read_beside_the_loop_and_the_newest_one_counts() -> None:
    from casty_notebook.topology.snapshot import ShardAllocation

    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        for size in (30_000, 20_000, 40_000):
            node.allocations = {"counter": {shard: ShardAllocation(node.address, ()) for shard in range(size)}}
            node.push()
        async with asyncio.timeout(20.0):
            async for snapshot in client.snapshots():
                if len(snapshot.shard_allocations.get("counter", ())) == 40_000:
                    break
