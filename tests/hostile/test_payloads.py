"""Hostile payloads as reply, topology and location of a shard: nothing is executed, somebody is told, the client goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.backends.sharded.session.messages import GetShardLocation
from casty_notebook.backends.sharded.wire import encode_envelope
from casty_notebook.demo import messages
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import UndecodableMessage
from casty_notebook.values.refs import ActorRef
from tests.hostile.attacks import INERT, REFUSED
from tests.hostile.memory import ALLOWED
from tests.support.fake_node import Connection, FakeNode
from tests.support.waiting import wait_until_async

EVERY = {**INERT, **REFUSED}


def client_of(node: FakeNode) -> ClusterClient:
    return ClusterClient(contact_points=[node.address], system_name="demo", messages=[messages])


def ask(client: ClusterClient) -> Any:
    """How soon is not asked here (`test_work` counts that): a machine that is busy with others takes seconds for a bomb."""
    counter = client.entity_ref("counter", 100)
    return client.ask(counter, lambda r: ShardEnvelope("alice", GetCount(r)), timeout=30.0)


def frame(node: FakeNode, ref: ActorRef, payload: bytes, hint: str = "a.B") -> bytes:
    return encode_envelope(ref.uri, f"casty://{node.system}@{node.address}/", hint, payload)


class Once:
    """A reaction: answers the first question of a kind with a payload, leaves the rest to the node's manners."""

    def __init__(self, kind: type, payload: bytes) -> None:
        self._kind = kind
        self._payload: bytes | None = payload

    def __call__(self, node: FakeNode, connection: Connection, _path: str, message: Any) -> bool:
        if self._payload is None or not isinstance(message, self._kind):
            return False
        question: Any = getattr(message, "message", message)
        ref = question.reply_to
        connection.write(frame(node, ref, self._payload))
        self._payload = None
        return self._kind is ShardEnvelope  # a location is given all the same, after the hostile one


@pytest.mark.parametrize("attack", REFUSED)
async def test_a_hostile_reply_is_refused_and_its_asker_told_what_came_from_whom(attack: str, canary: Path) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        node.on_message = Once(ShardEnvelope, REFUSED[attack](canary))
        with pytest.raises(UndecodableMessage) as caught:
            await ask(client)
        assert str(node.address) in str(caught.value)
        assert len(str(caught.value)) < 1000
        assert await ask(client) == "GetCount"
        assert node.accepted <= 2


@pytest.mark.parametrize("attack", INERT)
async def test_a_reply_that_only_names_things_is_inert(attack: str, canary: Path) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        node.on_message = Once(ShardEnvelope, INERT[attack](canary))
        reply = await ask(client)
        assert type(reply).__module__.startswith(("casty_notebook", "builtins"))
        repr(reply)
        assert await ask(client) == "GetCount"


@pytest.mark.parametrize("attack", EVERY)
async def test_a_hostile_topology_is_refused_and_reported_and_the_old_one_stays(
    attack: str, canary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        known = client.topology
        with caplog.at_level(logging.WARNING, "casty_notebook"):
            for uri in node.subscribers:
                ref = node._ref(uri)
                connection = node.connection_of(ref)
                assert connection is not None
                connection.write(frame(node, ref, EVERY[attack](canary), "casty.cluster.topology.TopologySnapshot"))
            await wait_until_async(lambda: str(node.address) in caplog.text)
        assert client.topology is known
        assert await ask(client) == "GetCount"
        node.allocations = {"another": {}}
        node.push()
        await wait_until_async(lambda: client.topology is not known)


@pytest.mark.parametrize("attack", EVERY)
async def test_a_hostile_location_of_a_shard_is_refused_and_the_honest_one_taken(
    attack: str, canary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await client.wait_for_topology()
        node.on_message = Once(GetShardLocation, EVERY[attack](canary))
        with caplog.at_level(logging.WARNING, "casty_notebook"):
            assert await ask(client) == "GetCount"
        assert str(node.address) in caplog.text


@pytest.mark.parametrize("attack", ["os.system", "a host that is a bomb", "no pickle", "deep recursion", "None"])
async def test_a_first_topology_that_is_hostile_does_not_keep_the_honest_one_away(attack: str, canary: Path) -> None:
    async with FakeNode() as node:
        node.snapshot, honest = (lambda: None), node.snapshot  # type: ignore[assignment,return-value]
        hostile = EVERY[attack](canary)

        def subscribe(node: FakeNode, connection: Connection, _path: str, message: Any) -> bool:
            if type(message).__name__ != "SubscribeTopology":
                return False
            node.snapshot = honest  # type: ignore[method-assign]
            connection.write(frame(node, message.reply_to, hostile))
            return False

        node.on_message = subscribe
        async with client_of(node) as client:
            assert await ask(client) == "GetCount"


# --- memory --------------------------------------------------------------------------------------------------------


def resettable_peak() -> Callable[[], int] | None:
    """Start to measure; returns how to see the peak since, where the system can tell."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        clear.write_text("5")
    except OSError:
        return None
    before = psutil.Process().memory_info().rss

    def growth() -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 - before

    return growth


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x05](" + b"\x8f" * 8_000_000 + b"e.", b"\x80\x05](" + b"M\x39\x30" * 4_000_000 + b"e.",
        b"\x80\x05N" + b"\x94" * 9_000_000 + b".",
    ],
    ids=["empty sets", "numbers", "memo"],
)  # fmt: skip
async def test_memory_stays_flat_through_the_whole_client(payload: bytes) -> None:
    async with FakeNode() as node, client_of(node) as client:
        await ask(client)
        growth = resettable_peak()
        if growth is None:
            pytest.skip("the peak of a running process is only known on Linux")
        for _ in range(3):
            node.on_message = Once(ShardEnvelope, payload)
            with pytest.raises(UndecodableMessage, match=r"Settings\.max_"):
                await ask(client)
        # The fake node and its socket are in this process, too.
        assert growth() < ALLOWED + 3 * len(payload)
        assert await ask(client) == "GetCount"
