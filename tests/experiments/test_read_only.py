"""Safety rails: connections that only ask, and that say which they are."""

from __future__ import annotations

import time

import pytest

from casty_notebook import Cluster, ShardEnvelope, connect
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import Deposit, GetBalance, GetCount, Increment, ProcessPayment
from casty_notebook.errors import MisuseError, ReadOnly

BALANCE = "casty_notebook.demo.messages.GetBalance"


@pytest.fixture(scope="module")
def prod(demo_cluster: DemoCluster):  # type: ignore[no-untyped-def]
    with connect(
        demo_cluster.uri, shards=demo_cluster.shards, messages=[messages], name="prod", read_only=True,
        questions=[GetCount, BALANCE], colour="crimson",
    ) as connected:  # fmt: skip
        yield connected


@pytest.fixture(scope="module")
def free(demo_cluster: DemoCluster):  # type: ignore[no-untyped-def]
    with connect(demo_cluster.uri, shards=demo_cluster.shards, messages=[messages], name="free") as connected:
        yield connected


def test_questions_are_asked_as_instances_classes_and_stand_ins(prod: Cluster) -> None:
    assert prod.ask("counter/rails", GetCount) == 0
    assert prod.ask("counter/rails", lambda reply_to: GetCount(reply_to)) == 0
    assert prod.ask("account/rails", f"{BALANCE}()").amount == 0
    assert prod.ask_many("account/rails-{1..3}", GetBalance)["error"].isna().all()
    assert len(prod.sample("counter/rails", GetCount, count=2, every=0.01)) == 2


def test_a_tell_is_refused_by_every_way(prod: Cluster, free: Cluster) -> None:
    said = r"connection 'prod' is read-only: a tell would change .*Increment was not sent\. Connect without read_only to tell"
    with pytest.raises(ReadOnly, match=said):
        prod.tell("counter/untouched", Increment(1))
    with pytest.raises(ReadOnly, match=said):
        next(iter(prod.lookup("payment"))).ref.tell(Increment(1))
    counters = prod.entity_ref("counter", 100)
    with pytest.raises(ReadOnly, match=said):
        counters.tell(ShardEnvelope("untouched", Increment(1)))
    assert free.ask("counter/untouched", GetCount) == 0


def test_a_message_that_is_no_question_is_refused_before_it_is_sent(prod: Cluster, free: Cluster) -> None:
    with pytest.raises(
        ReadOnly,
        match=r"connection 'prod' is read-only and casty_notebook\.demo\.messages\.Deposit is not one of its questions, so it "
        r"was not sent: its questions are casty_notebook\.demo\.messages\.GetBalance, casty_notebook\.demo\.messages\.GetCount\. "
        r"If Deposit only reads, connect with questions=\[…\] naming it",
    ):
        prod.ask("account/untouched", Deposit(5))
    with pytest.raises(ReadOnly, match=r"did you mean casty_notebook\.demo\.messages\.GetBalance\?"):
        prod.ask("account/untouched", "other.GetBalances()")
    with pytest.raises(ReadOnly, match="ProcessPayment is not one of its questions"):
        prod.ask_many(["payment", "payment@node-1"], ProcessPayment(1))
    with pytest.raises(ReadOnly):
        prod.sample("account/untouched", Deposit(5))
    assert free.ask("account/untouched", GetBalance).amount == 0


async def test_the_awaitable_ask_is_bound_as_well(prod: Cluster) -> None:
    with pytest.raises(ReadOnly):
        await prod.ask_async("account/untouched", Deposit(5))


def test_a_module_lists_all_its_classes_and_other_things_are_refused(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, name="all", read_only=True, questions=messages, shards=demo_cluster.shards) as cluster:
        assert cluster.ask("account/rails", GetBalance).amount == 0
        assert f"{BALANCE}" in cluster.questions
    with pytest.raises(MisuseError, match="is neither a class, a module nor the dotted name of a class; write questions="):
        connect(demo_cluster.uri, read_only=True, questions=[5])
    with pytest.raises(MisuseError, match="'GetBalance' is not the dotted name of a class"):
        connect(demo_cluster.uri, read_only=True, questions=["GetBalance"])
    with pytest.raises(MisuseError, match="questions are what a read-only connection may ask; add read_only=True"):
        connect(demo_cluster.uri, questions=[GetBalance])


def test_the_card_carries_name_colour_and_what_may_be_asked(prod: Cluster, free: Cluster) -> None:
    text = repr(prod).splitlines()
    assert text[0] == "Casty cluster prod (system demo) [crimson, read-only]"
    assert f"  asks      {BALANCE}, casty_notebook.demo.messages.GetCount" in text
    assert "border-left:.6em solid crimson" in prod._repr_html_()
    assert "[" not in repr(free).splitlines()[0]


@pytest.mark.parametrize("colour", ["red;background:url(x)", "", "#12", 'x" onclick="', "rgb(1,2,3)"])
def test_what_is_no_colour_is_refused(demo_cluster: DemoCluster, colour: str) -> None:
    began = time.monotonic()
    with pytest.raises(MisuseError, match=r"is no colour; write a CSS name \(crimson\) or #rgb or #rrggbb"):
        connect(demo_cluster.uri, colour=colour)
    assert time.monotonic() - began < 5, "before anything is dialled"
