"""What every backend promises, on real nodes of every release: the rooms above know nothing but this."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import Cluster, Recording
from casty_notebook.errors import AskFailed, AskTimeout, CastyNotebookError, ClientClosed, MisuseError, ReadOnly
from casty_notebook.topology.kinds import SHARDED, VIRTUAL
from tests.backends.conftest import Case
from tests.support.waiting import wait_until


def add(cluster: Cluster, case: Case, target: str, amount: int) -> None:
    """Tell; but on 0.30.0 a message that wants a reply has a field for its address, and does not fit without."""
    message = case.add.format(amount=amount)
    if case.release == "0.30.0":
        cluster.ask(target, message)
    else:
        cluster.tell(target, message)


def test_the_kind_is_found_without_being_told(cluster: Cluster, case: Case) -> None:
    assert cluster.kind is (VIRTUAL if case.virtual else SHARDED)
    assert cluster.topology is not None
    assert cluster.topology.kind is cluster.kind


def test_every_member_is_seen_and_reached(cluster: Cluster, case: Case) -> None:
    wait_until(lambda: len(cluster.members) == case.members and cluster.members.reachable.eq(True).all())
    assert list(cluster.members.node) == ["node-1", "node-2"]
    assert set(cluster.members.status) <= {"up", "alive"}
    wait_until(lambda: bool((cluster.members.rtt_ms < 10_000).all()))  # known once a first ping has been answered


def test_what_is_told_arrives_in_order_before_what_is_asked_then(cluster: Cluster, case: Case) -> None:
    for amount in (1, 2, 3):
        add(cluster, case, "counter/told", amount)
    assert cluster.ask("counter/told", case.read) == 6


def test_thousands_that_are_told_at_once_all_arrive(cluster: Cluster, case: Case) -> None:
    for _ in range(2_000):
        add(cluster, case, "counter/thousands", 1)
    assert cluster.ask("counter/thousands", case.read, timeout=30) == 2_000


def test_many_are_asked_and_each_row_says_where(cluster: Cluster, case: Case) -> None:
    add(cluster, case, "counter/many-3", 7)
    table = cluster.ask_many("counter/many-{1..40}", case.read)
    assert table.error.isna().all()
    assert table.reply.tolist() == [0, 0, 7] + [0] * 37
    assert set(table.node) == {"node-1", "node-2"}
    assert table.shard.notna().all()


def test_our_own_asks_are_counted_by_node_type_and_cause(case: Case) -> None:
    with case.connect(name="counted") as cluster:
        cluster.ask_many("counter/many-{1..40}", case.read)
        slow = "shop.actors" if case.virtual else "casty_notebook.demo.messages"
        for _ in range(2):
            with pytest.raises(AskTimeout):
                cluster.ask("counter/many-slow", f"{slow}.Slow(seconds=60)", timeout=0.2)
        traffic = cluster.traffic
    answered, failed = traffic[traffic.cause.isna()], traffic[traffic.cause.notna()]
    assert answered.groupby("node", observed=True)["count"].sum().sum() == 40
    assert set(answered.node) == {"node-1", "node-2"}
    assert answered["type"].str.contains("counter").all()
    assert (answered.p50_ms <= answered.p99_ms).all()
    assert answered.errors.sum() == 0
    assert (failed.cause.tolist(), failed["count"].sum(), failed.errors.sum()) == (["AskTimeout"] * len(failed), 2, 2)
    assert failed.p50_ms.between(150, 5_000).all()  # 200 ms and what a busy machine adds


def test_a_place_is_named_and_is_where_the_answer_comes_from(cluster: Cluster, case: Case) -> None:
    cluster.ask("counter/user-42", case.read)
    place = cluster.where("counter/user-42")
    table = cluster.ask_many(["counter/user-42"], case.read)
    assert place.node == table.node[0]
    assert place.shard == table.shard[0]
    assert place.reachable is True
    assert place.kind is cluster.kind


def test_placements_and_names_are_in_the_tables(cluster: Cluster, case: Case) -> None:
    cluster.ask("counter/user-42", case.read)
    wait_until(lambda: len(cluster.shards) > 0)
    assert set(cluster.shards.node) <= {"node-1", "node-2"}
    if case.virtual:
        assert len(cluster.shards) == 1024
        assert set(cluster.services.type) >= {"counter"}
    else:
        assert set(cluster.shards.type) >= {"counter"}
        assert len(cluster.services) > 0


def test_counters_maps_sets_and_queues_are_used_by_name(cluster: Cluster) -> None:
    hits, users, tags, jobs = cluster.counter("hits"), cluster.dict("users"), cluster.set("tags"), cluster.queue("jobs")
    assert [hits.get(), hits.increment(), hits.increment(5), hits.decrement(2), hits.get()] == [0, 1, 6, 4, 4]
    assert [users.get("a"), users.contains("a"), users.put("a", "x"), users.put("a", "y")] == [None, False, None, "x"]
    assert users.get("a") == "y"
    assert [users.contains("a"), users.delete("a"), users.delete("a"), users.get("a")] == [True, True, False, None]
    assert [tags.size(), tags.add("x"), tags.add("x"), tags.add("y"), tags.size()] == [0, True, False, True, 2]
    assert [tags.contains("x"), tags.remove("x"), tags.remove("x"), tags.contains("x")] == [True, True, False, False]
    assert tags.size() == 1
    assert [jobs.peek(), jobs.size(), jobs.dequeue(), jobs.enqueue("1st"), jobs.enqueue("2nd")] == [None, 0, None, None, None]
    assert [jobs.peek(), jobs.size(), jobs.dequeue(), jobs.dequeue(), jobs.dequeue()] == ["1st", 2, "1st", "2nd", None]
    assert [hits.destroy(), tags.destroy(), jobs.destroy()] == [True, True, True]
    assert [hits.get(), tags.size(), jobs.size()] == [0, 0, 0]
    assert repr(hits) == f"<Counter 'hits' of {cluster.name}>"


def test_a_listener_hears_what_is_told_to_its_ref_until_it_is_closed(cluster: Cluster, case: Case) -> None:
    with cluster.listen("counter/heard", case.read) as heard:
        assert heard.get(10) == 0
        with pytest.raises(AskTimeout, match="1 came before"):
            heard.get(0.05)
        assert (heard.received, heard.dropped, heard.closed) == (1, 0, False)
    with pytest.raises(MisuseError, match="nothing comes any more"):
        heard.get(1)
    assert len(cluster.collect("counter/heard", case.read, count=1, seconds=10)) == 1


def test_nodes_that_do_not_tell_what_they_are_at_are_an_error_that_says_how_they_could(cluster: Cluster, case: Case) -> None:
    for table in ("activations", "loads", "node_log"):
        with pytest.raises(MisuseError, match="casty_nodeside.py" if case.virtual else "those of 0.30 can"):
            getattr(cluster, table)
    assert "active" not in cluster.members.columns


def test_a_mistyped_target_is_refused_before_anything_is_sent(cluster: Cluster, case: Case) -> None:
    with pytest.raises((MisuseError, AskFailed)) as error:
        cluster.ask("", case.read)
    assert isinstance(error.value, CastyNotebookError)
    with pytest.raises(CastyNotebookError):
        cluster.ask("casty-has-no-such-type/1", case.read, timeout=0.5)


def test_a_message_that_is_none_is_refused_before_anything_is_sent(cluster: Cluster) -> None:
    with pytest.raises(MisuseError):
        cluster.ask("counter/user-42", "this is no message")


def test_another_loop_and_another_thread_may_ask(cluster: Cluster, case: Case) -> None:
    async def ask() -> Any:
        return await cluster.ask_async("counter/elsewhere", case.read)

    assert asyncio.run(ask()) == 0
    replies: list[Any] = []
    thread = threading.Thread(target=lambda: replies.append(cluster.ask("counter/elsewhere", case.read)))
    thread.start()
    thread.join(20)
    assert replies == [0]


def test_a_read_only_connection_asks_its_questions_and_nothing_else(case: Case) -> None:
    question = case.read.partition("(")[0]
    with case.connect(name="rail", read_only=True, questions=[question]) as rail:
        assert rail.ask("counter/rail", case.read) == 0
        added = case.add.format(amount=1)
        forbidden: list[Callable[[], object]] = [
            lambda: rail.tell("counter/rail", added),
            lambda: rail.tell("counter/rail", case.read),
            lambda: rail.tell_many(["counter/rail"], added),
            lambda: rail.tell_many(["counter/rail"], messages=[added]),
            lambda: rail.ask("counter/rail", added),
            lambda: rail.ask_many(["counter/rail"], added),
            lambda: rail.sample("counter/rail", added, count=1),
            lambda: rail.watch("counter/rail", added),
            lambda: rail.listen("counter/rail", added),
            lambda: rail.collect("counter/rail", added, seconds=0.1),
        ]
        for each in forbidden:
            with pytest.raises(ReadOnly):
                each()
        assert rail.ask("counter/rail", case.read) == 0
        assert rail.counter("hits").get() == 0
        for write in (rail.counter("hits").increment, rail.queue("jobs").dequeue, rail.set("tags").destroy):
            with pytest.raises(ReadOnly):
                write()


def test_what_was_seen_is_kept_and_read_again(cluster: Cluster, case: Case, tmp_path: Path) -> None:
    file = tmp_path / "seen.casty"
    cluster.record().save(file)
    back = Recording.load(file)
    assert back.members.node.tolist() == ["node-1", "node-2"]
    assert back.at(0).kind is cluster.kind
    assert back.members.columns.tolist() == cluster.members.columns.tolist()


def test_it_shows_itself_as_text_html_map_and_widget(cluster: Cluster, case: Case) -> None:
    wait_until(lambda: int(cluster.members.reachable.sum()) == case.members)
    for text in (repr(cluster), cluster._repr_html_()):
        assert "3 reachable" not in text
        assert "2 reachable from here" in text
        assert cluster.kind.services in text
    bundle = cluster.widget()._repr_mimebundle_()
    assert bundle is not None
    assert "node-2" in str(bundle)


def test_a_closed_connection_says_so_and_keeps_what_it_saw(case: Case) -> None:
    with case.connect(name="closing") as closing:
        pass
    with pytest.raises(ClientClosed):
        closing.ask("counter/user-42", case.read)
    assert len(closing.members) == case.members
    assert closing.members.reachable.eq(False).all()


def test_a_wrong_address_is_an_error_that_lists_it() -> None:
    import casty_notebook
    from tests.support.ports import free_port

    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(CastyNotebookError, match=nobody):
        casty_notebook.connect(f"casty://shop@{nobody}", timeout=3)


def test_the_error_of_an_ask_is_a_line_that_says_what_is_known(cluster: Cluster, case: Case) -> None:
    slow = "shop.actors.Slow(seconds=60.0)" if case.virtual else "casty_notebook.demo.messages.GetCount()"
    target = "counter/slow" if case.virtual else "nothing-hosts-this/1"
    with pytest.raises(CastyNotebookError) as error:
        cluster.ask(target, slow, timeout=0.3)
    assert "\n" not in io.StringIO(str(error.value)).getvalue()


def test_a_trace_is_told_of_dials_pushes_asks_and_replies(case: Case) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    with case.connect(trace=lambda name, info: told.append((name, dict(info)))) as opened:
        opened.ask("counter/traced", case.read)
        reached = set(opened.members["address"])
    names = [name for name, _ in told]
    ways = ("dial", "link.opened", "push", "ask.made", "ask.sent", "ask.replied")
    assert sorted(map(names.index, ways)) == list(map(names.index, ways)), names
    replied = dict(told)["ask.replied"]
    assert replied["target"].endswith("counter/traced")
    assert str(replied["node"]) in reached
