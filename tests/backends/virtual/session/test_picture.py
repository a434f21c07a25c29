"""The members of a virtual cluster as a picture: what it shows, and what it shares with the one before."""

from __future__ import annotations

import pytest

from casty_notebook.backends.virtual.session.picture import RING, SLICES, Painter, slice_of
from casty_notebook.backends.virtual.session.ring import token
from casty_notebook.topology.snapshot import TopologySnapshot
from tests.backends.virtual.session.world import TYPE, World


def painted(painter: Painter, world: World) -> TopologySnapshot:
    picture = painter.paint(world.session.members)
    assert picture is not None
    return picture


def shared(picture: TopologySnapshot) -> float:
    return sum(member.share or 0.0 for member in picture.members)


def ready() -> World:
    world = World(3)
    world.settle()
    return world


def test_of_no_members_there_is_no_picture_and_of_the_same_ones_the_same() -> None:
    painter, world = Painter(), ready()
    assert painter.paint(None) is None
    assert painted(painter, world) is painted(painter, world)


def test_most_keys_lie_in_a_slice_of_the_node_that_owns_them() -> None:
    world = ready()
    column = painted(Painter(), world).shard_allocations[RING]
    assert list(column) == list(range(SLICES))
    keys = [str(number) for number in range(500)]
    owners = [world.owner(world.node(0), key) for key in keys]
    right = sum(
        owner is not None and column[slice_of(token(f"{TYPE}/{key}"))].primary == owner.address
        for key, owner in zip(keys, owners, strict=True)
    )
    # A slice has one owner, and 384 borders between owners lie in 1,024 slices; by chance a third would be right.
    assert right > 300


def test_a_slice_is_with_its_first_node_and_its_replicas_are_the_others() -> None:
    column = painted(Painter(), ready()).shard_allocations[RING]
    for allocation in column.values():
        assert len({allocation.primary, *allocation.replicas}) == 1 + len(allocation.replicas) == 3


def test_what_a_change_does_not_touch_is_the_same_object_as_before() -> None:
    painter, world = Painter(), ready()
    before = painted(painter, world)
    world.say(world.node(2), "suspect")
    world.pass_time(2.0)
    after = painted(painter, world)
    assert after is not before
    assert after.registry is before.registry
    assert {member.id for member in after.members} == {"node-1", "node-2", "node-3"}


def test_the_shares_of_all_members_are_the_whole_also_after_one_is_gone() -> None:
    painter, world = Painter(), ready()
    assert shared(painted(painter, world)) == pytest.approx(1.0)
    node = world.node(2)
    world.kill(node)
    world.say(node, None)
    world.pass_time(10.0)
    after = painted(painter, world)
    assert len(after.members) == 2
    assert shared(after) == pytest.approx(1.0)
