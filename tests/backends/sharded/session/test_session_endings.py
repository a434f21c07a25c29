"""Ends that come at once: of asks whose owner nobody can replace, of links beside a living one, of what closing finds."""

from __future__ import annotations

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.events import Close, Received, Replies, Transmit
from casty_notebook.backends.sharded.session.messages import UnsubscribeTopology
from casty_notebook.backends.sharded.session.subscription import SUBSCRIPTION_PATH
from casty_notebook.errors import ClientClosed, NodeUnreachable
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from tests.backends.sharded.session.world import SYSTEM, World, node


def all_on_the_second() -> World:
    world = World(shards={"counter": dict.fromkeys(range(100), node(2))})
    world.register("counter", 100)
    world.gossip()
    world.run(0.1)
    return world


def links_to(world: World, address: NodeAddress) -> list[int]:
    return [link for link, (where, _) in world.links.items() if where == address]


def test_a_reply_that_comes_twice_at_one_time_ends_its_ask_once_and_is_counted_as_late() -> None:
    world = all_on_the_second()
    world.nodes[node(2)].answers_asks = False
    first, second = world.ask("counter/user-42"), world.ask("counter/user-42")
    world.run(0.1)
    (link,) = links_to(world, node(2))
    late = world.session.counters["late_replies"]
    world.feed(Replies(link, SYSTEM, [(first, 1, 10), (first, 2, 10), (second, 3, 10)]))
    assert (world.replies[first], world.replies[second]) == (1, 3)
    assert world.session.counters["late_replies"] == late + 1


# --- in haste ----------------------------------------------------------------------------------------------------------


def test_an_ask_in_haste_fails_without_a_question_while_the_last_answer_named_a_lost_owner() -> None:
    world = all_on_the_second()
    world.kill(node(2))
    world.ask("counter/user-42", fail_fast=True)
    world.run(0.01)
    questions = len(world.located)
    second = world.ask("counter/user-42", fail_fast=True)
    assert isinstance(world.failures[second], NodeUnreachable)
    world.run(0.01)
    assert len(world.located) == questions


def test_an_ask_in_haste_fails_at_once_where_nobody_is_left_who_could_name_another_owner() -> None:
    world = all_on_the_second()
    for address in world.nodes:
        world.kill(address)
    world.run(0.1)
    ask = world.ask("counter/user-42", fail_fast=True)
    assert isinstance(world.failures[ask], NodeUnreachable)


def test_an_ask_in_haste_that_waits_for_an_answer_fails_with_the_last_who_could_give_one() -> None:
    world = all_on_the_second()
    world.hosted = set()  # so that nobody answers
    world.kill(node(2))
    ask = world.ask("counter/user-42", fail_fast=True)
    world.run(0.1)
    assert ask not in world.failures
    world.kill(node(1))
    world.kill(node(3))
    world.run(0.1)
    assert isinstance(world.failures[ask], NodeUnreachable)


# --- a dead link beside a living one -----------------------------------------------------------------------------------


def test_a_link_that_is_silent_while_a_newer_one_answers_is_broken_and_its_node_stays_live() -> None:
    settings = Settings()
    world = all_on_the_second()
    world.run(settings.generation_interval)
    world.nodes[node(2)].answers_asks = False
    ask = world.ask("counter/user-42", timeout=300.0)
    world.run(0.01)
    (older,) = links_to(world, node(2))
    world.cut(node(3))  # its new identity is spread to the others
    world.run(1.0)
    assert len(links_to(world, node(2))) == 2
    del world.links[older]  # half-open: nobody tells us
    world.run(2 * settings.liveness_window)
    error = world.failures[ask]
    assert isinstance(error, NodeUnreachable)
    assert "no answer to a probe" in str(error)
    assert world.session.health(world.now)[node(2)].state is LinkState.live


# --- closing -----------------------------------------------------------------------------------------------------------


