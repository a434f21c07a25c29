"""One question to many: every target is a row, whatever happens."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from casty_notebook import Cluster, connect
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import Deposit, Echo, GetBalance, GetCount, Increment, Slow, WhereAreYou
from casty_notebook.errors import MisuseError, NoSuchService
from tests.support.messages import NOBODY

COLUMNS = ["target", "node", "shard", "reply", "latency_ms", "error"]


@pytest.fixture(scope="module")
def cluster(demo_cluster: DemoCluster):  # type: ignore[no-untyped-def]
    with connect(demo_cluster.uri, shards=demo_cluster.shards, messages=[messages], name="fan-out") as connected:
        yield connected


def test_a_pattern_with_a_range_names_entities(cluster: Cluster) -> None:
    table = cluster.ask_many("counter/fan-{08..11}", GetCount)
    assert list(table.columns) == COLUMNS
    assert list(table["target"]) == ["counter/fan-08", "counter/fan-09", "counter/fan-10", "counter/fan-11"]
    assert list(table["reply"]) == [0, 0, 0, 0]
    assert set(table["node"]) <= {"node-1", "node-2", "node-3"}
    assert table["shard"].between(0, 99).all()
    assert (table["latency_ms"] > 0).all()
    summary = table.attrs["summary"]
    assert {key: summary[key] for key in ("asked", "answered", "failed", "interrupted")} == {
        "asked": 4, "answered": 4, "failed": 0, "interrupted": 0,
    }  # fmt: skip


def test_a_column_of_ids_names_entities_of_a_type(cluster: Cluster) -> None:
    users = pd.DataFrame({"user": ["ann", "bob"], "number": np.array([3, 4])})
    assert list(cluster.ask_many(users["user"], GetCount, shard_type="counter")["target"]) == ["counter/ann", "counter/bob"]
    assert list(cluster.ask_many(users["number"], GetCount, shard_type="counter")["target"]) == ["counter/3", "counter/4"]
    assert list(cluster.ask_many((name for name in "ab"), GetCount, shard_type="counter")["target"]) == ["counter/a", "counter/b"]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (pd.Series(["a", None]), "the entity id at place 1 is missing"),
        (pd.Series([1.0, float("nan")]), r"the entity id at place 0 is 1\.0, of type float; an id is a text"),
        (pd.array([1, pd.NA], dtype="Int64"), r"the entity id at place 1 is missing \(<NA>\); drop such rows before asking"),
        ([("a", "b")], r"an id is a text, a whole number or a UUID: convert it, for example by \.astype\(str\)"),
    ],
)
def test_ids_that_are_missing_or_guesses_are_refused_before_anything_is_sent(cluster: Cluster, ids: Any, says: str) -> None:
    with pytest.raises(MisuseError, match=says):
        cluster.ask_many(ids, GetCount, shard_type="counter")


def test_a_services_name_stands_for_all_its_instances(cluster: Cluster) -> None:
    table = cluster.ask_many("payment", WhereAreYou)
    assert sorted(table["node"]) == ["node-1", "node-2"] == sorted(reply.node for reply in table["reply"])
    with pytest.raises(NoSuchService, match=r"no instance of that service is in the last snapshot; did you mean 'payment'"):
        cluster.ask_many("paymnt", WhereAreYou)


def test_a_service_on_one_member(cluster: Cluster) -> None:
    assert {cluster.ask("payment@node-2", WhereAreYou).node for _ in range(5)} == {"node-2"}
    with pytest.raises(NoSuchService, match=r"node-3 has no instance of payment; it is on node-1, node-2\."):
        cluster.ask("payment@node-3", WhereAreYou)
    with pytest.raises(NoSuchService, match=r"no member is called 'nod-1'; did you mean 'node-1'\."):
        cluster.ask("payment@nod-1", WhereAreYou)
    assert cluster.where("payment@node-2").node == "node-2"


def test_the_row_of_a_service_names_the_instance_that_answered(cluster: Cluster) -> None:
    table = cluster.ask_many(["payment"] * 30, WhereAreYou)
    assert set(table["node"]) == {"node-1", "node-2"}
    assert list(table["node"]) == [reply.node for reply in table["reply"]]


def test_failures_of_every_kind_are_rows(cluster: Cluster) -> None:
    targets = ["counter/1", "nobody", "nowhere/1", "", "casty://demo@127.0.0.1:1/x", "counter/slow", "payment"]
    cluster.ask("counter/slow", GetCount)  # Where it lives is known then, and the short time is all the actor's.
    # Not longer: others want an answer of "payment", too.
    table = cluster.ask_many(targets, lambda r: Slow(0.0 if r is None else 2, r), timeout=0.2)
    assert list(table["target"]) == targets
    errors = dict(zip(table["target"], table["error"], strict=True))
    assert errors["nobody"].startswith("NoSuchService: nobody: no instance of that service is in the last snapshot")
    assert "nothing is known of the sharded type 'nowhere'" in errors["nowhere/1"]
    assert errors[""].startswith("MisuseError: '' is no target; write an entity (counter/user-42)")
    assert "127.0.0.1:1" in errors["casty://demo@127.0.0.1:1/x"]
    assert errors["counter/slow"].startswith("AskTimeout: counter/slow: sent to 127.0.0.1:")
    assert table.attrs["summary"]["failed"] == 7


def test_the_fields_of_the_replies_are_columns_on_request(cluster: Cluster) -> None:
    cluster.ask("account/fields-1", Deposit(5))
    table = cluster.ask_many("account/fields-{1..3}", GetBalance, fields=True)
    assert list(table.columns) == ["target", "node", "shard", "account", "amount", "latency_ms", "error"]
    assert list(table["amount"]) == [5, 0, 0]
    assert table["amount"].dtype == "Int64"


def test_fields_named_like_a_column_and_replies_without_fields_lose_nothing(cluster: Cluster) -> None:
    table = cluster.ask_many(["counter/a", "payment@node-1"], WhereAreYou, fields=True)
    assert list(table["reply.node"]) == list(table["node"])
    mixed = cluster.ask_many(["counter/a", "nobody"], lambda r: Echo({"x": 1}, r), fields=True)
    assert list(mixed["x"]) == [1, pd.NA]
    assert list(cluster.ask_many("counter/{1..2}", GetCount, fields=True)["reply"]) == [0, 0], "numbers have no fields"


def test_ten_thousand_targets_in_one_call(cluster: Cluster) -> None:
    # Of few entities: a casty node takes longer and longer to start one (the first 10,000 take it 10 s).
    table = cluster.ask_many((number % 250 for number in range(10_000)), GetCount, shard_type="counter", timeout=30)
    assert len(table) == 10_000
    assert table.attrs["summary"]["answered"] == 10_000
    assert table["target"].iloc[-1] == "counter/249"
    assert set(table["node"].cat.categories) == {"node-1", "node-2", "node-3"}


def test_no_more_are_on_their_way_than_asked_for(cluster: Cluster) -> None:
    began = time.monotonic()
    cluster.ask_many("counter/slow-{1..6}", Slow(0.1, NOBODY), concurrency=2)
    assert time.monotonic() - began >= 0.3
    with pytest.raises(MisuseError, match="concurrency must be at least 1, not 0"):
        cluster.ask_many("counter/{1..3}", GetCount, concurrency=0)


@pytest.mark.parametrize("pattern", ["counter/{1..200000}", "counter/{1..1000}-{1..1000}"])
def test_more_than_one_call_may_ask_is_refused(cluster: Cluster, pattern: str) -> None:
    with pytest.raises(MisuseError, match=r"100,000 targets\. Ask them in several calls"):
        cluster.ask_many(pattern, GetCount)


def interrupt_when(condition: Any) -> None:
    def watch() -> None:
        while not condition():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch).start()


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_keeps_what_has_arrived(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    answered: list[int] = []
    interrupt_when(lambda: len(answered) >= 6)
    table = cluster.ask_many(
        "counter/stopped-{1..60}", Slow(0.1, NOBODY), concurrency=3, on_answer=lambda place, _answer: answered.append(place)
    )
    assert len(table) == 60
    summary = table.attrs["summary"]
    assert 6 <= summary["answered"] < 60
    assert summary["answered"] + summary["interrupted"] == 60
    assert summary["failed"] == 0
    given_up = table["error"].dropna().value_counts()
    assert given_up["Interrupted: no reply had come when it was interrupted; it may have been executed"] == 3
    assert "Interrupted: it was interrupted before this one was asked" in given_up
    assert f"fan-out: interrupted after {summary['answered']} of 60; the table keeps what has arrived" in caplog.messages
    assert cluster.ask("counter/afterwards", GetCount) == 0, "the connection is as it was"


def test_an_error_of_the_users_own_code_passes_as_it_is(cluster: Cluster) -> None:
    def broken(_reply_to: object) -> object:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        cluster.ask_many("counter/{1..5}", broken)


def test_an_unknown_number_of_shards_goes_through_a_proxy_and_says_so_once(
    demo_cluster: DemoCluster, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.tell("counter/by-proxy-2", Increment(5))
    assert cluster.ask("counter/by-proxy-2", GetCount) == 5
    with connect(demo_cluster.uri, name="guess-nothing") as other:
        assert other.ask("counter/by-proxy-2", GetCount) == 5
        assert other.ask("counter/by-proxy-2", GetCount) == 5
        said = [text for text in caplog.messages if text.startswith("guess-nothing: ")]
        assert len(said) == 1
        assert "the number of shards of 'counter' is not known here: its messages go through the proxy of node-" in said[0]
        assert "shards={'counter': N} makes them go straight to their owners." in said[0]
        assert other.where("counter/by-proxy-2").shard is None, "it is not guessed either"
        with pytest.raises(MisuseError, match=r"nothing is known of the sharded type 'countr'; did you mean 'counter'; a type"):
            other.ask("countr/1", GetCount)
