"""Which of two stories of a shard is believed: the coordinator's answer, or the snapshot's."""

from __future__ import annotations

import pytest

from casty_notebook.address import ActorAddress
from casty_notebook.backends.sharded.session.shard_locator import ShardLocator
from casty_notebook.backends.sharded.session.shards import FRESH, SILENT, Question, ShardTable
from casty_notebook.backends.sharded.session.subscription import MAX_DEBTS, Subscription
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import Member, MemberStatus, ShardAllocation, TopologySnapshot
from casty_notebook.values.refs import ActorRef
from tests.backends.sharded.session.world import World, node


def answered(at: float) -> ShardTable:
    """Shard 3: by a snapshot on node 1, by a later answer on node 2."""
    table = ShardTable("counter", 10)
    table.adopt({3: ShardAllocation(node(1))}, at)
    table.located(3, node(2), at)
    return table


@pytest.mark.parametrize(("age", "owner"), [(0.0, 2), (FRESH - 0.01, 2), (FRESH, 1), (1000.0, 1)])
def test_an_answer_counts_before_the_snapshot_while_it_is_fresh(age: float, owner: int) -> None:
    assert answered(100.0).locate(3, 100.0 + age) == node(owner)


@pytest.mark.parametrize(("age", "owner"), [(FRESH - 0.01, 2), (FRESH, 3)])
def test_a_snapshot_that_is_newer_than_a_fresh_answer_ends_it(age: float, owner: int) -> None:
    table = answered(100.0)
    table.adopt({3: ShardAllocation(node(3))}, 100.0 + age)
    assert table.locate(3, 100.0 + age) == node(owner)
    # What is over stays over, whatever the clock says then.
    assert (table._answers == {}) == (owner == 3)


def test_an_answer_of_a_shard_that_no_snapshot_lists_is_kept() -> None:
    """Some are allocated and never listed (PROTOCOL section 6.4)."""
    table = ShardTable("counter", 10)
    table.located(3, node(2), 0.0)
    table.adopt({4: ShardAllocation(node(1))}, 1000.0)
    assert table.locate(3, 2000.0) == node(2)


@pytest.mark.parametrize("shard", [-1, 10, 2**40])
def test_no_answer_is_kept_of_a_shard_that_does_not_exist(shard: int) -> None:
    table = ShardTable("counter", 10)
    table.located(shard, node(2), 0.0)
    assert table._answers == {}


def test_without_a_leader_the_lowest_address_is_asked_first_and_then_the_others() -> None:
    world = World(nodes=(5, 3, 9, 1))
    world.run(1.0)
    coordinator = ShardLocator(Settings(), "test", world.session.peers, lambda *_: None, lambda: "name")
    members = [Member(address, MemberStatus.up, frozenset(), "") for address in world.nodes]
    for order in (members, members[::-1]):
        coordinator.snapshot = TopologySnapshot(frozenset(order), None, {}, 1)
        asked = [coordinator.find(turn) for turn in range(5)]
        assert [peer.address for peer in asked if peer is not None] == [node(n) for n in (1, 3, 5, 9, 1)]


def test_what_is_owed_to_a_node_that_is_away_is_bounded() -> None:
    world = World()
    world.run(1.0)
    subscription: Subscription = world.session.subscription
    request = subscription._following
    assert request is not None
    peer = request.peer
    peer.links.clear()
    for number in range(3 * MAX_DEBTS):
        request.ref = ActorRef(ActorAddress("test-client", f"/{number}", node(200)))
        subscription._leave(request)
    owed = subscription._debts[peer.address]
    assert [ref.address.path for ref in owed] == [f"/{number}" for number in range(2 * MAX_DEBTS, 3 * MAX_DEBTS)]


# --- how often is asked ------------------------------------------------------------------------------------------------


def asked_in_vain(times: int) -> Question:
    question = Question(0.0)
    for _ in range(times):
        question.asked(node(1), 100.0, Settings())
    return question


def test_the_pauses_of_questions_without_an_answer_double_after_a_while_and_up_to_a_bound() -> None:
    settings = Settings(shard_retry=0.25, shard_retry_cap=1.6)
    question = Question(0.0)
    pauses = []
    for _ in range(SILENT + 5):
        question.asked(node(1), 100.0, settings)
        pauses.append(question.retry_at - 100.0)
    assert pauses == pytest.approx([0.25] * SILENT + [0.5, 1.0, 1.6, 1.6, 1.6])


def test_an_answer_that_is_of_no_use_begins_the_pauses_anew() -> None:
    question = asked_in_vain(2 * SILENT)
    question.answered(node(2), 101.0, Settings())
    assert question.retry_at == 100.0 + Settings().shard_retry
    question.asked(node(1), 102.0, Settings())
    assert question.retry_at == 102.0 + Settings().shard_retry


def test_what_moves_in_the_cluster_makes_the_next_question_due_and_begins_the_pauses_anew() -> None:
    question = asked_in_vain(2 * SILENT)
    question.overtaken()
    assert question.retry_at <= 100.0
    question.asked(node(1), 102.0, Settings())
    assert question.retry_at == 102.0 + Settings().shard_retry


def test_the_replicas_of_a_shard_are_those_of_the_snapshot() -> None:
    table = ShardTable("counter", 10)
    table.adopt({3: ShardAllocation(node(1), (node(2), node(3)))}, 0.0)
    assert table.replicas(3) == (node(2), node(3))
    assert table.replicas(4) == ()
