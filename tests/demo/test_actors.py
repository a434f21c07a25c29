"""The demo's actors, asked by our client: each message does what its docstring says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import (
    Balance,
    Deposit,
    Echo,
    Forward,
    GetBalance,
    GetCount,
    Increment,
    PaymentReceipt,
    ProcessPayment,
    Slow,
    Stop,
    Whereabouts,
    WhereAreYou,
)
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def cluster(demo_cluster: DemoCluster) -> Iterator[Cluster]:
    demo = demo_cluster
    with connect(demo.uri, shards=demo.shards, messages=demo.messages, name="actors") as cluster:
        yield cluster


def test_a_counter_counts(cluster: Cluster) -> None:
    before = cluster.ask("counter/clicks", GetCount)
    cluster.tell("counter/clicks", Increment(2))
    cluster.tell("counter/clicks", Increment())
    assert cluster.ask("counter/clicks", GetCount) == before + 3


def test_an_account_keeps_its_balance(cluster: Cluster) -> None:
    assert cluster.ask("account/bob", Deposit(5)) == Balance("bob", 5)
    cluster.tell("account/bob", Deposit(2))
    assert cluster.ask("account/bob", GetBalance) == Balance("bob", 7)


def test_a_payment_is_answered_by_a_numbered_receipt(cluster: Cluster) -> None:
    receipt = cluster.ask("payment", ProcessPayment(amount=100))
    assert isinstance(receipt, PaymentReceipt)
    assert receipt.amount == 100
    assert receipt.node in {"node-1", "node-2"}


def test_every_actor_says_where_it_is(cluster: Cluster, demo_cluster: DemoCluster) -> None:
    for target, name in {"counter/a": "a", "account/b": "b", "payment": "payment"}.items():
        there = cluster.ask(target, WhereAreYou)
        assert there == Whereabouts(there.node, demo_cluster.node(there.node).pid or 0, name)


def test_entities_are_spread_over_all_nodes_and_can_answer_for_each_other(cluster: Cluster) -> None:
    homes = {}
    # The leader gives shards to the regions that have registered with it, which the last one may do a moment later.
    for name in (f"u{number}" for number in range(1, 60)):
        homes[name] = cluster.ask(f"counter/{name}", WhereAreYou)
        if len(homes) >= 6 and len({home.node for home in homes.values()}) == 3:
            break
    assert {home.node for home in homes.values()} == {"node-1", "node-2", "node-3"}
    for name, home in homes.items():
        assert cluster.ask("counter/u1", lambda reply_to, name=name: Forward(f"counter/{name}", reply_to)) == home


@pytest.mark.parametrize("value", [None, 0, "text", (1, [2.5, {"three": b"4"}])], ids=repr)
def test_a_value_is_echoed_whatever_it_is(cluster: Cluster, value: object) -> None:
    assert cluster.ask("counter/echo", lambda reply_to: Echo(value, reply_to)) == value


def test_a_slow_answer_takes_its_time(cluster: Cluster) -> None:
    assert cluster.ask("account/slow", lambda reply_to: Slow(0.1, reply_to)) == 0.1


def test_a_stopped_entity_starts_afresh(cluster: Cluster) -> None:
    cluster.tell("counter/stopped", Increment(9))
    assert cluster.ask("counter/stopped", GetCount) == 9
    cluster.tell("counter/stopped", Stop())
    # What arrives while it ends may be lost with it, so ask until it answers.
    wait_until(lambda: cluster.ask("counter/stopped", GetCount, timeout=1.0) == 0, 5)
