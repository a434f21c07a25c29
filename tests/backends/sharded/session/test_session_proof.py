"""What proves that a node's replies will come by a link: the answer to a ping, asked as early as can be, or the first push."""

from __future__ import annotations

from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.events import Connected, Dial, Event, Hangup, LinkOpened, Received, Transmit
from casty_notebook.backends.sharded.session.messages import Find
from casty_notebook.backends.sharded.session.state import Outgoing
from tests.backends.sharded.session.world import World, node

ALIAS = node(99)
"""Another address of the first node."""


class Watched(World):
    """A world that writes down, for each link, what happened on it in which order."""

    def __init__(self, **options: Any) -> None:
        self.seen: dict[int, list[str]] = {}
        self.pongs = True
        super().__init__(**options)

    def feed(self, event: Event) -> None:
        if isinstance(event, Connected | LinkOpened | Received):
            self.seen.setdefault(event.link, []).append(type(event).__name__)
        super().feed(event)

    def _perform(self, effect: Any) -> None:
        if isinstance(effect, Transmit):
            self.seen.setdefault(effect.link, []).append(type(effect.outgoing.message).__name__)
        elif isinstance(effect, Dial | Hangup):
            self.seen.setdefault(effect.link, []).append(type(effect).__name__)
        super()._perform(effect)

    def _arrive(self, link: int, outgoing: Outgoing) -> None:
        if self.pongs or not isinstance(outgoing.message, Find):
            super()._arrive(link, outgoing)


def test_a_member_is_pinged_behind_the_handshake_and_only_there() -> None:
    world = Watched(contacts=[node(1)])
    world.run(1.0)
    for link in (2, 3):
        assert world.seen[link] == ["Dial", "Connected", "Find", "LinkOpened", "Received"]


def test_a_contact_point_hears_nothing_but_the_handshake_before_it_has_answered() -> None:
    world = Watched(contacts=[node(1)])
    world.run(1.0)
    assert world.seen[1][:5] == ["Dial", "Connected", "LinkOpened", "SubscribeTopology", "Received"]


def test_once_a_contact_point_has_answered_as_itself_the_others_are_connected_while_the_first_push_is_awaited() -> None:
    world = Watched(contacts=[node(1), node(2), node(3)])
    while world.session.snapshot is None:
        world.run(0.001)
    assert world.seen[1][:5] == ["Dial", "Connected", "LinkOpened", "SubscribeTopology", "Received"]
    for link in (2, 3):
        assert world.seen[link][:4] == ["Dial", "Connected", "LinkOpened", "Find"]
    world.run(1.0)
    assert {identity for _, identity in world.links.values()} == {world.session.peers.current.identity}
    assert len(world.links) == 3


@pytest.mark.parametrize("contacts", [[ALIAS, node(2)], [node(1), NodeAddress("two.local", 25520)]])
def test_where_contact_points_may_be_other_words_for_one_node_each_waits_for_its_turn(contacts: list[NodeAddress]) -> None:
    class Aliased(World):
        def _connect(self, link: int, address: NodeAddress, identity: NodeAddress) -> None:
            assert link == 1 or self.session.snapshot is not None
            super()._connect(link, node(1) if address == ALIAS else address, identity)

    world = Aliased(contacts=contacts)
    world.run(1.0)
    assert len(world.links) == 3


def test_the_first_push_proves_the_link_that_it_came_by() -> None:
    world = Watched(nodes=(1,))
    world.pongs = False
    world.register("counter", 10)
    asked = world.ask("counter/user-42")
    world.run(1.0)
    assert asked in world.replies


def test_a_link_that_nothing_came_by_carries_no_envelope() -> None:
    world = Watched()
    world.pongs = False
    world.register("counter", 10)
    asked = [world.ask(f"counter/user-{number}", timeout=30.0) for number in range(20)]
    world.run(0.5)
    assert not any("ShardEnvelope" in world.seen[link] for link in (2, 3))
    world.pongs = True
    world.run(20.0)
    assert set(asked) <= world.replies.keys()


def test_a_node_that_answers_as_another_is_hung_up_whatever_was_sent_behind_the_handshake() -> None:
    class Swapped(Watched):
        def feed(self, event: Event) -> None:
            if isinstance(event, LinkOpened) and event.node == node(2):
                event = LinkOpened(event.link, NodeAddress("10.9.9.9", 1))
            super().feed(event)

    world = Swapped(contacts=[node(1)])
    world.run(1.0)
    assert ["Dial", "Connected", "Find", "LinkOpened", "Hangup"] in [seen[:5] for seen in world.seen.values()]
    assert not world.session.health(world.now)[node(2)].reachable
