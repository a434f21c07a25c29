"""Waiting for a cluster, and being called by it, on real clusters of both kinds."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from casty_notebook import Cluster, answer_is, connect, member_is, no_problems
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment, WhereAreYou
from casty_notebook.errors import ClientClosed, MisuseError, ReadOnly, WaitTimeout
from casty_notebook.topology.events import TopologyEvent
from tests.support.waiting import wait_until
from tests.versions.environments import interpreters


@pytest.fixture(scope="module")
def cluster(demo_cluster: DemoCluster) -> Iterator[Cluster]:
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="following") as connected:
        yield connected


def test_what_is_so_already_is_not_waited_for(cluster: Cluster) -> None:
    assert cluster.wait_until(lambda c: c.system_name, timeout=0) == "demo"
    assert cluster.wait_until(member_is("node-1", "up", reachable=True), timeout=10)
    assert cluster.wait_until(member_is("node-77", "removed"), timeout=10)
    with pytest.raises(WaitTimeout):
        cluster.wait_until(member_is("node-1", "alive"), timeout=0)
    assert cluster.wait_until(no_problems, timeout=20)
    assert len(cluster.wait_until(lambda c: c.members, timeout=0)) == 3


def test_a_value_is_waited_for_by_asking_again(cluster: Cluster) -> None:
    threading.Timer(0.3, cluster.tell, ("counter/waited-for", Increment(4))).start()
    assert cluster.wait_until(answer_is("counter/waited-for", GetCount, 4, every=0.1), timeout=10)
    assert cluster.wait_until(answer_is("counter/waited-for", GetCount, lambda count: count > 3, every=0.1), timeout=10)


def test_a_timeout_says_what_was_waited_for_and_what_was_last_seen(cluster: Cluster) -> None:
    said = r"not within 0.1 s: node-2 is down\. Last seen: node-2 is up and reachable from here"
    with pytest.raises(WaitTimeout, match=said) as failure:
        cluster.wait_until(member_is("node-2", "down"), timeout=0.1)
    assert "following: 3 members" in str(failure.value)
    assert isinstance(failure.value, TimeoutError)
    with pytest.raises(WaitTimeout, match=r"counter/never-told answers 9\. Last seen: it answered 0"):
        cluster.wait_until(answer_is("counter/never-told", GetCount, 9, every=0.1), timeout=0.3)
    with pytest.raises(WaitTimeout, match="no member node-9 among node-1, node-2, node-3"):
        cluster.wait_until(member_is("node-9"), timeout=0)
    with pytest.raises(WaitTimeout, match="Last seen: it returned False"):
        cluster.wait_until(lambda c: c.closed, timeout=0)


def test_mistakes_are_told_at_once(cluster: Cluster, demo_cluster: DemoCluster) -> None:
    with pytest.raises(MisuseError, match="no member is ever 'upp'"):
        member_is("node-1", "upp")
    with pytest.raises(MisuseError, match="wait_until takes a function"):
        cluster.wait_until("node-1 is up")
    with pytest.raises(MisuseError, match="neither true nor false"):
        cluster.wait_until(lambda c: c.members.shards == 1)
    with pytest.raises(WaitTimeout):
        cluster.wait_until(lambda c: c.members[c.members.node == "node-77"], timeout=0)
    with pytest.raises(ZeroDivisionError):
        cluster.wait_until(lambda c: 1 // 0)
    with pytest.raises(MisuseError, match="no event is of kind 'lots'; there are member_joined"):
        cluster.on_event(print, kinds="lots")
    with pytest.raises(MisuseError, match="on_event takes a function, not str"):
        cluster.on_event("lost")  # type: ignore[arg-type]
    with connect(demo_cluster.uri, read_only=True, name="following-careful") as careful, pytest.raises(ReadOnly):
        careful.wait_until(answer_is("counter/a", GetCount, 1), timeout=5)


def test_closing_ends_a_wait_and_ctrl_c_does(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, name="following-closed") as closing:
        timer = threading.Timer(0.3, closing.close)
        timer.start()
        began = time.monotonic()
        with pytest.raises(ClientClosed):
            closing.wait_until(lambda c: False, timeout=50)
    for late in (closing.bell, lambda: closing.on_event(print), lambda: closing.on_problem(print)):
        with pytest.raises(ClientClosed, match="the connection is closed"):
            late()
    with pytest.raises(ClientClosed):
        closing.watch("counter/a", GetCount)
    with connect(demo_cluster.uri, name="following-interrupted") as interrupted:
        threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
        with pytest.raises(KeyboardInterrupt):
            interrupted.wait_until(lambda c: False, timeout=50)
    assert time.monotonic() - began < 20  # far from the timeouts


@pytest.mark.parametrize("kind", ["sharded", "virtual"])
def test_a_death_wakes_who_waits_and_calls_who_follows(kind: str, start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(3) if kind == "sharded" else start_cluster(3, casty="0.30", python=interpreters(["0.30.2"])["0.30.2"])
    came: list[TopologyEvent] = []
    looks = 0

    def lost(c: Cluster) -> bool:
        nonlocal looks
        looks += 1
        return any(view.reachable is False for view in c.health.values())

    with connect(demo.uri, shards=demo.shards if kind == "sharded" else None, name=f"following-{kind}") as cluster:
        cluster.wait_until(lambda c: all(view.reachable for view in c.health.values()), timeout=20)
        subscription = cluster.on_event(came.append, kinds=["lost", "reached_again"])
        node = demo.nodes[-1].name
        threading.Timer(0.2, demo.kill, (node,)).start()
        assert cluster.wait_until(lost, timeout=20)
        wait_until(lambda: came)
        assert [event.kind for event in came] == ["lost"]
        assert looks < 40  # by pushes, not by turning in a circle
        demo.restart(node)
        cluster.wait_until(lambda c: all(view.reachable for view in c.health.values()), timeout=30)
        wait_until(lambda: "reached_again" in [event.kind for event in came])
    assert subscription.stopped  # with its connection


def test_a_follower_may_ask_and_be_slow_while_the_loop_goes_on(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1)
    answers: list[object] = []
    held = threading.Event()

    with connect(demo.uri, shards=demo.shards) as cluster:

        def ask(_event: TopologyEvent) -> None:
            answers.append(cluster.ask("counter/followed", WhereAreYou))
            held.wait(10)

        with cluster.on_event(ask, kinds="shards_allocated"):
            cluster.ask("counter/first", GetCount)
            wait_until(lambda: answers)
            assert cluster.ask("counter/other", GetCount) == 0  # while `ask` still holds its thread
            held.set()


def test_a_member_that_is_well_is_up_whatever_its_cluster_calls_that(virtual_demo: DemoCluster) -> None:
    with connect(virtual_demo.uri, name="well") as cluster:
        assert cluster.wait_until(member_is("node-3", reachable=True), timeout=10)
        assert cluster.wait_until(member_is("node-3", "alive"), timeout=10)
        with pytest.raises(WaitTimeout, match="Last seen: node-3 is alive"):
            cluster.wait_until(member_is("node-3", "suspect"), timeout=0)
