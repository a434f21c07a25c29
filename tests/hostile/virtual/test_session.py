"""What nodes say unasked, again and again, or in the name of others: counted in effects and in what is kept, not in time."""

from __future__ import annotations

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Outcome, Record, WrongOwner
from casty_notebook.backends.virtual.session.events import (
    Deliver,
    Dial,
    Hangup,
    LinkLeaving,
    LinkOpened,
    LinkRefused,
    Publish,
    Replied,
    Returned,
    Sync,
    TableCame,
    TellMade,
    Tick,
)
from casty_notebook.backends.virtual.session.members import Tables, Unplaced
from casty_notebook.backends.virtual.session.picture import MOST_NAMES, Painter
from casty_notebook.backends.virtual.session.ring import Ring
from casty_notebook.backends.virtual.session.session import CORRECTIONS, RECENT_TELLS
from casty_notebook.backends.virtual.wire import Limits, Refusal
from casty_notebook.settings import Settings
from tests.backends.virtual.session.test_session import key_of, ready
from tests.backends.virtual.session.world import TYPE, World


def link_to(world: World, place: int) -> int:
    return next(link for link, node in world.links.items() if node is world.node(place))


def stranger(number: int, turn: int = 0) -> Record:
    return Record(NodeAddress(f"127.{turn}.{number >> 8}.{number & 255}", 1), bytes([turn]) * 16, "alive", frozenset({TYPE}))


# --- unasked -----------------------------------------------------------------------------------------------------------


def test_a_table_that_nobody_asked_for_is_not_looked_at() -> None:
    world = ready()
    world.pass_time(0.5)
    members, link = world.session.members, link_to(world, 1)
    for turn in range(100):
        assert world.feed(TableCame(link, tuple(stranger(n, turn) for n in range(100)))) == []
    assert world.session.members is members
    assert len(world.session.peers.by_address) == 3


def test_each_question_for_a_table_is_answered_once() -> None:
    world = ready()
    world.pass_time(0.5)
    world.now += 1.0
    world.feed(Tick())
    link = link_to(world, 1)
    assert link in world.syncs
    first = world.feed(TableCame(link, (stranger(1), *world.table(world.node(1)))))
    assert world.feed(TableCame(link, tuple(stranger(n) for n in range(50)))) == []
    assert not [effect for effect in first if type(effect) is Sync]


def test_replies_that_nobody_waits_for_change_nothing() -> None:
    world = ready()
    for number in range(10_000):
        assert world.feed(Replied([Outcome(number, "Value", b"\x01")])) == []
    assert world.session.counters["late_replies"] == 10_000


def test_a_reply_after_its_ask_has_timed_out_is_late() -> None:
    world = ready()
    world.ask(7, key_of(world, 1), timeout=1.0)
    world.delivered.clear()
    world.pass_time(2.0)
    assert 7 in world.failures
    assert world.feed(Replied([Outcome(7, "Value", b"\x01")])) == []
    assert world.session.counters["late_replies"] == 1


def test_a_node_that_says_goodbye_again_and_again_is_heard_once() -> None:
    world = ready()
    link = link_to(world, 1)
    said = [world.feed(LinkLeaving(link)) for _ in range(1_000)]
    assert sum(len(effects) for effects in said) <= 2  # one table of each of the others


# --- in our name -------------------------------------------------------------------------------------------------------


def test_a_tell_that_was_never_told_does_not_come_back_as_one_of_ours() -> None:
    world = ready()
    link = link_to(world, 1)
    for number in range(1_000):
        forged = WrongOwner(None, "bank:account", f"{number}", b"pay")
        assert world.feed(Returned(link, forged)) == []
    assert world.history == []
    assert world.syncs == []
    assert world.session.waiting == 0


def test_a_tell_comes_back_only_by_the_way_it_went_and_only_so_often() -> None:
    world = ready()
    key = key_of(world, 1)
    world.tell(key, b"one")
    world.tell(key, b"one")
    world.delivered.clear()
    returned = WrongOwner(None, TYPE, key, b"one")
    assert world.feed(Returned(link_to(world, 2), returned)) == []
    world.feed(Returned(link_to(world, 1), returned))
    world.feed(Returned(link_to(world, 1), returned))
    assert world.session.waiting == 2
    assert world.feed(Returned(link_to(world, 1), returned)) == []
    assert world.session.waiting == 2


def test_another_content_than_was_told_does_not_come_back() -> None:
    world = ready()
    key = key_of(world, 1)
    world.tell(key, b"one")
    world.delivered.clear()
    for actor, of, message in ((TYPE, key, b"two"), ("bank:x", key, b"one"), (TYPE, "", b"one")):
        assert world.feed(Returned(link_to(world, 1), WrongOwner(None, actor, of, message))) == []
    assert world.session.waiting == 0


def test_an_ask_comes_back_only_from_the_node_that_has_it() -> None:
    world = ready()
    key = key_of(world, 1)
    world.ask(7, key)
    world.delivered.clear()
    returned = WrongOwner(7, TYPE, key, b"7")
    assert world.feed(Returned(link_to(world, 2), returned)) == []
    assert world.session.pending == 1
    assert len(world.history) == 1


