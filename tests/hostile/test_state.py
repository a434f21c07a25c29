"""What a node tells grows nothing without end, and nobody else waits for it meanwhile."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from casty_notebook import ClusterClient, ShardEnvelope
from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.identity import Names
from casty_notebook.backends.sharded.session.messages import ShardLocation
from casty_notebook.demo import messages
from casty_notebook.demo.messages import GetCount
from casty_notebook.topology.history import MAX_BYTES, MAX_EVENT_BYTES, History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
from casty_notebook.values.refs import ActorRef
from tests.hostile.test_stall import STALL
from tests.support.fake_node import Connection, FakeNode


def client_of(node: FakeNode) -> ClusterClient:
    return ClusterClient(contact_points=[node.address], system_name="demo", messages=[messages])


def ask(client: ClusterClient, entity: str = "alice", timeout: float = 30.0) -> Any:
    return client.ask(client.entity_ref("counter", 100), lambda r: ShardEnvelope(entity, GetCount(r)), timeout=timeout)


def stranger(number: int) -> NodeAddress:
    return NodeAddress(f"10.0.{number >> 8 & 255}.{number & 255}", 1)


def ref(node: FakeNode, path: str) -> ActorRef:
    """Of the client that follows the node, as any path of it could be guessed from its subscription."""
    subscriber = ActorAddress.parse(next(iter(node.subscribers)))
    return ActorRef(ActorAddress(subscriber.system, path, subscriber.node))


def flood_of_locations(node: FakeNode) -> None:
    to = ref(node, "/_proxy-counter")
    for number in range(5_000):
        node.send(to, ShardLocation(number % 100, stranger(number)))


def flood_of_members(node: FakeNode) -> None:
    for turn in range(3):
        members = frozenset(Member(stranger(n), MemberStatus.up, frozenset(), f"node-{turn}-{n}") for n in range(6_000))
        node.send(ref(node, "/_topology_sub"), TopologySnapshot(members, node.address, {}, turn))


def flood_of_names(node: FakeNode) -> None:
    for turn in range(3):
        member = Member(node.address, MemberStatus.up, frozenset(), str(turn) * 4_000_000)
        node.send(ref(node, "/_topology_sub"), TopologySnapshot(frozenset({member}), node.address, {}, turn))


FLOODS = {"locations": flood_of_locations, "members": flood_of_members, "names": flood_of_names}


@pytest.mark.parametrize("flood", FLOODS)
async def test_an_honest_cluster_is_answered_while_another_floods_us(flood: str) -> None:
    async with FakeNode() as hostile, FakeNode() as honest, client_of(hostile) as victim, client_of(honest) as other:
        await ask(victim)
        await ask(other)
        assert victim._pump is not None
        session = victim._pump.session
        known, snapshot = len(session.peers._by_address), session.snapshot
        FLOODS[flood](hostile)
        for _ in range(10):
            async with asyncio.timeout(STALL):
                assert await ask(other) == "GetCount"
            await asyncio.sleep(0.01)
        # Behind the flood on the same connection: all of it has been read then.
        assert await ask(victim) == "GetCount"
        assert len(session.peers._by_address) == known
        assert session.snapshot is not None
        assert session.snapshot.members == snapshot.members  # type: ignore[union-attr]


async def test_a_node_that_was_asked_once_cannot_answer_for_others() -> None:
    """It knows the path of its own ask; that of the next one has nothing in common with it."""
    paths: list[str] = []

    def remember(_node: FakeNode, _connection: Connection, _path: str, message: Any) -> bool:
        if isinstance(message, ShardEnvelope):
            paths.append(message.message.reply_to.address.path)
        return False

    async with FakeNode() as node, client_of(node) as client:
        node.on_message = remember
        for _ in range(3):
            await ask(client)
    names = [path.removeprefix("/_ask/") for path in paths]
    assert all(len(name) == 32 for name in names)
    assert all(sum(a == b for a, b in zip(one, two, strict=True)) < 16 for one, two in pairwise(names))


def test_names_are_all_different() -> None:
    names = Names()
    drawn = [names() for _ in range(10_000)]
    assert len(set(drawn)) == 10_000
    assert {len(name) for name in drawn} == {32}


def members(turn: int) -> frozenset[Member]:
    return frozenset(Member(stranger(n), MemberStatus.up, frozenset({f"role-{turn}"}), f"{turn}-{n}") for n in range(100))


def host(turn: int, number: int) -> NodeAddress:
    return NodeAddress(f"{turn}-{number}." + "x" * 60 + ".example", 1)


def placement(turn: int, number: int) -> ShardAllocation:
    return ShardAllocation(host(turn, number), (host(turn, -number), host(turn, number + 1000)))


CHANGING: dict[str, Callable[[int], TopologySnapshot]] = {
    "members": lambda turn: TopologySnapshot(members(turn), stranger(0), {}, turn),
    "owners and copies": lambda turn: TopologySnapshot(
        frozenset(), None, {"cart": {n: placement(turn, n) for n in range(100)}}, turn
    ),
    "types": lambda turn: TopologySnapshot(
        frozenset(), None, {f"type-{turn}-{n}-" + "x" * 500: {} for n in range(100)}, turn
    ),
    "services": lambda turn: TopologySnapshot(
        frozenset(), None, {}, turn, registry=frozenset(ServiceEntry(f"{turn}-{n}", stranger(n), f"/{n}") for n in range(100))
    ),
    "unreachable": lambda turn: TopologySnapshot(
        frozenset(), None, {}, turn, unreachable=frozenset(host(turn, n) for n in range(100))
    ),
}
"""Snapshots in which all of one part is another each time."""


@pytest.mark.parametrize("part", CHANGING)
def test_what_a_history_counts_is_what_it_takes_whatever_changes(part: str) -> None:
    """An hour of changes, one a minute, of which a history with small bounds has forgotten nearly all in the end."""
    bound = 2**19
    began = datetime(2026, 1, 1, tzinfo=UTC)
    tracemalloc.start()
    try:
        history, before = History(max_bytes=bound, max_event_bytes=bound // 4), tracemalloc.get_traced_memory()[0]
        for turn in range(60):
            history.note(Moment(began + timedelta(minutes=turn), CHANGING[part](turn), {}))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert history.forgotten > 0
    # What is counted is an estimate, and shards that had an owner once are remembered beside it (`OwnedOnce`, with bounds of
    # its own); more than half as much again would be a part that was forgotten in it.
    assert taken <= 1.5 * (bound + bound // 4)


def test_a_history_counts_the_texts_that_it_keeps() -> None:
    """Names as long as any is believed, all different each time: what is counted is what is held, and it is bounded."""
    history = History()
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for turn in range(40):
        roles = frozenset({f"role-{turn}" * 20})
        members = [Member(stranger(n), MemberStatus.up, roles, f"{turn}-{n}-" + "x" * 980) for n in range(1_000)]
        history.note(Moment(began + timedelta(seconds=turn), TopologySnapshot(frozenset(members), None, {}, turn), {}))
    # At least the names themselves, of every moment that is still there.
    assert history.size >= len(history.moments) * 1_000 * 980
    assert history.size <= MAX_BYTES + 2_000_000
    assert history.forgotten > 0
    assert sum(len(event.subject) + len(event.before) + len(event.after) for event in history.events) <= MAX_EVENT_BYTES
