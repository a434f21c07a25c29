"""casty's distributed structures, created by the nodes and used from outside."""

from __future__ import annotations

import time

import pytest

from casty_notebook import Cluster, ClusterClient, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import AskTimeout, MisuseError, ReadOnly, ShardCountMismatch


def test_a_counter_is_read_and_counted(any_bank: Cluster) -> None:
    hits = any_bank.counter("hits")
    assert hits.get() == 0, "nobody has used it: the leader is asked who hosts it"
    assert (hits.increment(), hits.increment(5), hits.decrement(2)) == (1, 6, 4)
    assert hits.get() == 4
    assert hits.destroy() is True
    assert hits.get() == 0


def test_a_map_is_read_and_written_by_key(any_bank: Cluster) -> None:
    users = any_bank.dict("users")
    assert (users.get("alice"), users.contains("alice")) == (None, False)
    assert users.put("alice", {"age": 30}) is None
    assert users.put("alice", {"age": 31}) == {"age": 30}
    assert (users.get("alice"), users.contains("alice")) == ({"age": 31}, True)
    assert users.put(7, "by number") is None
    assert users.get("7") == "by number", "keys are texts to casty"
    assert (users.delete("alice"), users.delete("alice")) == (True, False)


def test_a_set_is_read_and_written(any_bank: Cluster) -> None:
    tags = any_bank.set("tags")
    assert (tags.size(), tags.contains("x")) == (0, False)
    assert (tags.add("x"), tags.add("x"), tags.add("y")) == (True, False, True)
    assert (tags.size(), tags.contains("x")) == (2, True)
    assert (tags.remove("x"), tags.remove("x"), tags.size()) == (True, False, 1)
    assert tags.destroy() is True


def test_a_queue_is_looked_into_and_used(any_bank: Cluster) -> None:
    jobs = any_bank.queue("jobs")
    assert (jobs.size(), jobs.peek(), jobs.dequeue()) == (0, None, None)
    jobs.enqueue("first")
    jobs.enqueue(["second"])
    assert (jobs.size(), jobs.peek(), jobs.size()) == (2, "first", 2)
    assert (jobs.dequeue(), jobs.dequeue(), jobs.size()) == ("first", ["second"], 0)
    assert jobs.destroy() is True


def test_the_same_value_is_seen_from_every_side(bank: Cluster, bank_cluster: DemoCluster) -> None:
    bank.counter("hits").increment(3)
    with connect(bank_cluster.uri, name="other-side") as other:
        assert other.counter("hits").get() == 3, "through a proxy, which knows the number of shards"
        assert other.counter("hits", shards=50).get() == 3, "straight to its owner"
        assert other.counter("hits").get() == 3
        with pytest.raises(ShardCountMismatch, match="50"):
            other.counter("hits", shards=100).get()
    bank.counter("hits").destroy()


def test_a_structure_says_what_it_is(bank: Cluster) -> None:
    assert [repr(each) for each in (bank.counter("hits"), bank.dict("users"), bank.set("tags"), bank.queue("jobs"))] == [
        "<Counter 'hits' of bank>", "<Dict 'users' of bank>", "<Set 'tags' of bank>", "<Queue 'jobs' of bank>",
    ]  # fmt: skip
    with pytest.raises(MisuseError, match=r"a queue has a name; write for example cluster\.queue\('hits'\)"):
        bank.queue("")


def test_a_structure_that_no_node_has_created_is_a_timeout_that_says_so(bank: Cluster) -> None:
    bank.counter("hits").get()
    began = time.monotonic()
    with pytest.raises(
        AskTimeout,
        match=r"counter 'hist': no node hosts it: the leader named none for 'd-counter-hist'\. "
        r"A counter exists once a node has created it\. Did you mean 'hits'\? .*it was not sent",
    ):
        bank.counter("hist", timeout=0.4).get()
    assert 0.3 < time.monotonic() - began < 3


def test_a_read_only_connection_reads_structures_and_does_not_write_them(bank: Cluster, bank_cluster: DemoCluster) -> None:
    bank.queue("jobs").enqueue("kept")
    with connect(bank_cluster.uri, name="looker", read_only=True) as looker:
        assert (looker.queue("jobs").size(), looker.queue("jobs").peek()) == (1, "kept")
        assert looker.counter("hits").get() == 0
        assert looker.dict("users").contains("nobody") is False
        assert looker.set("tags").size() == 0
        for write in (
            looker.queue("jobs").dequeue, looker.counter("hits").increment, looker.counter("hits").destroy,
            lambda: looker.set("tags").add(1), lambda: looker.dict("users").put("a", 1),
        ):  # fmt: skip
            with pytest.raises(ReadOnly, match=r"'looker' is read-only and casty\.distributed\..* is not one of its questions"):
                write()
    assert bank.queue("jobs").dequeue() == "kept"


async def test_the_client_has_them_by_castys_own_names(bank_cluster: DemoCluster) -> None:
    async with ClusterClient(contact_points=bank_cluster.contact_points, system_name="bank") as client:
        await client.wait_for_topology(timeout=5.0)
        theirs = client.distributed()
        hits = theirs.counter("hits", shards=50)
        before = await hits.get()
        assert (await hits.increment(), await hits.decrement(3)) == (before + 1, before - 2)
        assert await hits.increment(2) == before
        users = theirs.map[str, int]("users", timeout=5.0)
        assert await users.put("distributed", 1) is None
        assert (await users.get("distributed"), await users.contains("distributed")) == (1, True)
        assert await users.delete("distributed") is True
        tags = theirs.set("tags")
        assert (await tags.add("distributed"), await tags.remove("distributed")) == (True, True)
        jobs = theirs.queue[str]("jobs")
        await jobs.enqueue("distributed")
        assert await jobs.dequeue() == "distributed"
