"""Listeners: asks that more than one message may come to."""

from __future__ import annotations

import pytest

from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.sharded.session.events import AskCancelled, Close
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.backends.sharded.session.targets import ActorTarget
from casty_notebook.errors import AskTimeout, ClientClosed, NodeUnreachable
from casty_notebook.values.refs import ReplyRef
from tests.backends.sharded.session.world import World, node

PRICES = ActorTarget(node(2), "/prices")


def heard_by(listening: Listening) -> list[object]:
    return [heard.message for heard in listening.inbox]


def settled(**options: object) -> World:
    world = World(**options)  # type: ignore[arg-type]
    world.run(1.0)
    return world


def test_every_message_is_kept_in_order_with_time_node_and_size() -> None:
    world = settled()
    listening = world.listen(PRICES)
    world.run(0.1)
    began = world.now
    world.utter(node(2), listening, 1, 2)
    world.run(0.1)
    world.utter(node(3), listening, 3)
    world.run(0.1)
    assert heard_by(listening) == ["reply from 10.0.1.2:25520", 1, 2, 3]
    assert [heard.node for heard in listening.inbox] == [node(2), node(2), node(2), node(3)]
    assert [heard.at >= began for heard in listening.inbox] == [False, True, True, True]
    assert (listening.inbox.received, listening.inbox.dropped) == (4, 0)
    assert not world.failures
    assert not world.replies


def test_beyond_the_bound_the_oldest_goes_and_is_counted() -> None:
    world = settled()
    listening = world.listen(PRICES, limit=3)
    world.run(0.1)
    world.utter(node(2), listening, *range(5))
    world.run(0.1)
    assert heard_by(listening) == [2, 3, 4]
    assert (listening.inbox.received, listening.inbox.dropped) == (6, 3)
    assert world.session.counters["dropped"] == 3


def test_bytes_are_bounded_too_and_the_newest_is_always_kept() -> None:
    listening = Listening("/_ask/1", PRICES, None, ReplyRef("test", "/_ask/1"), 0.0, 5.0, limit=100, max_bytes=1000)
    for size in (400, 400, 400):
        listening.inbox.put(Arrival(0.0, node(2), size, size))
    assert (len(listening.inbox), listening.inbox.dropped) == (2, 1)
    listening.inbox.put(Arrival(0.0, node(2), "long", 5000))
    assert (heard_by(listening), listening.inbox.dropped) == (["long"], 3)
    assert listening.inbox.take().message == "long"
    listening.inbox.put(Arrival(0.0, node(2), 1, 900))
    assert (len(listening.inbox), listening.inbox.dropped) == (1, 3), "what was taken weighs no more"


def test_its_deadline_is_only_that_of_leaving() -> None:
    world = settled()
    listening = world.listen(PRICES, timeout=1.0)
    world.run(100.0)
    world.utter(node(2), listening, "late")
    world.run(0.1)
    assert heard_by(listening)[-1] == "late"
    world.register("unheard-of", 10)
    never = world.listen("unheard-of/1", timeout=1.0)
    world.run(2.0)
    assert isinstance(world.failures[never.id], AskTimeout)
    assert listening.id not in world.failures


def test_a_lost_node_ends_it_and_what_came_can_still_be_read() -> None:
    world = settled()
    listening = world.listen(PRICES)
    world.run(0.1)
    world.kill(node(2))
    world.run(1.0)
    assert isinstance(world.failures[listening.id], NodeUnreachable)
    assert heard_by(listening) == ["reply from 10.0.1.2:25520"]
    assert world.session.pending_asks == 0


def test_another_lost_node_does_not_end_it() -> None:
    world = settled()
    listening = world.listen(PRICES)
    world.run(0.1)
    world.kill(node(3))
    world.run(30.0)
    world.utter(node(2), listening, "still here")
    world.run(0.1)
    assert heard_by(listening)[-1] == "still here"
    assert not world.failures


def test_with_retry_the_message_goes_out_again_when_the_node_is_back() -> None:
    world = settled()
    world.gossip()
    listening = world.listen(PRICES, retry=True, timeout=1.0)
    world.run(0.1)
    world.kill(node(2))
    world.run(3.0)
    world.start(node(2))
    world.run(10.0)
    assert heard_by(listening) == ["reply from 10.0.1.2:25520"] * 2
    world.utter(node(2), listening, "after")
    world.run(0.1)
    assert heard_by(listening)[-1] == "after", "under the identity that the second message named"
    assert not world.failures


@pytest.mark.parametrize("left", [True, False], ids=["under way", "not left"])
def test_a_cancelled_one_leaves_nothing(left: bool) -> None:
    world = settled()
    world.register("unheard-of", 10)
    listening = world.listen(PRICES if left else "unheard-of/1")
    world.run(0.1)
    generation = listening.generation
    assert world.session.expects(listening.id)
    world.feed(AskCancelled(listening.id))
    assert world.session.pending_asks == world.session.buffered == 0
    assert not world.session.expects(listening.id)
    assert listening.generation is None
    assert generation is None or generation.asks == 0
    world.utter(node(2), listening, "nobody reads this")
    world.run(0.1)
    assert "nobody reads this" not in heard_by(listening)


def test_closing_ends_it_with_the_reason() -> None:
    world = settled()
    listening = world.listen(PRICES)
    world.run(0.1)
    world.feed(Close())
    assert isinstance(world.failures[listening.id], ClientClosed)
