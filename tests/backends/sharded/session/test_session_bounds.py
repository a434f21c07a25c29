"""What a node tells unasked costs neither memory nor work; counted, not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.bounds import MAX_NAME, excess
from casty_notebook.backends.sharded.session.events import Dial, Effect, Event, LinkLost, Received, Report, Tick, Transmit
from casty_notebook.backends.sharded.session.liveness import Liveness
from casty_notebook.backends.sharded.session.messages import ShardLocation
from casty_notebook.backends.sharded.session.targets import ActorTarget
from casty_notebook.errors import MisuseError
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
from tests.backends.sharded.session.world import SYSTEM, World, node


def followed(world: World) -> int:
    """The link whose node's snapshots are followed."""
    world.run(1.0)
    following = world.session.subscription._following
    assert following is not None
    return following.link.id


def stranger(number: int) -> NodeAddress:
    return NodeAddress(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)


def snapshot_of(*members: Member, **parts: Any) -> TopologySnapshot:
    return TopologySnapshot(frozenset(members), node(1), parts.pop("shards", {}), 1, **parts)


def member(address: NodeAddress, name: str = "node", roles: frozenset[str] = frozenset()) -> Member:
    return Member(address, MemberStatus.up, roles, name)


def entries(count: int) -> Iterator[ServiceEntry]:
    return (ServiceEntry("pay", node(1), f"/{n}") for n in range(count))


def test_locations_that_nobody_asked_for_are_forgotten_at_once() -> None:
    world = World()
    link = followed(world)
    world.register("counter", 100)
    before = set(world.session.peers._by_address)
    for shard in range(20_000):
        location = ShardLocation(shard % 100, stranger(shard))
        for path in ("/_proxy-counter", "/_proxy-counter/question-1"):
            assert world.session.handle(Received(link, path, SYSTEM, "x", location), world.now) == []
    assert set(world.session.peers._by_address) == before


def asked_and_open() -> tuple[World, int]:
    """A question for a shard that nobody has answered yet, and the link of a node that was not asked."""
    world = World()
    world.run(1.0)
    world.hosted.clear()  # so that nobody answers
    world.register("counter", 100)
    world.ask("counter/alice")
    world.run(0.1)
    (question,) = world.session.router.tables["counter"].questions.values()
    other = next(peer for peer in world.session.peers if peer.live and peer.address != question.asked_of)
    return world, other.links[0].id


def test_a_node_that_was_not_asked_cannot_answer_for_a_shard() -> None:
    world, other = asked_and_open()
    for name in ("", "/", "/question-0", "/question-2", "/" + "0" * 32):
        event = Received(other, f"/_proxy-counter{name}", SYSTEM, "x", ShardLocation(70, node(2)))
        assert world.session.handle(event, world.now) == []
    assert world.session.buffered == 1


def test_a_location_that_is_no_member_makes_us_dial_nobody() -> None:
    world, other = asked_and_open()
    event = Received(other, "/_proxy-counter/question-1", SYSTEM, "x", ShardLocation(70, stranger(7)))
    effects = world.session.handle(event, world.now)
    assert dials_of(effects) == []
    assert world.session.peers.get(stranger(7)) is None
    assert world.session.buffered == 1


def test_a_node_that_knows_the_name_answers() -> None:
    world, other = asked_and_open()
    event = Received(other, "/_proxy-counter/question-1", SYSTEM, "x", ShardLocation(70, node(2)))
    assert any(isinstance(effect, Transmit) for effect in world.session.handle(event, world.now))


