"""Whatever happens to nodes and links: nothing is lost that never left, nothing is reordered, nothing is sent twice."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.backends.sharded.session.events import Tick
from casty_notebook.backends.sharded.session.shards import FRESH
from casty_notebook.errors import AskFailed, AskTimeout
from casty_notebook.settings import Settings
from casty_notebook.values.envelope import ShardEnvelope
from tests.backends.sharded.session.world import Node, World, node

ENTITIES = ("alice", "bob", "user-42", "user-99")


class Life:
    """A random life of a cluster: tells and asks while links stick, break, and nodes die and return."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(contacts=[node(1), node(2)], settings=Settings(tell_expiry=1e9))
        self.world.register("counter", 100)
        self.world.gossip(0.3)
        self.sent: dict[str, list[int]] = {entity: [] for entity in ENTITIES}
        self.asks: dict[str, tuple[int, float, bool]] = {}
        """Ask -> (its number among all that was sent, its deadline, whether it was to fail fast)."""
        self.next = 0

    def step(self) -> None:
        action = self.random.choices(
            [self.tell, self.ask, self.wait, self.stick, self.cut, self.kill, self.start, self.move, self.hide],
            [30, 20, 25, 5, 4, 3, 6, 3, 2],
        )[0]
        action()

    def tell(self) -> None:
        entity = self.random.choice(ENTITIES)
        self.next += 1
        self.sent[entity].append(self.next)
        self.world.tell(f"counter/{entity}", self.next)

    def ask(self) -> None:
        entity = self.random.choice(ENTITIES)
        self.next += 1
        timeout, hasty = self.random.choice([0.05, 1.0, 5.0]), self.random.random() < 0.2
        ask = self.world.ask(f"counter/{entity}", timeout=timeout, fail_fast=hasty)
        self.asks[ask] = (self.next, self.world.now + timeout, hasty)

    def wait(self) -> None:
        self.world.run(self.random.choice([0.001, 0.01, 0.2, 1.5]))

    def stick(self) -> None:
        if self.world.links:
            self.world.stuck.add(self.random.choice(sorted(self.world.links)))

    def cut(self) -> None:
        self.world.cut(node(self.random.randint(1, 3)))

    def kill(self) -> None:
        if sum(place.listening for place in self.world.nodes.values()) > 1:
            self.world.kill(node(self.random.randint(1, 3)))

    def start(self) -> None:
        for place in self.world.nodes.values():
            place.listening = True

    def move(self) -> None:
        live = [a for a, place in self.world.nodes.items() if place.listening]
        for table in self.world.allocations.values():
            for shard, owner in table.items():
                if not self.world.nodes[owner].listening:
                    table[shard] = self.random.choice(live)
        self.world.leader = min(live)

    def hide(self) -> None:
        self.world.hidden = {("counter", self.random.randrange(100)) for _ in range(30)}

    def settle(self) -> None:
        """Everything heals; what was stuck stays stuck until its link breaks."""
        self.start()
        self.move()
        for address in self.world.nodes:
            self.world.run(0.05)
            self.world.cut(address)
        self.world.run(25.0)


def _moved_while_the_owner_was_deaf(world: World) -> None:
    """All of counter goes from node 2 to node 3."""
    world.allocations["counter"] = dict.fromkeys(range(100), node(3))


def test_what_waits_for_a_location_does_not_overtake_what_a_stuck_link_still_holds() -> None:
    world = World(shards={"counter": dict.fromkeys(range(100), node(2))})
    world.register("counter", 100)
    world.run(0.1)
    (link,) = (number for number, (address, _) in world.links.items() if address == node(2))
    world.stuck.add(link)
    world.tell("counter/alice", 1)
    world.freeze(node(2))
    world.run(11.0)
    _moved_while_the_owner_was_deaf(world)
    world.tell("counter/alice", 2)
    world.run(2.0)
    assert arrived(world, "alice") == [1, 2]


def test_an_envelope_goes_the_way_of_the_last_one_of_its_shard_until_anything_happens() -> None:
    world = World(shards={"counter": dict.fromkeys(range(100), node(2))})
    world.register("counter", 100)
    world.run(0.1)
    ways = world.session.router.tables["counter"].ways
    world.ask("counter/user-42")
    (way,) = ways.values()
    world.tell("counter/user-42", 1)
    world.ask("counter/user-42")
    assert list(ways.values()) == [way]
    assert way[0].peer.address == node(2)
    world.feed(Tick())
    assert not ways
    world.allocations["counter"] = dict.fromkeys(range(100), node(3))
    world.push()
    world.run(0.1)
    world.ask("counter/user-42")
    assert [link.peer.address for link, _ in ways.values()] == [node(3)]


