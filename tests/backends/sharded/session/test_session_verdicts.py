"""When dialling on cannot help, and how often it is tried all the same."""

from __future__ import annotations

import itertools

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.events import LinkLost
from tests.backends.sharded.session.world import World, node


class Guarded(World):
    """Nodes in `guarded` are reached, and refuse us for what we are configured with."""

    def __init__(self, *, contacts: list[NodeAddress], guarded: set[NodeAddress]) -> None:
        self.guarded = guarded
        self.dialled: list[tuple[float, NodeAddress]] = []
        super().__init__(contacts=contacts)

    def _connect(self, link: int, address: NodeAddress, identity: NodeAddress) -> None:
        self.dialled.append((self.now, address))
        if address in self.guarded:
            self.feed(LinkLost(link, "its certificate was not accepted", (), verdict=True))
        else:
            super()._connect(link, address, identity)


def test_two_verdicts_in_a_row_at_every_contact_point_leave_no_hope() -> None:
    world = Guarded(contacts=[node(1), node(2)], guarded={node(1), node(2)})
    world.run(0.02)
    assert not world.session.hopeless
    world.run(0.5)
    assert world.session.hopeless


def test_one_contact_point_without_a_verdict_is_hope() -> None:
    world = Guarded(contacts=[node(1), node(9)], guarded={node(1)})
    world.run(3.0)
    assert not world.session.hopeless


def test_hope_comes_back_with_the_right_certificate() -> None:
    world = Guarded(contacts=[node(1)], guarded={node(1), node(2), node(3)})
    world.run(1.0)
    assert world.session.hopeless
    world.guarded.clear()
    world.run(1.0)
    assert world.session.snapshot is not None
    assert not world.session.hopeless


def test_a_contact_point_that_always_fails_is_dialled_with_pauses() -> None:
    world = Guarded(contacts=[node(9)], guarded={node(9)})
    world.run(10.0)
    times = [at for at, _ in world.dialled]
    assert 8 < len(times) < 25
    assert all(later - earlier > 0.05 for earlier, later in itertools.pairwise(times))


def test_when_the_last_link_ends_every_contact_point_is_dialled_at_once() -> None:
    world = Guarded(contacts=[node(1), node(2)], guarded=set())
    world.run(1.0)
    for number in (1, 2, 3):
        world.kill(node(number))
    lost_at, before = world.now, len(world.dialled)
    world.run(0.05)
    assert {address for at, address in world.dialled[before:] if at - lost_at < 0.05} >= {node(1), node(2)}