def test_what_changes_nothing_makes_nobody_look_at_every_node(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    link = followed(world)
    world.register("counter", 100)
    looks = []
    watch = Liveness.watch

    def counted(liveness: Liveness, now: float, out: Any) -> Any:
        looks.append(now)
        return watch(liveness, now, out)

    monkeypatch.setattr(Liveness, "watch", counted)
    for shard in range(5_000):
        world.session.handle(Received(link, "/_proxy-counter", SYSTEM, "x", ShardLocation(shard, stranger(shard))), world.now)
        world.session.handle(Received(link, "/_ping/99", SYSTEM, "x", None), world.now)
    # The first may find something due; ten thousand messages at one moment find nothing more.
    assert len(looks) <= 3


class Work:
    """Counts the lines of Python that a session runs for its events, all but snapshots: no other process can add to them."""

    def __init__(self, world: World) -> None:
        self.lines = 0
        self._handle = world.session.handle
        world.session.handle = self.handle  # type: ignore[method-assign]
        world.session.validate = lambda: None  # type: ignore[method-assign]  # it looks at everybody

    def _trace(self, _frame: FrameType, event: str, _arg: object) -> Any:
        self.lines += event == "line"
        return self._trace

    def handle(self, event: Event, now: float) -> list[Effect]:
        if isinstance(event, Received) and isinstance(event.message, TopologySnapshot):
            return self._handle(event, now)
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return self._handle(event, now)
        finally:
            sys.settrace(before)


def work_of_a_cluster(size: int, happens: Callable[[World], object]) -> int:
    """What some seconds cost a session that knows so many members and is connected to three."""
    world = World((1, 2, 3), settings=Settings(eager_links=3))
    world.members.update({stranger(n): MemberStatus.joining for n in range(size)})  # so that those three are connected first
    world.run(2.0)
    assert len(list(world.session.peers)) == size + 3
    work = Work(world)
    happens(world)
    world.run(12.0)
    return work.lines


def cut_all(world: World, *numbers: int) -> None:
    for number in numbers:
        world.cut(node(number))


def tick_ten_times(world: World) -> None:
    for _ in range(10):
        world.feed(Tick())


LIFE: dict[str, Callable[[World], object]] = {
    "nothing": tick_ten_times,
    "a lost link": lambda world: world.cut(node(2)),
    "the followed node lost": lambda world: world.cut(node(1)),
    "all lost": lambda world: cut_all(world, 1, 2, 3),
    "an ask that waits": lambda world: world.ask(ActorTarget(stranger(1), "/x")),
    "silence": lambda world: world.freeze(node(2)),
}


@pytest.mark.parametrize("what", LIFE)
def test_members_of_which_nothing_is_due_cost_nothing(what: str) -> None:
    few, many = (work_of_a_cluster(size, LIFE[what]) for size in (20, 2_000))
    assert few > 500
    # One walk over them all would be 2,000 lines more, and each of these lives has dozens of events.
    assert many < few + 1_000


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: snapshot_of(*(member(stranger(n)) for n in range(5_001))), "5,001 members; at most 5,000"),
        (lambda: snapshot_of(unreachable=frozenset(map(stranger, range(5_001)))), "5,001 members"),
        (lambda: snapshot_of(registry=frozenset(entries(500_001))), "service instances"),
        (lambda: snapshot_of(shards={str(n): {} for n in range(10_001)}), "sharded types"),
        (lambda: snapshot_of(shards={"x" * (MAX_NAME + 1): {}}), "a name of 1,001 characters"),
        (lambda: snapshot_of(member(node(1), "x" * 4_000_000)), "a name of 4,000,000 characters"),
        (lambda: snapshot_of(member(node(1), roles=frozenset({"r" * 2000}))), "a name of 2,000 characters"),
        (lambda: snapshot_of(member(node(1), roles=frozenset(map(str, range(101))))), "more than 100 roles"),
        (lambda: snapshot_of(registry=frozenset({ServiceEntry("k" * 2000, node(1), "/p")})), "a name of 2,000 characters"),
        (lambda: snapshot_of(registry=frozenset({ServiceEntry("k", node(1), "/" * 2000)})), "a name of 2,000 characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_snapshot_of_no_cluster_there_is_gets_refused_by_name(make: Callable[[], TopologySnapshot], said: str) -> None:
    snapshot = make()  # now: every process that collects tests would make all of them, and keep half a million entries
    assert said in str(excess(snapshot, Settings()))
    world = World()
    link = followed(world)
    before = world.session.snapshot
    effects = world.session.handle(Received(link, "/_topology_sub", SYSTEM, "x", snapshot, ("pickle", None)), world.now)
    assert any(isinstance(effect, Report) and said in effect.text for effect in effects)
    assert world.session.snapshot is before


def test_the_largest_cluster_that_is_believed_is_believed() -> None:
    members = [member(stranger(n), "n" * MAX_NAME) for n in range(5_000)]
    assert excess(snapshot_of(*members, shards={"s": {0: ShardAllocation(node(1))}}), Settings()) is None


# --- whom we dial ------------------------------------------------------------------------------------------------------


def test_a_ref_alone_makes_us_dial_nobody() -> None:
    world = World()
    world.run(1.0)
    asked = world.ask(ActorTarget(stranger(7), "/x"))
    assert isinstance(world.failures[asked], MisuseError)
    assert "is no member of the cluster" in str(world.failures[asked])
    world.tell(ActorTarget(stranger(8), "/x"), "hello")
    assert isinstance(world.rejected[-1], MisuseError)
    assert {stranger(7), stranger(8)}.isdisjoint(world.session.peers._by_address)


def test_a_node_that_the_user_named_is_dialled() -> None:
    world = World()
    world.run(1.0)
    world.session.peers._named.add(stranger(7))
    asked = world.ask(ActorTarget(stranger(7), "/x"))
    assert asked not in world.failures
    assert world.session.peers.get(stranger(7)) is not None


def dials_of(effects: list[Any]) -> list[NodeAddress]:
    return [effect.address for effect in effects if isinstance(effect, Dial)]


def test_members_that_are_made_up_are_dialled_at_a_bounded_rate() -> None:
    settings = Settings(dial_burst=20, dial_rate=10.0)
    world = World(settings=settings)
    link = followed(world)
    dialled, now = 0, world.now
    for turn in range(100):  # ten seconds of a hundred fresh members, ten times a second
        members = [member(each) for each in world.nodes] + [member(stranger(100 * turn + n)) for n in range(100)]
        event = Received(link, "/_topology_sub", SYSTEM, "x", snapshot_of(*members), ("pickle", None))
        effects = world.session.handle(event, now)
        for effect in list(effects):
            if isinstance(effect, Dial):
                effects += world.session.handle(LinkLost(effect.link, "connection refused", ()), now)
        dialled += len(dials_of(effects))
        now += 0.1
    assert dialled <= 20 + 10 * 10 + 1


def test_a_node_that_we_know_is_dialled_before_those_that_are_made_up() -> None:
    world = World(settings=Settings(dial_burst=10, dial_rate=1.0))
    link = followed(world)
    victim = next(each for each in world.session.peers if each.live and each.links[0].id != link)
    members = [member(stranger(n)) for n in range(100)] + [member(each) for each in world.nodes]
    world.session.handle(Received(link, "/_topology_sub", SYSTEM, "x", snapshot_of(*members), ("pickle", None)), world.now)
    now, found = world.now, []
    found += dials_of(world.session.handle(LinkLost(victim.links[0].id, "reset", ()), now))
    for _ in range(20):
        now += 0.1
        found += dials_of(world.session.handle(Tick(), now))
    # Two seconds, two tokens: one of the hundred may have been due before it.
    assert victim.address in found[:2]


def test_links_to_nodes_that_are_no_members_any_more_are_let_go() -> None:
    world = World()
    world.run(1.0)
    gone = max(world.nodes)
    assert world.session.peers.get(gone).links  # type: ignore[union-attr]
    del world.members[gone]
    world.push()
    world.run(15.0)
    peer = world.session.peers.get(gone)
    assert peer is None or not peer.links
