"""All nodes started anew at once: none of them knows the others yet, so that none can say that they are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Record
from casty_notebook.backends.virtual.session.events import Publish
from casty_notebook.backends.virtual.session.members import MOST_MISSING, RETURN, Members, Tables, Unplaced
from casty_notebook.backends.virtual.session.picture import Painter
from casty_notebook.topology.events import TopologyEvent, diff
from tests.backends.virtual.session.test_session import ready
from tests.backends.virtual.session.world import TYPE, Node, World


def events_of(world: World, act: Callable[[], None]) -> list[tuple[str, str, str, str]]:
    """What a person is told of what happens, moment by moment."""
    painter = Painter()
    told: list[TopologyEvent] = []
    before = painter.paint(world.session.members)
    publish = world._publish

    def published(effect: Publish) -> None:
        nonlocal before
        publish(effect)
        after = painter.paint(effect.members)
        assert after is not None
        told.extend(diff(before, after, datetime.now(UTC)))
        before = after

    world._publish = published  # type: ignore[method-assign]
    act()
    return [(each.kind, each.subject, each.before, each.after) for each in told if each.kind.startswith("member_")]


def start_anew(world: World, place: int, *, alone: bool = False) -> None:
    """Another life of a node, which knows those that were started before it, and which they know."""
    node = world.node(place)
    life = Node(node.address, bytes([100 + place] * 16))
    others = [] if alone else [each for each in world.nodes.values() if each.alive and each.incarnation[0] >= 100]
    life.statuses = {each.id: "alive" for each in (*others, life)}
    for each in others:
        each.statuses[life.id] = "alive"
    world.nodes[node.address] = life


@pytest.mark.parametrize("pause", [0.2, 2.0, 7.0])
def test_a_cluster_whose_nodes_are_all_started_anew_has_restarted_and_lost_nobody(pause: float) -> None:
    world = ready(3)

    def restart() -> None:
        for node in list(world.nodes.values()):
            world.kill(node)
        for place in range(3):
            world.pass_time(pause)
            start_anew(world, place)
        world.pass_time(12)

    told = events_of(world, restart)
    kinds = Counter(kind for kind, *_ in told)
    assert kinds["member_restarted"] == 3
    assert kinds["member_joined"] == kinds["member_removed"] == 0
    assert world.session.members is not None
    assert not world.session.members.missing


def test_who_does_not_come_back_with_the_others_is_gone_after_a_while() -> None:
    world = ready(3)

    def restart() -> None:
        for node in list(world.nodes.values()):
            world.kill(node)
        start_anew(world, 0)
        world.pass_time(10)
        assert world.session.members is not None
        assert [str(each.address) for each in world.session.members.missing] == ["10.0.1.1:25520", "10.0.1.2:25520"]
        # It owns nothing, whatever it owned before.
        owner = world.session.members.owner(TYPE, "a")
        assert owner is not None
        assert owner.address == world.node(0).address
        world.pass_time(RETURN)

    told = events_of(world, restart)
    assert [each for each in told if each[0] != "member_status"] == [
        ("member_restarted", "node-1", "life 00000000", "life 64646464"),
        ("member_removed", "node-2", "dead", ""),
        ("member_removed", "node-3", "dead", ""),
    ]


def test_a_node_that_living_members_drop_is_gone_at_once() -> None:
    world = ready(3)

    def leave() -> None:
        world.kill(world.node(2))
        world.say(world.node(2), None)
        world.pass_time(8)

    assert [each[0] for each in events_of(world, leave)] == ["member_removed"]


def test_strangers_named_by_ever_new_lives_of_a_node_are_missed_up_to_a_bound() -> None:
    tables = Tables(5.0)
    me = NodeAddress("10.0.1.0", 25520)
    for turn in range(40):
        names = [NodeAddress(f"10.{turn}.{n >> 8}.{n & 255}", 1) for n in range(100)]
        records = tuple(Record(each, bytes(16), "alive", frozenset()) for each in (me, *names))
        tables.take(me, records, 0.1 * turn, bytes([turn] * 16))
        members = tables.merged()
        assert isinstance(members, Members | Unplaced)
        assert len(members.missing) <= MOST_MISSING
        assert len(tables._shown) <= MOST_MISSING + 101
