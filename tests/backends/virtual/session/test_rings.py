"""The ring of many members is made beside the loop: what is done at once is counted."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import MAX_MEMBERS, Record
from casty_notebook.backends.virtual.session import ring as ring_room
from casty_notebook.backends.virtual.session.events import Close, MakeRing, Publish, RingMade, TableCame
from casty_notebook.backends.virtual.session.members import RING_AT_ONCE
from casty_notebook.backends.virtual.session.ring import TOKENS, Ring
from tests.backends.virtual.session.test_session import ready
from tests.backends.virtual.session.world import World


def strangers(turn: int, count: int) -> tuple[Record, ...]:
    names = [NodeAddress(f"127.{turn}.{n >> 8}.{n & 255}", 1) for n in range(count)]
    return tuple(Record(name, bytes(16), "alive", frozenset()) for name in names)


def table(world: World, records: tuple[Record, ...]) -> list[Any]:
    """The one node's next table, asked for."""
    (link,) = [number for number, node in world.links.items() if node is world.node(0)]
    world.now += 1.0
    world.session.peers.links[link].asked = world.now
    return world.feed(TableCame(link, (Record(world.node(0).address, world.node(0).incarnation, "alive", frozenset()), *records)))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many places of a ring were computed, which is most of the work."""
    count = [0]

    def counted(data: bytes, digest_size: int) -> Any:
        count[0] += 1
        return hashlib.blake2b(data, digest_size=digest_size)

    monkeypatch.setattr(ring_room, "blake2b", counted)
    return count


def test_a_table_of_nine_hundred_strangers_is_no_ring_at_once(hashed: list[int]) -> None:
    world = ready(1)
    hashed[0] = 0
    for turn in range(1, 6):
        effects = table(world, strangers(turn, MAX_MEMBERS - 1))
        assert hashed[0] <= TOKENS * RING_AT_ONCE
        assert not [each for each in effects if isinstance(each, Publish)]
    # One at a time, however many tables come.
    (wanted,) = world.rings
    assert len(wanted.nodes) == MAX_MEMBERS


def test_members_are_told_once_their_ring_is_made_and_are_placed_by_it() -> None:
    world = ready(1)
    published = world.published
    table(world, strangers(1, 300))
    assert world.session.members is not None
    assert len(world.session.members.members) == 1  # as before
    world.make_rings()
    members = world.session.members
    assert len(members.members) == 301
    assert world.published == published + 1
    ring = Ring(member.id for member in members.members)
    assert [members.replicas("a", str(n)) for n in range(50)] == [ring.replicas("a", str(n)) for n in range(50)]


def test_members_that_change_with_each_table_are_told_all_the_same() -> None:
    world = ready(1)
    for turn in range(1, 5):
        table(world, strangers(turn, 200))
        table(world, strangers(turn + 100, 200))
        published = world.published
        world.make_rings()
        assert world.published == published + 1
    # What came meanwhile is next, and with it all is said.
    assert len(world.rings) == 1
    world.make_rings()
    assert not world.rings
    assert world.session.members is not None
    assert world.session.members.get(NodeAddress("127.104.0.1", 1)) is not None


def test_a_few_members_have_their_ring_at_once() -> None:
    world = ready(1)
    effects = table(world, strangers(1, RING_AT_ONCE - 1))
    assert [each for each in effects if isinstance(each, Publish)]
    assert not [each for each in effects if isinstance(each, MakeRing)]


def test_a_ring_that_comes_too_late_is_nothing() -> None:
    world = ready(1)
    table(world, strangers(1, 200))
    world.feed(Close())
    assert world.feed(RingMade(Ring(world.rings[0].nodes))) == []


def test_a_prepared_ring_is_the_same_ring() -> None:
    nodes = list(ready(3).session.members.ring.nodes)  # type: ignore[union-attr]
    one, other = Ring(nodes), Ring.prepared(nodes)
    assert (one.all_shares(), one.slices()) == (other.all_shares(), other.slices())
    assert other.slices() is other.slices()
