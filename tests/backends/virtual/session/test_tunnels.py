"""Contact points that are no member's own address: tunnels, names."""

from __future__ import annotations

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.session.events import Dial, LinkLost, LinkOpened, Tick
from tests.backends.virtual.session.world import World

TUNNELS = (NodeAddress("127.0.0.1", 9001), NodeAddress("127.0.0.1", 9002))


def dials_of(world: World) -> dict[NodeAddress, int]:
    return {dial.address: link for link, dial in world.dials.items()}


def opened(world: World, address: NodeAddress, place: int) -> int:
    """A dial is answered, by that node."""
    link = dials_of(world)[address]
    del world.dials[link]
    world.links[link] = world.node(place)
    world.feed(LinkOpened(link, world.node(place).address, world.node(place).incarnation))
    return link


def test_a_tunnel_that_leads_to_a_node_is_kept_though_the_nodes_own_address_is_being_dialled() -> None:
    """The dial that was answered was hung up in favour of the one that never would be."""
    world = World(2, contact_points=TUNNELS)
    world.now = 0.26
    world.feed(Tick())
    assert dials_of(world).keys() == set(TUNNELS)
    first = opened(world, TUNNELS[0], 0)
    world.answer_syncs()
    own = world.node(1).address
    assert own in dials_of(world)  # a table names it
    second = opened(world, TUNNELS[1], 1)
    assert world.links.keys() == {first, second}
    assert own not in dials_of(world)
    world.kill(world.node(1))
    world.now += 10
    world.feed(Tick())
    assert TUNNELS[1] in dials_of(world) or own in dials_of(world)


def test_of_two_open_ways_to_a_node_the_first_is_kept() -> None:
    world = World(1, contact_points=TUNNELS)
    world.now = 0.26
    world.feed(Tick())
    first = opened(world, TUNNELS[0], 0)
    opened(world, TUNNELS[1], 0)
    assert world.links.keys() == {first}


def test_after_a_failed_way_to_a_node_the_other_is_tried() -> None:
    world = World(1, contact_points=TUNNELS[:1])
    opened(world, TUNNELS[0], 0)
    world.answer_syncs()
    world.kill(world.node(0))
    tried = []
    for _ in range(4):
        effects = list(world.dials.values())
        tried += [dial.address for dial in effects if isinstance(dial, Dial)]
        for link in list(world.dials):
            del world.dials[link]
            world.feed(LinkLost(link, "connection refused"))
        world.now = world.session.deadline
        world.feed(Tick())
    assert {TUNNELS[0], world.node(0).address} <= set(tried)
