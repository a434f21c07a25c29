"""Which silence is a node's, and what its end means for those who wait."""

from __future__ import annotations

from casty_notebook.backends.virtual.session.events import LinkHeard
from casty_notebook.errors import NodeUnreachable
from casty_notebook.topology.health import LinkState
from tests.backends.virtual.session.test_session import key_of, ready
from tests.backends.virtual.session.world import World

# --- a node that is busy with us, and one that is silent -----------------------------------------------------------------


def test_a_node_whose_table_lies_behind_a_long_answer_is_alive_while_bytes_of_it_come() -> None:
    """Forty answers of 3 MB held back the table for longer than a silent node is waited for: the link was given up."""
    world = ready(3)
    link, busy = next((link, node) for link, node in world.links.items() if node is world.node(1))
    busy.frozen = True  # it answers nothing, and sends bytes all the same
    world.ask(1, key_of(world, 1), timeout=60.0)
    for _ in range(60):
        world.feed(LinkHeard(link))
        world.pass_time(0.5)
        assert world.session.health(world.now)[busy.address].state is LinkState.live
    assert link in world.links
    busy.frozen = False
    world.pass_time(1.1)
    assert world.answers.keys() == {1}


def test_a_suspicion_ends_with_the_next_bytes() -> None:
    world = ready(3)
    link, busy = next((link, node) for link, node in world.links.items() if node is world.node(1))
    busy.frozen = True
    world.pass_time(4)
    assert world.session.health(world.now)[busy.address].state is LinkState.suspect
    world.feed(LinkHeard(link))
    assert world.session.health(world.now)[busy.address].state is LinkState.live
    world.feed(LinkHeard(99))  # of a link that is gone


def test_the_asks_of_a_node_that_is_given_up_for_its_silence_end_then_and_not_with_their_time() -> None:
    world = ready(3)
    world.ask(1, key_of(world, 1), timeout=600.0)
    world.ask(2, key_of(world, 1), timeout=600.0, retry=True)
    world.node(1).frozen = True
    world.delivered = [(node, effect) for node, effect in world.delivered if node is not world.node(1)]
    world.pass_time(20)
    assert world.node(1) not in world.links.values()
    assert isinstance(world.failures[1], NodeUnreachable)
    assert "silent for 1" in str(world.failures[1])
    assert world.session.counters["lost_links"] == 1
    world.node(1).frozen = False
    world.pass_time(6)
    assert world.answers.keys() == {2}


def test_with_all_nodes_silent_every_contact_point_is_a_way_back() -> None:
    world = ready(3)
    for node in world.nodes.values():
        node.frozen = True
    world.pass_time(20)
    assert not world.links
    for node in world.nodes.values():
        node.frozen = False
    world.pass_time(6)
    assert len(world.links) == 3


# --- what is known of an address before it is dialled --------------------------------------------------------------------


def test_a_dial_says_whether_a_node_of_this_kind_was_ever_there() -> None:
    world = World(3, contacts=1)
    assert [dial.known for dial in world.dials.values()] == [False]
    world.answer_dials()
    world.answer_syncs()
    assert [dial.known for dial in world.dials.values()] == [True, True]  # members say so
    world.settle()
    world.kill(world.node(0))
    assert [dial.known for dial in world.dials.values()] == [True]
