"""Room: for asks on their way, for dials at one time, for links; and who is next when some of it is free."""

from __future__ import annotations

import gc
from itertools import islice
from time import process_time

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Outcome, WrongOwner
from casty_notebook.backends.virtual.session.asks import RecentTells
from casty_notebook.backends.virtual.session.events import AskCancelled, AskMade, LinkLeaving, LinkLost, Replied
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.backends.virtual.session.room import ACTIVE, KNOWN, SHORT
from casty_notebook.errors import AskTimeout, NodeUnreachable
from casty_notebook.settings import Settings
from tests.backends.virtual.session.world import TYPE, World

NODES = 100


def one_at_a_time() -> World:
    """Ask 1 is on its way, ask 2 waits for its turn."""
    world = World(1, in_flight=1)
    world.settle()
    world.ask(1, "a", timeout=1.0)
    world.ask(2, "b", timeout=9.0)
    assert on_their_way(world) == [1]
    return world


def on_their_way(world: World) -> list[int | None]:
    return [effect.number for _, effect in world.delivered]


def test_an_answer_gives_its_room_to_the_next() -> None:
    world = one_at_a_time()
    world.feed(Replied([Outcome(1, "Value", b"")]))
    assert on_their_way(world) == [1, 2]


def test_a_cancelled_ask_gives_its_room_to_the_next() -> None:
    world = one_at_a_time()
    world.feed(AskCancelled(1))
    assert on_their_way(world) == [1, 2]


def test_an_ask_whose_time_is_up_gives_its_room_to_the_next() -> None:
    world = one_at_a_time()
    world.delivered.clear()  # lost on the way
    world.pass_time(1.5)
    assert isinstance(world.failures[1], AskTimeout)
    assert world.answers == {2: b"2"}


def keys_of(world: World, place: int, count: int) -> list[str]:
    """Keys that one node owns."""
    node = world.node(place)
    return list(islice((str(n) for n in range(10_000) if world.owner(node, str(n)) == node.id), count))


def test_what_waits_for_room_at_a_node_that_is_lost_goes_to_whoever_comes_after_it() -> None:
    world = World(in_flight=2)
    world.settle()
    for number, key in enumerate(keys_of(world, 2, 8)):
        world.ask(number, key, timeout=30.0)
    world.kill(world.node(2))
    assert {number for number, error in world.failures.items() if isinstance(error, NodeUnreachable)} == {0, 1}
    world.settle()
    assert not world.answers
    world.say(world.node(2), "dead")
    world.pass_time(5.0)
    assert world.answers.keys() == set(range(2, 8))


def test_nobody_waits_for_room_at_a_node_that_is_not_his() -> None:
    world = World(in_flight=2)
    world.settle()
    world.node(2).frozen = True
    stopped, others = keys_of(world, 2, 50), keys_of(world, 0, 25) + keys_of(world, 1, 25)
    for number, key in enumerate(stopped + others):
        world.ask(number, key)
    for _ in range(3):
        world.settle()
    assert world.answers.keys() == set(range(50, 100))
    assert not world.failures


def test_nobody_waits_for_room_at_a_key_that_is_not_his() -> None:
    active = "abcdefghijk"
    world = with_active(*active)
    # Two to each key, twenty in all: the third to the first key waits for that one, the last key's for some room.
    for number, key in enumerate(["a", "a", "a", *"bcdefghij" * 2, "k", "k"]):
        world.ask(number, key)
    assert asked(world) == "aa" + "bcdefghij" * 2
    world.feed(Replied([Outcome(3, "Value", b"")]))
    assert asked(world)[20:] == "k"
    world.feed(Replied([Outcome(0, "Value", b"")]))
    assert asked(world)[21:] == "k"
    world.feed(Replied([Outcome(4, "Value", b"")]))
    assert asked(world)[22:] == "a"


def test_keys_take_turns_and_of_one_key_the_order_is_kept() -> None:
    world = World(1, in_flight=2)
    world.settle()
    for number, key in enumerate("aaaaabbc"):
        world.ask(number, key)
    world.settle()
    assert [(effect.key, effect.number) for _, effect in world.history] == [
        ("a", 0), ("a", 1), ("a", 2), ("b", 5), ("c", 7), ("a", 3), ("b", 6), ("a", 4),
    ]  # fmt: skip


def with_active(*keys: str, nodes: int = 1) -> World:
    """Keys that have answered."""
    world = World(nodes, in_flight=2)
    world.settle()
    for number, key in enumerate(keys):
        world.ask(-1 - number, key)
        world.settle()
    world.history.clear()
    return world


def asked(world: World) -> str:
    return "".join(effect.key for _, effect in world.history)


def test_more_asks_are_on_their_way_to_keys_that_are_active() -> None:
    world = with_active(*"abcdefghijk")
    for number, key in enumerate("xyz" + "abcdefghijk" * 3):
        world.ask(number, key)
    # Two that may have to be made active, two of each key, twenty in all.
    assert asked(world) == "xy" + "abcdefghijk" + "abcdefg"
    world.settle()
    assert len(world.answers) == 11 + 36


