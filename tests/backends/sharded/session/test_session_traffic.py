"""What became of the asks, by node: whoever answered is counted, and nobody else costs anything."""

from __future__ import annotations

from casty_notebook.topology.snapshot import MemberStatus
from casty_notebook.topology.traffic import BUCKET
from tests.backends.sharded.session.world import World, node


def answered_by_the_second() -> World:
    world = World(shards={"counter": dict.fromkeys(range(100), node(2))})
    world.register("counter", 100)
    world.run(0.1)
    world.ask("counter/user-42")
    world.run(0.01)
    assert world.replies
    return world


def counted(world: World) -> list[tuple[object, str, str | None, int]]:
    rows = world.session.traffic_history(world.now).rows()
    return [(row.node, row.kind, row.cause, row.count) for row in rows]


def test_an_answer_is_counted_for_its_node_once_before_and_after_its_bucket_is_closed() -> None:
    world = answered_by_the_second()
    once = [(node(2), "counter", None, 1)]
    assert counted(world) == once
    world.run(3 * BUCKET)
    assert counted(world) == once


def test_an_answer_counts_also_where_its_node_is_no_member_any_more_when_the_bucket_is_closed() -> None:
    world = answered_by_the_second()
    world.kill(node(2))
    del world.members[node(2)]
    world.push()
    world.run(3 * BUCKET)
    assert world.session.peers.get(node(2)) is None
    assert counted(world) == [(node(2), "counter", None, 1)]


def test_only_nodes_with_a_link_are_looked_at_when_a_bucket_is_closed() -> None:
    world = answered_by_the_second()
    world.members |= {node(number): MemberStatus.up for number in range(100, 150)}
    world.push()
    world.kill(node(2))
    world.run(3 * BUCKET)
    assert {address for address, _ in world.session.peers.lanes()} == {node(1), node(3)}
