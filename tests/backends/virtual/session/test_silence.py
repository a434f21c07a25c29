"""Which silence is a node's, and what its end means for those who wait."""

from __future__ import annotations

from casty_notebook.backends.virtual.session.events import LinkHeard, LinkLeaving
from casty_notebook.errors import AskTimeout, NodeUnreachable
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


# --- a node that says something, and not what it was asked for --------------------------------------------------------------


def only(world: World, place: int) -> int:
    return next(link for link, node in world.links.items() if node is world.node(place))


def chatter(world: World, place: int, seconds: float) -> set[LinkState]:
    """A node sends bytes and no table for so long; returns what was said of it."""
    said = set[LinkState]()
    for _ in range(int(2 * seconds)):
        for link in [link for link, node in world.links.items() if node is world.node(place)]:
            world.feed(LinkHeard(link))
        world.pass_time(0.5)
        said.add(world.session.health(world.now)[world.node(place).address].state)
    return said


def test_a_node_that_sends_bytes_and_never_a_table_is_not_live_for_ever() -> None:
    world = ready(3)
    link = only(world, 1)
    world.node(1).frozen = True
    assert chatter(world, 1, 50) == {LinkState.live}
    assert LinkState.suspect in chatter(world, 1, 30)
    assert link not in world.links
    assert any("no table of members for" in line and "though other bytes came" in line for line in world.session.trace())


def test_ahead_of_the_first_table_of_a_link_there_is_nothing_so_that_it_is_waited_for_as_any_answer() -> None:
    world = World(2, contacts=1)
    world.answer_dials()
    (link,) = world.links
    world.node(0).frozen = True
    assert LinkState.suspect in chatter(world, 0, 4)
    chatter(world, 0, 10)
    assert link not in world.links


def test_behind_answers_that_are_asked_for_a_table_may_be_as_late_as_they_are() -> None:
    world = ready(3)
    link = only(world, 1)
    world.node(1).frozen = True
    world.ask(1, key_of(world, 1), timeout=100.0)
    assert chatter(world, 1, 95) == {LinkState.live}
    assert link in world.links
    chatter(world, 1, 25)  # the ask has ended with its time
    assert link not in world.links


# --- a node that said goodbye --------------------------------------------------------------------------------------------


def test_a_node_that_says_goodbye_and_is_never_heard_of_again_is_given_up_and_dialled_anew() -> None:
    """Its host lost power before the sockets were closed: the node that was started there next was never dialled."""
    world = ready(3)
    link = only(world, 1)
    world.feed(LinkLeaving(link))
    world.node(1).frozen = True
    world.pass_time(29)
    assert link in world.links
    world.pass_time(2)
    assert link not in world.links
    assert any("silent for 30.0 s after its goodbye" in line for line in world.session.trace())
    world.node(1).frozen = False
    world.pass_time(6)
    assert world.node(1) in world.links.values()


def test_a_node_that_said_goodbye_has_the_time_of_the_asks_that_it_was_given_before() -> None:
    world = ready(3)
    link = only(world, 1)
    world.ask(1, key_of(world, 1), timeout=70.0)
    world.node(1).frozen = True
    world.feed(LinkLeaving(link))
    world.pass_time(65)
    assert link in world.links
    world.pass_time(40)
    assert isinstance(world.failures[1], AskTimeout)
    assert link not in world.links