def test_a_key_is_taken_to_be_active_for_some_seconds_and_under_the_same_members() -> None:
    keys = keys_of(with_active(nodes=3), 0, 4)
    world = with_active(*keys, nodes=3)
    world.pass_time(ACTIVE - 1)
    for number, key in enumerate(keys):
        world.ask(number, key)
    assert asked(world) == "".join(keys)
    world.settle()
    world.history.clear()
    world.pass_time(ACTIVE + 1)
    for number, key in enumerate(keys):
        world.ask(10 + number, key)
    assert asked(world) == "".join(keys[:2])
    world.settle()
    world.say(world.node(2), "leaving")
    world.pass_time(2.0)
    world.history.clear()
    for number, key in enumerate(keys):
        world.ask(20 + number, key)
    assert asked(world) == "".join(keys[:2])


@pytest.mark.parametrize(("question", "answer"), [(b"", b"x" * (SHORT + 1)), (b"x" * (SHORT + 1), b"")])
def test_long_asks_and_answers_are_not_many_at_a_time(question: bytes, answer: bytes) -> None:
    world = with_active(*"abcd")
    for number, key in enumerate("abcd"):
        world.ask(number, key)
        world.feed(Replied([Outcome(number, "Value", answer)]))
    world.delivered.clear()
    world.history.clear()
    for number, key in enumerate("abcd"):
        world.feed(AskMade(10 + number, TYPE, key, "Get", question, 5.0))
    assert asked(world) == "ab"


def test_keys_without_end_are_not_remembered_without_end() -> None:
    world = with_active()
    for number in range(KNOWN + 10):
        world.ask(number, str(number))
        world.feed(Replied([Outcome(number, "Value", b"")]))
    assert len(world.session._envelopes.room._keys) <= KNOWN


def test_what_is_remembered_of_keys_keeps_no_picture_of_the_members_that_is_past() -> None:
    world = World()
    world.settle()
    seen = set()
    for number in range(4):
        world.ask(number, str(number))
        world.settle()
        seen.add(id(world.session.members))
        world.say(world.node(2), "alive" if number % 2 else "suspect")
        world.pass_time(2.0)
    assert world.published > 4
    seen.discard(id(world.session.members))
    gc.collect()
    assert not [each for each in gc.get_objects() if id(each) in seen and type(each) is Members]


def test_a_large_cluster_is_not_dialled_all_at_once() -> None:
    world = World(NODES, contacts=1)
    world.answer_dials()
    world.answer_syncs()
    # More than one at a time, and far from all.
    assert 10 < len(world.dials) < NODES / 2
    world.pass_time(1.0)
    assert len(world.links) == NODES


def test_so_many_members_have_a_link_as_settings_say() -> None:
    world = World(6, contacts=1, settings=Settings(eager_links=3))
    world.pass_time(5.0)
    assert len(world.links) == 3


def test_a_contact_point_that_refuses_makes_the_next_be_dialled_at_once_and_no_other() -> None:
    world = World(4, settings=Settings(contact_stagger=10.0))
    assert dialled(world) == [world.node(0).address]
    refuse(world)
    assert dialled(world) == [world.node(1).address]
    refuse(world)
    assert dialled(world) == [world.node(2).address]


def dialled(world: World) -> list[NodeAddress]:
    return [dial.address for dial in world.dials.values()]


def refuse(world: World) -> None:
    (link,) = world.dials
    del world.dials[link]
    world.feed(LinkLost(link, "connection refused"))


def test_a_tell_that_came_back_as_often_as_it_left_takes_no_room_any_more() -> None:
    tells = RecentTells(10)
    tells.left(7, "bank", "a", b"1", 9.0)
    tells.left(7, "bank", "a", b"1", 9.0)
    back = WrongOwner(None, "bank", "a", b"1")
    assert tells.came_back(7, back) == (9.0, 0)
    assert tells.came_back(7, back) == (9.0, 0)
    assert len(tells) == 0
    assert tells.came_back(7, back) is None


def test_of_the_tells_that_left_the_oldest_are_forgotten_first() -> None:
    tells = RecentTells(2)
    for key in "abc":
        tells.left(7, "bank", key, b"1", 9.0)
    assert len(tells) == 2
    assert tells.came_back(7, WrongOwner(None, "bank", "a", b"1")) is None
    assert tells.came_back(7, WrongOwner(None, "bank", "b", b"1")) is not None


def test_a_tell_costs_no_more_once_as_many_are_remembered_as_may_be() -> None:
    tells = RecentTells(50_000)

    def cpu_of(count: int) -> float:
        started = process_time()
        for number in range(count):
            tells.left(7, "bank", "a", b"%d" % number, started)
        return process_time() - started

    cpu_of(50_000)
    at_first = min(cpu_of(5_000) for _ in range(3))
    cpu_of(50_000)
    assert min(cpu_of(5_000) for _ in range(3)) < 5 * at_first  # it was twenty times as much


def test_a_goodbye_is_in_the_trace() -> None:
    world = World()
    world.settle()
    link, node = next(iter(world.links.items()))
    world.feed(LinkLeaving(link))
    assert world.session.trace()[-1].endswith(f"{node.address} says goodbye")


def test_a_lost_connection_is_in_the_trace_with_its_reason() -> None:
    world = World()
    world.settle()
    link, node = next(iter(world.links.items()))
    world.kill(node)
    gone = f"link {link} to {node.address} is gone (connection reset)"
    assert [line for line in world.session.trace() if line.endswith(gone)] != []
