"""What a node tells unasked costs neither memory nor work; counted, not timed."""

from __future__ import annotations

from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.cluster.bounds import MAX_NAME, excess
from casty_notebook.cluster.events import Received, Report
from casty_notebook.cluster.messages import Member, MemberStatus, ServiceEntry, ShardAllocation, ShardLocation, TopologySnapshot
from casty_notebook.cluster.peers import Peers
from casty_notebook.settings import Settings
from tests.cluster.world import SYSTEM, World, node


def followed(world: World) -> int:
    """The link whose node's snapshots are followed."""
    world.run(1.0)
    following = world.session.subscription._following
    assert following is not None
    return following.link.id


def stranger(number: int) -> NodeAddress:
    return NodeAddress(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)


def snapshot_of(*members: Member, **parts: Any) -> TopologySnapshot:
    return TopologySnapshot(frozenset(members), node(1), parts.pop("shards", {}), 1, **parts)


def member(address: NodeAddress, name: str = "node", roles: frozenset[str] = frozenset()) -> Member:
    return Member(address, MemberStatus.up, roles, name)


def test_locations_that_nobody_asked_for_are_forgotten_at_once() -> None:
    world = World()
    link = followed(world)
    world.session.register("counter", 100)
    before = set(world.session.peers._by_address)
    for shard in range(20_000):
        location = ShardLocation(shard % 100, stranger(shard))
        assert world.session.handle(Received(link, "/_proxy-counter", SYSTEM, "x", location), world.now) == []
    assert set(world.session.peers._by_address) == before


def test_a_location_is_taken_once_of_a_shard_that_was_asked_for() -> None:
    world = World()
    world.run(1.0)
    world.session.register("counter", 100)
    world.ask("counter/alice")
    world.run(1.0)
    assert len(world.replies) == 1
    known = len(world.session.peers._by_address)
    link = followed(world)
    for number in range(1000):
        world.session.handle(Received(link, "/_proxy-counter", SYSTEM, "x", ShardLocation(70, stranger(number))), world.now)
    assert len(world.session.peers._by_address) == known


def test_what_changes_nothing_makes_nobody_look_at_every_node(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    link = followed(world)
    world.session.register("counter", 100)
    looks = []
    walk = Peers.silent_links
    monkeypatch.setattr(Peers, "silent_links", lambda peers, now: looks.append(now) or walk(peers, now))
    for shard in range(5_000):
        world.session.handle(Received(link, "/_proxy-counter", SYSTEM, "x", ShardLocation(shard, stranger(shard))), world.now)
        world.session.handle(Received(link, "/_ping/99", SYSTEM, "x", None), world.now)
    # The first may find something due; ten thousand messages at one moment find nothing more.
    assert len(looks) <= 3


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        (snapshot_of(*(member(stranger(n)) for n in range(5_001))), "5,001 members; at most 5,000"),
        (snapshot_of(unreachable=frozenset(map(stranger, range(5_001)))), "5,001 members"),
        (snapshot_of(registry=frozenset(ServiceEntry("pay", node(1), f"/{n}") for n in range(500_001))), "service instances"),
        (snapshot_of(shards={str(n): {} for n in range(10_001)}), "sharded types"),
        (snapshot_of(shards={"x" * (MAX_NAME + 1): {}}), "a name of 1,001 characters"),
        (snapshot_of(member(node(1), "x" * 4_000_000)), "a name of 4,000,000 characters"),
        (snapshot_of(member(node(1), roles=frozenset({"r" * 2000}))), "a name of 2,000 characters"),
        (snapshot_of(member(node(1), roles=frozenset(map(str, range(101))))), "more than 100 roles"),
        (snapshot_of(registry=frozenset({ServiceEntry("k" * 2000, node(1), "/p")})), "a name of 2,000 characters"),
        (snapshot_of(registry=frozenset({ServiceEntry("k", node(1), "/" * 2000)})), "a name of 2,000 characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_snapshot_of_no_cluster_there_is_gets_refused_by_name(snapshot: TopologySnapshot, said: str) -> None:
    assert said in str(excess(snapshot, Settings()))
    world = World()
    link = followed(world)
    before = world.session.snapshot
    effects = world.session.handle(Received(link, "/_topology_sub", SYSTEM, "x", snapshot, ("pickle", None)), world.now)
    assert any(isinstance(effect, Report) and said in effect.text for effect in effects)
    assert world.session.snapshot is before


def test_the_largest_cluster_that_is_believed_is_believed() -> None:
    members = [member(stranger(n), "n" * MAX_NAME) for n in range(5_000)]
    assert excess(snapshot_of(*members, shards={"s": {0: ShardAllocation(node(1))}}), Settings()) is None