def test_what_a_link_has_not_sent_of_an_ask_is_not_sent_after_closing() -> None:
    world = all_on_the_second()
    world.stuck = set(links_to(world, node(2)))
    ask = world.ask("counter/user-42")
    world.feed(Close())
    world.run(2 * Settings().close_timeout)
    assert isinstance(world.failures[ask], ClientClosed)
    assert world.closed
    assert world.nodes[node(2)].inbox == []


def test_an_ask_that_waits_for_a_route_is_not_sent_after_closing() -> None:
    world = all_on_the_second()
    world.kill(node(2))
    ask = world.ask("counter/user-42")
    assert world.session.buffered == 1
    world.feed(Close())
    assert isinstance(world.failures[ask], ClientClosed)
    assert world.session.buffered == 0


def test_a_cluster_of_another_name_is_left_without_a_subscription() -> None:
    world = World(nodes=[1])
    world.run(0.0015)  # connected and subscribed, and nothing has come
    (link,) = world.links
    effects = world.session.handle(Received(link, SUBSCRIPTION_PATH, "other", "", world.snapshot()), world.now)
    told = [effect.outgoing.message for effect in effects if isinstance(effect, Transmit)]
    assert [type(message) for message in told] == [UnsubscribeTopology]
    assert world.session.state == "ruined"


# --- what a timeout says of a lost leader -------------------------------------------------------------------------------


def what_a_timeout_says(*killed: int) -> str:
    """The shards are the second's, the first is the leader."""
    world = all_on_the_second()
    for number in killed:
        world.kill(node(number))
    ask = world.ask("counter/user-42", timeout=3.0)
    world.run(3.1)
    return str(world.failures[ask])


def test_an_owner_that_is_lost_with_the_leader_is_told_from_one_that_is_the_leader() -> None:
    assert "for its leader" not in what_a_timeout_says(2)
    both = f"the cluster still takes {node(1)}, which cannot be reached either, for its leader"
    assert both in what_a_timeout_says(1, 2)


def test_an_owner_that_is_the_lost_leader_is_said_to_be_it() -> None:
    world = World(shards={"counter": dict.fromkeys(range(100), node(1))})
    world.register("counter", 100)
    world.gossip()
    world.run(0.1)
    world.kill(node(1))
    ask = world.ask("counter/user-42", timeout=3.0)
    world.run(3.1)
    assert "the cluster still takes it for its leader" in str(world.failures[ask])


# --- what ends by itself -----------------------------------------------------------------------------------------------


def test_a_tell_that_finds_no_route_waits_as_long_as_settings_say_and_is_then_dropped_and_said() -> None:
    world = World(contacts=[node(9)], settings=Settings(tell_expiry=3.0))
    world.register("counter", 100)
    world.tell("counter/alice", 1)
    world.run(2.9)
    assert world.session.buffered == 1
    world.run(0.2)
    assert world.session.buffered == 0
    assert world.session.counters["undelivered"] == 1
    (said,) = world.reports
    assert said == "1 message that was told was dropped: no route in 3 s (to counter/alice)"


def test_the_session_wants_to_be_woken_when_the_time_of_a_tell_is_up() -> None:
    # Shorter than the pause until anything else is due.
    world = World(contacts=[node(9)], settings=Settings(tell_expiry=0.05))
    world.register("counter", 100)
    world.tell("counter/alice", 1)
    assert world.session.buffered == 1
    assert world.session.deadline <= world.now + 0.05


def test_a_ruined_session_is_closed_at_once() -> None:
    world = World(nodes=[1])
    world.nodes[node(1)].system = "other"
    world.run(0.1)
    assert world.session.state == "ruined"
    world.feed(Close())
    assert world.closed


def test_what_was_told_and_waits_gets_some_time_to_find_its_way_while_leaving() -> None:
    world = all_on_the_second()
    world.kill(node(2))
    world.tell("counter/user-42", "late")
    world.feed(Close())
    world.run(Settings().close_timeout / 10)
    assert not world.closed
    world.start(node(2))
    world.run(2 * Settings().close_timeout)
    assert world.closed
    assert world.delivered("user-42") == ["late"]