@pytest.mark.parametrize("kind", ["ask", "tell"])
def test_a_node_that_sends_everything_back_is_tried_ever_more_rarely_and_in_the_end_no_more(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ready(settings=Settings(tell_expiry=10.0))
    key = key_of(world, 1)
    monkeypatch.setattr(world, "owner", lambda _node, _key: None)  # nobody is the owner of anything
    if kind == "ask":
        world.ask(7, key, timeout=10.0)
    else:
        world.tell(key, b"one")
    world.pass_time(60.0)
    # 0.05, 0.1, 0.2 … 1 s between two tries, for ten seconds.
    assert 5 <= world.session.counters["returned"] <= 20
    assert world.session.waiting == world.session.pending == 0


def test_what_is_remembered_of_tells_is_bounded() -> None:
    world = ready()
    key = key_of(world, 1)
    for number in range(RECENT_TELLS + 1_000):
        world.session.handle(TellMade(TYPE, key, "Add", b"%d" % number), world.now)
    assert len(world.session._recent_tells) <= RECENT_TELLS


# --- members without end -----------------------------------------------------------------------------------------------


def test_fresh_members_in_every_table_are_dialled_at_a_bounded_rate_and_forgotten() -> None:
    settings = Settings(dial_burst=20, dial_rate=10.0)
    world = ready(settings=settings)
    dials = 0
    for turn in range(1, 61):
        world.now += 1.0
        world.feed(Tick())
        world.answer_dials()
        for link in world.syncs:
            fresh = tuple(stranger(n, turn) for n in range(100))
            dials += sum(type(effect) is Dial for effect in world.feed(TableCame(link, (*fresh, *world.table(world.node(0))))))
        world.syncs.clear()
        dials += len(world.dials)
        world.answer_dials()
    assert len(world.session.peers.by_address) <= 2 * 103
    assert len(world.session.attempts) <= 3
    assert dials <= 2 * (20 + 60 * 10)


def test_lives_that_change_with_every_table_are_a_change_each_time_and_nothing_is_kept_of_them() -> None:
    world = ready()
    published = 0
    for turn in range(1, 40):
        for node in world.nodes.values():
            node.statuses = {type(life)(life.address, bytes([turn]) * 16): "alive" for life in node.statuses}
        before = world.published
        world.pass_time(1.1)
        published += world.published - before
    members = world.session.members
    assert members is not None
    assert len(members.members) + len(members.former) <= 6
    assert len(world.session._tables._tables) == 3
    assert published <= 3 * 40


def test_names_of_members_that_are_gone_are_remembered_up_to_a_bound() -> None:
    painter, tables = Painter(), Tables(5.0)
    for turn in range(60):
        tables.take(stranger(0).address, tuple(stranger(n, turn) for n in range(250)), float(turn))
        merged = tables.merged()
        assert isinstance(merged, Unplaced)
        picture = painter.paint(tables.placed(merged, Ring(merged.nodes, merged.before)))
        assert picture is not None
        assert len({member.id for member in picture.members}) == 250
    assert len(painter._names) <= MOST_NAMES


# --- hellos that never agree -------------------------------------------------------------------------------------------


def test_a_node_that_calls_itself_otherwise_at_every_hello_is_dialled_with_pauses() -> None:
    world = World(1)
    dials = 0
    for turn in range(300):
        while world.dials:
            link, _ = world.dials.popitem()
            dials += 1
            world.feed(LinkRefused(link, Refusal("no", cluster=f"name-{turn}-{dials}", limits=None)))
        world.now += 0.01
        world.feed(Tick())
    # 3 s: the corrections at once, then one try after each pause of a failed dial, the first of which is 0.1 s.
    assert dials <= CORRECTIONS + 15
    assert len(world.reports) <= CORRECTIONS


def test_limits_that_change_at_every_hello_are_followed_so_often_and_no_more() -> None:
    world = World(1)
    dials = 0
    for turn in range(300):
        while world.dials:
            link, _ = world.dials.popitem()
            dials += 1
            world.feed(LinkRefused(link, Refusal("no", limits=Limits(message=(5 << 20) + dials + turn))))
        world.now += 0.01
        world.feed(Tick())
    assert dials <= CORRECTIONS + 15


def test_a_member_that_says_to_be_another_is_not_given_that_one_s_messages() -> None:
    world = ready(3, contacts=1)
    world.kill(world.node(2))
    world.kill(world.node(1))
    world.nodes[world.node(1).address].alive = True
    victim, liar = world.node(2), world.node(1)
    while not (links := [link for link, dial in world.dials.items() if dial.address == liar.address]):
        world.now += 0.05
        world.feed(Tick())
    world.dials.pop(links[0])
    world.links[links[0]] = liar
    effects = world.feed(LinkOpened(links[0], victim.address, victim.incarnation))
    assert [type(effect) for effect in effects if type(effect) is Hangup] == [Hangup]
    world.ask(1, key_of(world, 2))
    assert world.history == []
    assert "leads to another node" in world.session.health(world.now)[liar.address].reason


def test_a_node_that_says_to_be_another_one_each_time_leaves_nothing_behind() -> None:
    world = World(1)
    for turn in range(200):
        while world.dials:
            link, _ = world.dials.popitem()
            world.links[link] = world.node(0)
            effects = world.feed(LinkOpened(link, NodeAddress(f"10.9.{turn >> 8}.{turn & 255}", 1), bytes(16)))
            assert not [effect for effect in effects if type(effect) in (Publish, Deliver)]
        world.pass_time(1.0)
    assert len(world.session.attempts) <= 1
