"""Asks that more than one value may come to."""

from __future__ import annotations

from casty_notebook.backends.virtual.codec.protocol import Outcome
from casty_notebook.backends.virtual.session.events import AskCancelled, Close, Replied
from casty_notebook.errors import ActorFailed, AskTimeout, ClientClosed, MisuseError, NodeUnreachable
from tests.backends.virtual.session.test_session import key_of, ready
from tests.backends.virtual.session.world import World


def told(world: World, number: int, data: bytes) -> None:
    world.feed(Replied([Outcome(number, "Value", data)]))


def test_whatever_is_told_comes_until_the_listener_is_closed() -> None:
    world = ready()
    world.ask(1, "a", listens=True)
    for data in (b"x", b"y", b"z"):
        told(world, 1, data)
    world.feed(AskCancelled(1))
    told(world, 1, b"late")
    assert world.heard == [(1, b"x"), (1, b"y"), (1, b"z")]
    assert (world.session.counters["late_replies"], world.session.pending, world.answers) == (1, 0, {})


def test_a_listener_waits_as_long_as_it_is_open_and_its_node_is_not_told_to_stop() -> None:
    world = ready()
    world.ask(1, "a", listens=True, timeout=5.0)
    world.delivered.clear()
    world.pass_time(60.0)
    assert (world.failures, world.cancelled) == ({}, [])
    told(world, 1, b"x")
    assert world.heard == [(1, b"x")]


def test_a_listener_that_finds_no_way_in_time_ends() -> None:
    world = ready()
    world.kill(world.node(2))
    world.ask(1, key_of(world, 2), listens=True, timeout=2.0)
    world.pass_time(3.0)
    assert isinstance(world.failures[1], AskTimeout)


def test_listeners_take_no_room_on_the_way() -> None:
    world = ready(in_flight=2)
    for number in range(5):
        world.ask(number, str(number), listens=True)
    world.delivered.clear()
    world.ask(9, "b")
    world.settle()
    assert world.answers == {9: b"9"}


def test_what_its_node_says_against_the_message_ends_it() -> None:
    world = ready()
    world.ask(1, "a", listens=True)
    world.feed(Replied([Outcome(1, "Failed", b"", "SchemaError", "unknown alternative Get")]))
    world.ask(2, "a", listens=True)
    told(world, 1, b"x")
    assert (type(world.failures[1]), type(world.failures[2]), world.heard) == (ActorFailed, MisuseError, [])


def test_the_loss_of_its_node_ends_it_unless_it_may_be_sent_again() -> None:
    world = ready()
    key = key_of(world, 2)
    world.ask(1, key, listens=True)
    world.ask(2, key, listens=True, retry=True)
    world.pass_time(30.0)  # longer than either may wait to leave
    world.kill(world.node(2))
    assert isinstance(world.failures[1], NodeUnreachable)
    sent = len(world.history)
    world.say(world.node(2), None)
    world.pass_time(10.0)
    assert [effect.number for _, effect in world.history[sent:]] == [2]
    told(world, 2, b"from its heir")
    assert world.heard[-1] == (2, b"from its heir")


def test_leaving_ends_listeners() -> None:
    world = ready()
    world.ask(1, "a", listens=True)
    world.feed(Close())
    assert isinstance(world.failures[1], ClientClosed)


def test_a_key_that_moves_is_said_once_or_asked_again_where_it_is_then() -> None:
    world = ready()
    key = key_of(world, 2)
    world.ask(1, key, listens=True)
    world.ask(2, key, listens=True, retry=True)
    world.delivered.clear()
    sent = len(world.history)
    world.say(world.node(2), "leaving")
    world.pass_time(3.0)
    world.say(world.node(1), "suspect")
    world.pass_time(3.0)
    again = world.history[sent:]
    assert [(effect.number, address != world.node(2).address) for address, effect in again] == [(2, True)]
    assert sum("has moved from" in text and "listen again" in text for text in world.reports) == 1
    told(world, 1, b"still heard")
    assert world.heard[-1] == (1, b"still heard")