def test_what_a_coordinator_said_is_no_way_since_it_outranks_the_snapshot_for_seconds_only() -> None:
    world = World(shards={"counter": dict.fromkeys(range(100), node(2))})
    world.register("counter", 100)
    world.run(0.1)
    table = world.session.router.tables["counter"]
    table.located(table.shard_of("user-42"), node(3), world.now)
    fresh = world.ask("counter/user-42")
    world.now += FRESH + 0.1  # and nothing happens
    later = world.ask("counter/user-42")
    taken = {ask: link.peer.address for link in world.session.peers.links.values() for ask in link.asks}
    assert (taken[fresh], taken[later]) == (node(3), node(2))


def test_what_goes_to_a_new_owner_does_not_overtake_what_waits_for_a_link_to_the_former_one() -> None:
    world = World(shards={"counter": dict.fromkeys(range(100), node(2))})
    world.register("counter", 100)
    world.run(0.1)
    world.freeze(node(2))
    world.cut(node(2))
    world.tell("counter/alice", 1)
    _moved_while_the_owner_was_deaf(world)
    world.push()
    world.run(0.1)
    world.tell("counter/alice", 2)
    world.run(0.1)
    assert arrived(world, "alice") == [1, 2]


def arrived(world: World, entity: str) -> list[int]:
    return [
        message.message
        for place in world.nodes.values()
        for _, message in place.inbox
        if isinstance(message, ShardEnvelope) and message.entity_id == entity and isinstance(message.message, int)
    ]


def numbers_at(life: Life, place: Node, entity: str) -> list[int]:
    """The numbers of the tells and asks that one node took for an entity, in the order they came."""
    return [
        life.asks[m.message][0] if m.message in life.asks else m.message
        for _, m in place.inbox
        if isinstance(m, ShardEnvelope) and m.entity_id == entity
    ]


@pytest.mark.parametrize("block", range(10))
def test_random_lives_lose_nothing_unsent_and_never_send_twice(block: int) -> None:
    for seed in range(block * 30, block * 30 + 30):
        life = Life(seed)
        for _ in range(200):
            life.step()
        life.settle()
        world = life.world
        assert world.session.pending_asks == 0, seed
        assert world.session.buffered == 0, seed
        for entity in ENTITIES:
            got = [numbers_at(life, place, entity) for place in world.nodes.values()]
            assert max(Counter(itertools.chain(*got)).values(), default=1) == 1, f"sent twice, seed {seed}"
            assert all(numbers == sorted(numbers) for numbers in got), f"reordered, seed {seed}"
        for ask, error in world.failures.items():
            _, deadline, hasty = life.asks[ask]
            assert isinstance(error, AskFailed)
            if not (hasty or error.report.may_have_run):
                assert isinstance(error, AskTimeout), f"given up before its time without having left, seed {seed}"
                assert world.failed_at[ask] >= deadline, f"given up before its time, seed {seed}"


@pytest.mark.parametrize("block", range(5))
def test_without_deaths_in_transit_every_tell_arrives(block: int) -> None:
    """Links only break while nothing is under way, so every loss would be ours."""
    for seed in range(1000 + block * 20, 1000 + block * 20 + 20):
        life = Life(seed)
        for _ in range(150):
            life.random.choice([life.tell, life.tell, life.ask, life.wait, life.stick, life.hide])()
            if life.random.random() < 0.05:
                life.world.run(0.02)
                address = node(life.random.randint(1, 3))
                if life.random.random() < 0.3:
                    life.kill()
                else:
                    life.world.cut(address)
                life.start()
        life.settle()
        for entity in ENTITIES:
            assert sorted(arrived(life.world, entity)) == life.sent[entity], f"lost, seed {seed}"


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["tell", "ask", "wait", "stick", "cut", "kill", "start", "move"]), max_size=60), st.integers(0, 9)
)
def test_any_sequence_of_events_ends_every_ask(actions: list[str], seed: int) -> None:
    life = Life(seed)
    asked = []
    for action in actions:
        if action == "ask":
            asked.append(life.world.ask("counter/alice", timeout=1.0))
        else:
            getattr(life, action)()
    life.settle()
    for ask in asked:
        assert (ask in life.world.replies) != (ask in life.world.failures)
