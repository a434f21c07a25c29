"""Demo clusters of casty 0.30: real nodes, started, asked, broken and mended by the calls that the sharded ones have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    WhereAreYou,
)
from casty_notebook.errors import ActorFailed, MisuseError
from casty_notebook.topology.kinds import VIRTUAL
from tests.support.waiting import wait_until
from tests.versions.environments import interpreters


@pytest.fixture(scope="module")
def cluster(virtual_demo: DemoCluster) -> Iterator[Cluster]:
    with connect(virtual_demo.uri, messages=virtual_demo.messages, name="virtual actors") as cluster:
        yield cluster


def test_nodes_are_up_and_see_each_other_when_start_returns(virtual_demo: DemoCluster) -> None:
    assert [node.state for node in virtual_demo.nodes] == ["up", "up", "up"]
    assert {node.casty_version for node in virtual_demo.nodes} == {"0.30.2"}
    addresses = {node.address for node in virtual_demo.nodes}
    assert [node.view.up for node in virtual_demo.nodes] == [addresses] * 3
    assert virtual_demo.shards == {}


def test_the_types_are_met_before_anybody_asks(cluster: Cluster) -> None:
    assert cluster.kind is VIRTUAL
    wait_until(lambda: set(cluster.services.type) >= {"counter", "account", "sleeper", "faulty", "payment"}, 10)


def test_the_same_classes_ask_both_kinds_of_cluster(cluster: Cluster) -> None:
    before = cluster.ask("counter/clicks", GetCount)
    cluster.tell("counter/clicks", Increment(2))
    assert cluster.ask("counter/clicks", GetCount) == before + 2
    assert cluster.ask("account/bob", Deposit(5)).account == "bob"
    assert isinstance(cluster.ask("account/bob", GetBalance), Balance)
    receipt = cluster.ask("payment", ProcessPayment(amount=100))
    assert isinstance(receipt, PaymentReceipt)
    for value in (None, 3, "text", b"bytes", 2.5, True):
        assert cluster.ask("counter/echo", Echo(value, None)) == value  # type: ignore[arg-type]
    assert cluster.ask("account/slow", Slow(0.01, None)) == 0.01  # type: ignore[arg-type]


def test_every_actor_says_where_it_is_and_it_is_where_it_was_computed(cluster: Cluster, virtual_demo: DemoCluster) -> None:
    for number in range(10):
        place = cluster.where(f"counter/where-{number}")
        there = cluster.ask(f"counter/where-{number}", WhereAreYou)
        assert virtual_demo.node(there.node).address == place.address
        assert there.pid == virtual_demo.node(there.node).pid
    assert cluster.ask("counter/where-0", Forward("account/elsewhere", None)).actor == "elsewhere"  # type: ignore[arg-type]


def test_the_faulty_one_fails_and_goes_on(cluster: Cluster) -> None:
    assert [cluster.ask("faulty/a", GetCount) for _ in range(2)] == [1, 2]
    with pytest.raises(ActorFailed, match="question 3 was one too many"):
        cluster.ask("faulty/a", GetCount)
    assert cluster.ask("faulty/a", GetCount, timeout=10) == 4


def test_killed_frozen_restarted_and_added_nodes() -> None:
    python = interpreters(["0.30.2"])["0.30.2"]
    with DemoCluster(2, casty="0.30", python=python) as demo, connect(demo.uri, name="broken") as cluster:
        demo.kill("node-2")
        assert demo.node("node-2").state == "ended"
        demo.restart("node-2")
        added = demo.add()
        assert added.state == "up"
        wait_until(lambda: (cluster.members.status == "alive").sum() == 3, 20)
        demo.freeze("node-2")
        assert demo.node("node-2").state == "frozen"
        demo.thaw("node-2")
        assert cluster.ask("counter/after", "demo.GetCount", timeout=20) == 0


def test_a_release_that_differs_in_python_only_is_refused_with_what_is_needed() -> None:
    with pytest.raises(MisuseError, match=r"casty 0\.30\.0 for .* is not one .*pip install 'casty>=0\.30\.1,<0\.31'"):
        DemoCluster(1, casty="0.30", python=interpreters(["0.30.0"])["0.30.0"]).start()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"casty": "0.21"}, "0.15 to 0.21; leave it out"),
        ({"casty": "0.30", "serializer": "json"}, "one encoding"),
        ({"casty": "0.30", "compression": "zlib"}, "one encoding"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, str], says: str) -> None:
    with pytest.raises(MisuseError, match=says):
        DemoCluster(1, **options)  # type: ignore[arg-type]


def test_the_previous_release_is_a_demo_too(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1, casty="0.30", python=interpreters(["0.30.1"])["0.30.1"])
    with connect(demo.uri, name="previous") as cluster:
        assert cluster.ask("counter/a", GetCount) == 0


def test_its_nodes_tell_which_keys_are_active(cluster: Cluster) -> None:
    cluster.ask("counter/told", GetCount)
    assert "told" in set(cluster.activations.key)
    assert "cluster.activations" in repr(cluster)
