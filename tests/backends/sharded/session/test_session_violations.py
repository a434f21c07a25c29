"""Messages that are none of what is due: ignored, reported, and never the end of a session that works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from casty_notebook.backends.sharded.session.events import Received, Replies, Report
from casty_notebook.backends.sharded.session.subscription import SUBSCRIPTION_PATH
from casty_notebook.errors import UndecodableMessage
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.snapshot import MemberStatus
from tests.backends.sharded.session.world import SYSTEM, World, node


@pytest.fixture
def world() -> World:
    world = World()
    world.register("counter", 100)
    world.run(0.1)
    return world


def link_to(world: World, number: int) -> int:
    return next(link for link, (address, _) in world.links.items() if address == node(number))


def reported(world: World, event: Received | Replies) -> list[str]:
    return [effect.text for effect in world.session.handle(event, world.now) if isinstance(effect, Report)]


def test_what_is_no_topology_is_reported_with_its_sender_and_the_known_one_stays(world: World) -> None:
    known = world.session.snapshot
    (text,) = reported(world, Received(link_to(world, 1), SUBSCRIPTION_PATH, SYSTEM, "a.B", [1, 2], None))
    assert str(node(1)) in text
    assert "a list, announced as 'a.B', where a topology was due" in text
    assert world.session.snapshot is known


def test_what_is_no_location_is_reported(world: World) -> None:
    (text,) = reported(world, Received(link_to(world, 2), "/_proxy-counter", SYSTEM, "x" * 5000, None, None))
    assert "where the location of a shard was due" in text
    assert len(text) < 300


@pytest.mark.parametrize("path", [SUBSCRIPTION_PATH, "/_proxy-counter"])
def test_what_was_refused_is_reported(world: World, path: str) -> None:
    error = UndecodableMessage("from 10.0.1.1:25520: a pickle was refused")
    (text,) = reported(world, Received(link_to(world, 1), path, SYSTEM, "", error, None))
    assert "a pickle was refused" in text


@pytest.mark.parametrize("path", [SUBSCRIPTION_PATH, "/_proxy-counter", "/_ask/0"])
def test_a_stranger_s_system_name_does_not_end_a_session_that_has_a_topology(world: World, path: str) -> None:
    link, system = link_to(world, 3), "evil" * 50
    event = Replies(link, system, [(path, None, 0)]) if path == "/_ask/0" else Received(link, path, system, "", None, None)
    (text,) = reported(world, event)
    assert "'evilevil" in text
    assert len(text) < 300
    assert world.session.state == "open"
    ask: Callable[[str], str] = world.ask
    number = ask("counter/user-42")
    world.run(0.5)
    assert number in world.replies


def test_another_cluster_on_a_dead_members_address_is_down_by_its_name_and_what_lived_there_is_found_again() -> None:
    world = World(nodes=[1, 2], contacts=[node(1)], shards={"counter": dict.fromkeys(range(100), node(2))})
    # The coordinator's own answer is all that is known of the shard's first place.
    world.hidden = {("counter", shard) for shard in range(100)}
    world.register("counter", 100)
    world.gossip()
    first = world.ask("counter/user-42")
    world.run(1.0)
    assert world.replies[first] == f"reply from {node(2)}"
    world.hidden = set()
    world.run(10.0)
    world.kill(node(2))
    world.nodes[node(2)].system = "other"
    world.start(node(2))
    world.run(1.0)
    world.members[node(2)] = MemberStatus.down
    world.allocations["counter"] = {}
    world.run(2.0)
    dials, lost = world.nodes[node(2)].dials, world.session.counters["lost_links"]
    ask = world.ask("counter/user-42")
    world.run(30.0)
    assert world.replies[ask] == f"reply from {node(1)}"
    health = world.session.health(world.now)[node(2)]
    assert health.state is LinkState.down
    assert "'other'" in health.reason
    assert len([text for text in world.reports if "'other'" in text]) == 1
    assert world.nodes[node(2)].dials - dials <= 7  # one in five seconds, and one for the news
    assert world.session.counters["lost_links"] - lost <= 7
    world.kill(node(2))
    world.nodes[node(2)].system = SYSTEM
    world.start(node(2))
    world.members[node(2)] = MemberStatus.up
    world.run(6.0)
    assert world.session.health(world.now)[node(2)].state is LinkState.live
