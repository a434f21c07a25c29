"""Decisions, without a loop or a clock."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.backends.virtual.codec.packing import pack
from casty_notebook.backends.virtual.codec.protocol import Outcome
from casty_notebook.backends.virtual.session.events import AskCancelled, AskMade, Close, Dial, Replied
from casty_notebook.backends.virtual.session.links import NOTICED, SYNC_EVERY
from casty_notebook.backends.virtual.session.session import IN_FLIGHT
from casty_notebook.errors import (
    ActorFailed,
    AskFailed,
    AskTimeout,
    ClientClosed,
    MailboxFull,
    MisuseError,
    NodeUnreachable,
    Overloaded,
)
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from tests.backends.virtual.session.world import TYPE, World


def ready(nodes: int = 3, **options: object) -> World:
    world = World(nodes, **options)  # type: ignore[arg-type]
    world.settle()
    return world


def key_of(world: World, place: int, start: int = 0) -> str:
    """A key that one node owns."""
    node = world.node(place)
    return next(str(n) for n in range(start, 10_000) if world.owner(node, str(n)) == node.id)


# --- links and members -------------------------------------------------------------------------------------------------


def test_contacts_are_raced_and_the_others_are_learned() -> None:
    world = World(4, contacts=2)
    assert [dial.address for dial in world.dials.values()] == [world.node(0).address]
    world.pass_time(0.26)
    world.settle()
    assert sorted(node.address for node in world.links.values()) == sorted(world.nodes)
    assert world.session.members is not None
    assert len(world.session.members.members) == 4


def test_a_wrong_name_is_corrected_at_once_and_for_all() -> None:
    world = World(3, name="wrong")
    world.settle()
    assert world.session.cluster == "shop"
    assert len(world.links) == 3
    assert world.reports == ["the cluster at 10.0.1.0:25520 is called 'shop', not 'wrong'"]


def test_a_name_is_not_corrected_again_once_members_are_known() -> None:
    world = ready()
    node = world.node(2)
    world.kill(node)
    node.alive, world.name = True, "another"
    world.pass_time(3)
    assert world.session.cluster == "shop"
    assert "is not" in world.session.health(world.now)[node.address].reason


def test_each_member_is_asked_for_its_table_every_second() -> None:
    world = ready()
    tables = world.session.counters["tables"]
    world.pass_time(10 * SYNC_EVERY)
    # Ten from each of three; the first second may end just before or after a tick.
    assert 27 <= world.session.counters["tables"] - tables <= 33


def test_what_most_members_say_is_shown_with_every_opinion_beside_it() -> None:
    world = ready()
    dead = world.node(2)
    world.node(0).statuses[dead.id] = "suspect"
    world.pass_time(1.5)
    assert world.session.members is not None
    member = world.session.members.get(dead.address)
    assert member is not None
    assert (member.status, member.disputed) == ("alive", True)
    assert member.opinions == {world.node(0).address: "suspect", world.node(1).address: "alive", dead.address: "alive"}
    world.node(1).statuses[dead.id] = "suspect"
    world.pass_time(1.5)
    member = world.session.members.get(dead.address)
    assert member is not None
    assert member.status == "suspect"


def test_an_old_table_no_longer_counts() -> None:
    world = ready()
    thawed = world.node(2)
    thawed.frozen = True
    for node in (world.node(0), world.node(1)):
        node.statuses[thawed.id] = "dead"
    world.pass_time(7)
    assert world.session.members is not None
    member = world.session.members.get(thawed.address)
    assert member is not None
    assert (member.status, set(member.opinions)) == ("dead", {world.node(0).address, world.node(1).address})


def test_of_two_lives_of_a_node_the_living_one_is_shown_and_both_are_on_the_ring() -> None:
    world = ready()
    old = world.node(2)
    world.say(old, "dead")
    world.kill(old)
    old.alive, old.incarnation = True, b"n" * 16
    old.statuses = dict(world.node(0).statuses)
    world.say(old, "alive")
    world.pass_time(3)
    members = world.session.members
    assert members is not None
    assert [member.status for member in members.members] == ["alive"] * 3
    assert members.get(old.address).incarnation == b"n" * 16  # type: ignore[union-attr]
    assert [member.incarnation for member in members.former] == [bytes([2] * 16)]
    assert len(members.ring) == 4


def test_a_silent_member_is_suspect_then_given_up_and_found_again() -> None:
    world = ready()
    frozen = world.node(1)
    frozen.frozen = True
    world.pass_time(4)
    assert world.session.health(world.now)[frozen.address].state is LinkState.suspect
    world.pass_time(12)
    assert frozen not in world.links.values()
    frozen.frozen = False
    world.pass_time(6)
    assert world.session.health(world.now)[frozen.address].state is LinkState.live


def test_when_a_node_is_lost_the_others_are_asked_of_it_at_once() -> None:
    world = ready()
    dead = world.node(2)
    world.pass_time(SYNC_EVERY / 2)
    world.say(dead, "dead")  # what they would be asked half a second later
    world.kill(dead)
    world.pass_time(2 * NOTICED)
    member = world.session.members.get(dead.address) if world.session.members is not None else None
    assert member is not None
    assert member.status == "dead"


def test_when_all_is_lost_the_contact_points_are_tried_again() -> None:
    world = ready(3, contacts=1)
    for node in world.nodes.values():
        world.kill(node)
    world.pass_time(30)
    for node in world.nodes.values():
        node.alive = True
    world.pass_time(6)
    assert len(world.links) == 3


def test_dials_are_spaced() -> None:
    world = ready()
    world.kill(world.node(2))
    dials = 0
    for _ in range(600):
        world.now += 0.1
        effects = world.feed(Replied([Outcome(0, "Value")])) + world.session.handle(AskCancelled(0), world.now)
        for effect in effects:
            if isinstance(effect, Dial):
                dials += 1
                world._dial(effect)
        world.answer_dials()
        world.answer_syncs()
    # A minute with pauses of at least 0.6 x 0.8 s after the first few.
    assert dials < 130


# --- asks --------------------------------------------------------------------------------------------------------------


def test_an_ask_goes_to_its_owner_and_its_answer_comes_back() -> None:
    world = ready()
    world.ask(1, key_of(world, 1))
    assert [address for address, _ in world.history] == [world.node(1).address]
    world.settle()
    assert world.answers == {1: b"1"}


def test_asks_made_before_the_first_table_wait_for_it() -> None:
    world = World()
    world.ask(1, "a")
    world.tell("a", b"told")
    assert world.history == []
    world.settle()
    assert world.answers == {1: b"1"}
    assert [effect.number for _, effect in world.history] == [1, None]


def test_a_message_that_came_back_goes_to_the_new_owner_once_a_table_names_it() -> None:
    world = ready()
    key, dead = key_of(world, 2), world.node(2)
    world.say(dead, "dead")  # the nodes know, and we do not yet
    world.ask(1, key)
    world.settle()
    world.pass_time(2)
    assert world.answers == {1: b"1"}
    assert world.session.counters["returned"] >= 1


def test_messages_that_keep_coming_back_are_paced() -> None:
    world = ready()
    key = key_of(world, 2)
    node = world.node(2)
    node.statuses = {each: ("dead" if each == node.id else said) for each, said in node.statuses.items()}
    world.ask(1, key)
    world.pass_time(4.9)
    # 50, 100, 200, 400, 800 ms, then every second.
    assert world.session.counters["returned"] <= 12
    world.pass_time(0.2)
    assert "came back" in str(world.failures[1])


def test_an_ask_whose_node_is_dead_waits_for_the_next_owner() -> None:
    world = ready()
    key, dead = key_of(world, 2), world.node(2)
    world.kill(dead)
    world.ask(1, key, timeout=20.0)
    world.ask(2, key, timeout=20.0, fail_fast=True)
    world.pass_time(3)
    assert (set(world.answers), set(world.failures)) == (set(), {2})
    assert isinstance(world.failures[2], NodeUnreachable)
    world.say(dead, "dead")
    world.pass_time(2)
    assert world.answers == {1: b"1"}


def test_an_ask_that_has_left_is_not_sent_again_by_itself() -> None:
    world = ready()
    key, dead = key_of(world, 2), world.node(2)
    world.ask(1, key)
    world.ask(2, key, retry=True, timeout=20.0)
    world.kill(dead)
    assert isinstance(world.failures[1], NodeUnreachable)
    assert world.failures[1].report.may_have_run
    world.say(dead, "dead")
    world.pass_time(3)
    assert world.answers == {2: b"2"}


def test_an_ask_whose_time_is_up_at_a_node_that_has_stopped_answering_may_have_run() -> None:
    world = ready()
    silent = world.node(1)
    silent.frozen = True
    world.ask(1, key_of(world, 1), timeout=6.5)
    world.pass_time(7)
    assert world.session.health(world.now)[silent.address].state is LinkState.suspect
    error = world.failures[1]
    assert isinstance(error, AskTimeout)
    assert "has stopped answering" in error.report.cause
    assert error.report.may_have_run


def test_the_node_is_told_when_time_is_up_or_nobody_waits() -> None:
    world = ready()
    key = key_of(world, 1)
    world.node(1).frozen = True
    world.ask(1, key, timeout=0.5)
    world.ask(2, key)
    world.feed(AskCancelled(2))
    world.pass_time(0.6)
    assert [cancel.number for cancel in world.cancelled] == [2, 1]
    assert isinstance(world.failures[1], AskTimeout)
    assert 2 not in world.failures


def test_an_answer_that_nobody_waits_for_is_counted() -> None:
    world = ready()
    world.feed(Replied([Outcome(99, "Value", b"forged")]))
    assert (world.answers, world.session.counters["late_replies"]) == ({}, 1)


def test_only_an_ask_that_is_on_its_way_can_be_answered() -> None:
    world = World()
    world.ask(1, "a")
    world.feed(Replied([Outcome(1, "Value", b"forged")]))
    assert world.answers == {}


def test_each_outcome_has_an_error() -> None:
    world = ready()
    kinds = {"Full": MailboxFull, "Failed": ActorFailed, "Odd": AskFailed, "Unreached": AskFailed}
    for number, (kind, error) in enumerate(kinds.items()):
        world.ask(number, f"key-{number}")
        world.feed(Replied([Outcome(number, kind, b"", "ValueError", "text")]))
        assert isinstance(world.failures[number], error)
    assert "'Odd'" in str(world.failures[2])
    assert "it may have been executed" in str(world.failures[3])


def test_a_misfit_is_refused_until_it_is_forced() -> None:
    world = ready()
    world.ask(1, "a")
    world.feed(Replied([Outcome(1, "Failed", b"", "SchemaError", "unknown alternative Get")]))
    world.ask(2, "b")
    assert isinstance(world.failures[2], MisuseError)
    world.ask(3, "b", force=True)
    world.settle()
    assert world.answers == {3: b"3"}
    world.feed(AskMade(4, "shop.actors:other", "b", "Get", b"", 5.0))
    assert 4 not in world.failures


def test_a_mended_message_is_another_one() -> None:
    world = ready()
    bad, other, mended = (pack(["Add", {"amount": amount, "reply_to": None}]) for amount in (1.0, 2.5, 3))
    world.feed(AskMade(1, TYPE, "a", "Add", bad, 5.0))
    world.feed(Replied([Outcome(1, "Failed", b"", "SchemaError", "amount: expected int, got float")]))
    world.feed(AskMade(2, TYPE, "b", "Add", other, 5.0))
    assert isinstance(world.failures[2], MisuseError)  # the same mistake with another value
    world.feed(AskMade(3, TYPE, "b", "Add", mended, 5.0))
    assert 3 not in world.failures


def test_where_a_value_was_wrong_another_value_may_go() -> None:
    world = ready()
    bad, mended = (pack(["Paint", {"colour": colour, "reply_to": None}]) for colour in ("BLUE", "RED"))
    world.feed(AskMade(1, TYPE, "a", "Paint", bad, 5.0))
    world.feed(Replied([Outcome(1, "Failed", b"", "SchemaError", "colour: Colour has no member BLUE")]))
    for number, message in enumerate((bad, mended), 2):
        world.feed(AskMade(number, TYPE, "b", "Paint", message, 5.0))
    assert [number for number in (2, 3) if number in world.failures] == [2]


def test_what_was_insisted_on_and_answered_is_no_misfit_any_more() -> None:
    world = ready()
    world.ask(1, "a")
    world.feed(Replied([Outcome(1, "Failed", b"", "SchemaError", "unknown alternative Get")]))
    world.ask(2, "b", force=True)
    world.settle()
    world.ask(3, "b")
    world.settle()
    assert set(world.answers) == {2, 3}


def test_a_key_pinned_to_nobody_fails_at_once_and_one_pinned_to_the_dead_waits() -> None:
    world = ready()
    world.ask(1, "@127.0.0.1:1/default")
    assert "is pinned to 127.0.0.1:1, where no member is" in str(world.failures[1])
    world.kill(world.node(2))
    world.ask(2, f"@{world.node(2)}/default")
    assert 2 not in world.failures


def test_an_answer_that_is_too_large_is_said_to_be_that() -> None:
    world = ready()
    world.ask(1, "a")
    world.feed(Replied([Outcome(1, "TooLarge")]))
    assert "larger than the cluster's limit" in str(world.failures[1])
    assert "it may have been executed" in str(world.failures[1])


@pytest.mark.parametrize("kind", ["Missing", "Unknown", "Full"])
def test_what_a_node_refused_was_sent_and_not_executed(kind: str) -> None:
    world = ready()
    world.ask(1, "a")
    world.feed(Replied([Outcome(1, kind)]))
    assert "it was not executed" in str(world.failures[1])


def test_a_hundred_are_on_their_way_to_a_node_and_the_rest_in_order() -> None:
    world = ready(1)
    for number in range(250):
        world.ask(number, str(number))
    assert len(world.history) == IN_FLIGHT
    world.settle()
    assert len(world.answers) == 250
    assert [effect.number for _, effect in world.history] == list(range(250))


def test_what_waits_is_bounded() -> None:
    world = World(settings=Settings(max_buffered=10))
    for number in range(12):
        world.ask(number, "a")
    assert {number: type(error) for number, error in world.failures.items()} == {10: Overloaded, 11: Overloaded}


def test_a_tell_that_finds_no_way_is_dropped_and_said() -> None:
    world = ready(settings=Settings(tell_expiry=3.0))
    world.kill(world.node(2))
    world.tell(key_of(world, 2), b"lost")
    world.pass_time(3.5)
    assert world.session.counters["dropped"] == 1
    assert any("was dropped" in text for text in world.reports)
    assert world.session.waiting == 0


def test_leaving_ends_everything_and_says_what_is_lost() -> None:
    world = ready()
    world.kill(world.node(2))
    key = key_of(world, 2)
    world.ask(1, key)
    world.tell(key, b"lost")
    world.feed(Close())
    assert isinstance(world.failures[1], ClientClosed)
    assert world.reports[-1].startswith("1 messages that had not left")
    assert (world.closed, world.links, world.dials) == (True, {}, {})
    world.ask(2, "a")
    assert isinstance(world.failures[2], ClientClosed)


def test_deadlines_of_what_is_over_are_given_back() -> None:
    world = ready()
    for number in range(5000):
        world.ask(number, "a")
        world.settle() if number % 50 == 49 else None
    assert len(world.answers) == 5000
    assert len(world.session._envelopes._deadlines) <= 64


# --- whatever happens --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_whatever_happens_every_ask_ends_once_and_no_message_overtakes_another(seed: int, nodes: int) -> None:
    chance = random.Random(seed)
    world = World(nodes, in_flight=chance.choice([1, 4, 100]))
    asked: dict[int, bool] = {}
    for number in range(120):
        match chance.randrange(10):
            case 0:
                world.pass_time(chance.choice([0.01, 0.3, 2.0, 8.0]))
            case 1:
                world.settle()
            case 2:
                node = world.node(chance.randrange(nodes))
                if node.alive:
                    world.kill(node)
                    world.say(node, "dead") if chance.random() < 0.5 else None
            case 3:
                node = world.node(chance.randrange(nodes))
                node.alive = True
                world.say(node, "alive")
            case 4:
                node = world.node(chance.randrange(nodes))
                node.frozen = not node.frozen
            case 5:
                world.tell(str(chance.randrange(3)), b"%d" % number)
            case _:
                asked[number] = chance.random() < 0.3
                world.ask(number, str(chance.randrange(3)), retry=asked[number], timeout=chance.choice([0.5, 5.0, 30.0]))
        for node in world.nodes.values():
            node.frozen = node.frozen and chance.random() < 0.9
    world.feed(Close())
    assert set(world.answers) | set(world.failures) == set(asked)
    assert world.session.pending == world.session.waiting == 0
    read: dict[str, list[int]] = {}
    for _, effect in world.history:
        read.setdefault(effect.key, []).append(int(effect.message))
    for key, numbers in read.items():
        once = [number for number in numbers if not asked.get(number)]
        assert len(set(once)) == len(once), f"sent twice for {key}: {numbers}"


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_of_one_key_messages_leave_in_the_order_in_which_they_were_made(seed: int) -> None:
    """As long as no node refuses to own it: what came back has lost its place."""
    chance = random.Random(seed)
    world = World(3, in_flight=chance.choice([1, 4, 100]))
    made: dict[str, list[int]] = {}
    for number in range(150):
        match chance.randrange(6):
            case 0:
                world.pass_time(chance.choice([0.01, 0.3, 2.0]))
            case 1:
                world.settle()
            case 2:
                world.kill(world.node(chance.randrange(3)))
            case 3:
                world.node(chance.randrange(3)).alive = True
            case _:
                key = str(chance.randrange(3))
                made.setdefault(key, []).append(number)
                world.tell(key, b"%d" % number) if chance.random() < 0.5 else world.ask(number, key, timeout=1000.0)
    for key, numbers in made.items():
        sent = [int(effect.message) for _, effect in world.history if effect.key == key]
        assert sent == [number for number in numbers if number in sent], key


def test_the_type_of_the_world_is_one_that_members_list() -> None:
    world = ready()
    assert world.session.members is not None
    assert world.session.members.types == (TYPE,)


@pytest.mark.parametrize("nodes", [1, 2, 40])
def test_clusters_of_any_size_are_followed(nodes: int) -> None:
    world = ready(nodes)
    world.pass_time(2)
    assert len(world.links) == nodes
