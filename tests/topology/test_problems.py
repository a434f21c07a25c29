"""What is wrong is found, dated and told apart; nothing is found where nothing is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.history import History
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import GRACE, KINDS, Known, Problem, find_problems, problem_rows
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, TopologySnapshot
from casty_notebook.topology.traffic import TrafficRow
from tests.support.topologies import member, node, owned_by, topology
from tests.topology.test_history import DOWN, LIVE, after

WELL = {node(1): LIVE, node(2): LIVE, node(3): LIVE}
LOST_3 = {**WELL, node(3): DOWN}
PLACED = {"cart": {shard: owned_by(shard % 3 + 1) for shard in range(30)}}
PAY = [ServiceEntry("pay", node(1), "/pay"), ServiceEntry("pay", node(3), "/pay")]


def cluster(**changes: Any) -> TopologySnapshot:
    return topology(**{"members": [member(1), member(2), member(3)], "leader": 1, "shards": PLACED, "services": PAY, **changes})


def seen(*moments: tuple[float, TopologySnapshot, dict[Any, NodeHealth]], now: float) -> tuple[Problem, ...]:
    history = History()
    for second, snapshot, health in moments:
        history.note(Moment(after(second), snapshot, health))
    return find_problems(history.moments, tuple(history.events), after(now), snapshot_age=0.5)


def kinds(problems: Sequence[Problem]) -> set[tuple[str, str]]:
    return {(problem.kind, problem.subject) for problem in problems}


def test_a_healthy_cluster_has_none() -> None:
    assert seen((0, cluster(), WELL), now=3600) == ()


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), min_size=1, max_size=12), st.data())
def test_what_was_found_before_changes_nothing_but_the_work(steps: list[tuple[int, bool, bool]], data: st.DataObject) -> None:
    history, second = History(), 0
    for later, lost, led in steps:
        second += later
        history.note(Moment(after(second), cluster(leader=1 if led else None), LOST_3 if lost else WELL))
    records, events = history.moments, tuple(history.events)
    some = data.draw(st.integers(1, len(records)))
    seen_at = records[some].time if some < len(records) else after(second + 5)
    before = find_problems(records[:some], [each for each in events if each.time < seen_at], seen_at)
    now = after(second + 5)
    assert find_problems(records, events, now, known=Known.of(records[:some], before)) == find_problems(records, events, now)


def test_a_node_that_is_being_connected_is_no_problem() -> None:
    assert seen((0, cluster(), {**WELL, node(3): NodeHealth(LinkState.connecting)}), now=60) == ()


def test_a_lost_node_is_dated_from_its_loss_and_names_what_went_with_it() -> None:
    found = seen((0, cluster(), WELL), (10, cluster(), LOST_3), now=60)
    assert kinds(found) == {
        ("unreached_up", "node-3"), ("owner_lost", "cart on node-3"), ("instance_lost", "pay on node-3"),
        ("last_instance", "pay"),
    }  # fmt: skip
    assert {problem.since for problem in found} == {after(10)}
    (lost,) = [problem for problem in found if problem.kind == "unreached_up"]
    assert lost.says == "here"
    assert DOWN.reason in lost.text
    assert lost.remedy.startswith("it was reached before: see that it runs; if it does, its log")
    (pay,) = [problem for problem in found if problem.kind == "instance_lost"]
    assert pay.remedy.endswith("ask with retry=True, or name one that lives: pay@node-1")
    (shards,) = [problem for problem in found if problem.kind == "owner_lost"]
    assert shards.text.startswith("10 shards of cart")


def test_only_a_node_that_was_never_reached_needs_another_way_to_it() -> None:
    (lost,) = [problem for problem in seen((0, cluster(), LOST_3), now=60) if problem.kind == "unreached_up"]
    assert "address_map= or ssh= is the way to it" in lost.remedy


def test_a_lost_instance_beside_which_there_is_no_other_is_said_to_be_the_last() -> None:
    alone = cluster(services=[ServiceEntry("pay", node(3), "/pay")])
    (pay,) = [problem for problem in seen((0, alone, LOST_3), now=60) if problem.kind == "instance_lost"]
    assert pay.remedy == "lookups still give it out: no other is left"


def test_what_lasts_but_a_moment_is_none_yet() -> None:
    assert seen((0, cluster(), WELL), (10, cluster(), LOST_3), now=10.5) == ()
    assert kinds(seen((0, cluster(), WELL), (10, cluster(), LOST_3), now=11.5)) == {("unreached_up", "node-3")}


def test_what_is_over_is_none_any_more() -> None:
    assert kinds(seen((0, cluster(), WELL), (10, cluster(), LOST_3), (20, cluster(), WELL), now=60)) == set()


def test_a_node_that_the_cluster_takes_for_dead_and_that_answers_is_told_apart() -> None:
    down = cluster(members=[member(1), member(2), member(3, status=MemberStatus.down)])
    found = seen((0, down, WELL), now=60)
    assert ("answers", "node-3") in kinds(found)
    found = seen((0, down, LOST_3), now=60)
    assert ("unreached", "node-3") in kinds(found)
    assert "restart the node" in {problem.remedy for problem in found}


def test_shards_on_no_member_and_a_leader_that_is_not_there() -> None:
    gone = cluster(members=[member(1), member(2)], leader=2, services=[])
    found = seen((0, gone, {node(1): LIVE, node(2): DOWN}), now=60)
    assert {("no_owner", "cart"), ("leader_lost", "node-2")} <= kinds(found)
    assert ("no_leader", "cluster") in kinds(seen((0, cluster(leader=None), WELL), now=60))


def test_uneven_placement_has_its_figure() -> None:
    heavy = cluster(shards={"cart": {shard: owned_by(1) for shard in range(60)}})
    (found,) = seen((0, heavy, WELL), now=60)
    assert found.kind == "uneven"
    assert "60 of its 60 shards, where 20 would be even" in found.text


def test_a_node_that_comes_and_goes_is_flapping() -> None:
    moments = [(float(second), cluster(services=[]), LOST_3 if second % 2 else WELL) for second in range(8)]
    assert ("flapping", "node-3") in kinds(seen(*moments, now=9))


def test_silence_of_the_cluster_is_one() -> None:
    history = History()
    history.note(Moment(after(0), cluster(), WELL))
    (found,) = find_problems(history.moments, (), after(60), snapshot_age=42.0)
    assert (found.kind, found.since) == ("stale", after(60) - timedelta(seconds=42))


def test_silence_while_no_member_is_reached_is_told_apart_since_the_way_may_be_what_failed() -> None:
    history = History()
    history.note(Moment(after(0), cluster(), dict.fromkeys(WELL, DOWN)))
    (found,) = [each for each in find_problems(history.moments, (), after(60), snapshot_age=42.0) if each.kind == "stale"]
    assert found.text.startswith("none of its 3 members is reached from here, and the cluster has said nothing for 42 s")
    assert "the network between" in found.remedy


def test_members_of_a_virtual_cluster_that_disagree_or_were_restarted() -> None:
    def ring(status: MemberStatus, life: str) -> TopologySnapshot:
        said = ((node(1), MemberStatus.alive), (node(2), status))
        members = frozenset(
            {
                Member(node(1), MemberStatus.alive, frozenset(), "node-1", "aa"),
                Member(node(2), MemberStatus.alive, frozenset(), "node-2", life, said),
            }
        )
        return TopologySnapshot(members, None, {}, 0, kind=VIRTUAL)

    both = {node(1): LIVE, node(2): LIVE}
    assert kinds(seen((0, ring(MemberStatus.suspect, "bb"), both), now=60)) == {("disputed", "node-2")}
    assert kinds(seen((0, ring(MemberStatus.alive, "bb"), both), (50, ring(MemberStatus.alive, "cc"), both), now=60)) == {
        ("restarted", "node-2")
    }
    assert seen((0, ring(MemberStatus.alive, "bb"), both), now=60) == ()
    lives = [(second, ring(MemberStatus.alive, life), both) for second, life in ((0, "bb"), (10, "cc"), (30, "dd"))]
    (twice,) = seen(*lives, now=40)
    assert twice.text == "it was restarted 10 s ago, 2 times since 30 s ago: what its actors had in memory alone is gone"


def test_rows_for_a_view_are_plain() -> None:
    rows = problem_rows(seen((0, cluster(), WELL), (10, cluster(), LOST_3), now=60))
    assert all(isinstance(value, str) for row in rows for value in row.values())


@pytest.mark.parametrize("kind", GRACE)
def test_every_kind_waits_some_time_before_it_is_a_problem(kind: str) -> None:
    assert GRACE[kind] >= 1.0


def asks(*made: tuple[float, int, str | None]) -> list[TrafficRow]:
    return [TrafficRow(age, 5.0, node(3), "cart", cause, count, 0.1, 0.1) for age, count, cause in made]


def of_asks(rows: list[TrafficRow]) -> list[Problem]:
    history = History()
    history.note(Moment(after(0), cluster(), WELL))
    return list(find_problems(history.moments, (), after(100), snapshot_age=0.5, asks=rows))


def test_asks_that_go_on_failing_are_a_problem_with_their_causes() -> None:
    (found,) = of_asks(asks((24, 8, None), (25, 4, "AskTimeout"), (15, 3, "NodeUnreachable"), (5, 2, "AskTimeout")))
    assert (found.kind, found.subject, found.severity, found.says) == ("asks_fail", "cart on node-3", "bad", "here")
    assert found.since == after(75)
    assert found.text == "9 of our 17 asks failed in the last 25 s: AskTimeout 6, NodeUnreachable 3"
    (found,) = of_asks(asks((30, 100, None), (25, 8, "AskTimeout"), (5, 8, "AskTimeout")))
    assert found.severity == "warn"


@pytest.mark.parametrize(
    "rows",
    [
        asks((50, 1000, None), (5, 1000, None)),
        asks((5, 100, "AskTimeout")),  # one burst, which is over when it is seen
        asks((40, 30, "AskTimeout"), (25, 30, "AskTimeout"), (5, 100, None)),  # it works again
        asks((40, 2, "AskTimeout"), (5, 2, "AskTimeout")),  # a user who asks for what nobody answers
        asks((40, 500, None), (30, 3, "AskTimeout"), (5, 4, "AskTimeout")),  # one in a hundred
    ],
    ids=["none", "burst", "over", "few", "rare"],
)
def test_asks_that_fail_now_and_then_are_none(rows: list[TrafficRow]) -> None:
    assert of_asks(rows) == []


def test_shards_without_an_owner_are_one_while_the_outage_lasts() -> None:
    fewer = {"cart": {shard: owner for shard, owner in PLACED["cart"].items() if shard % 3 != 2}}
    down = [member(1), member(2), member(3, MemberStatus.down)]
    moments = [(0.0, cluster(), WELL), (10.0, cluster(members=down, shards=fewer), LOST_3)]
    (found,) = [problem for problem in seen(*moments, now=60) if problem.kind == "ownerless"]
    assert (found.subject, found.since) == ("cart", after(10))
    assert found.text.startswith("10 of its shards have no owner")
    assert "ownerless" not in {each.kind for each in seen(*moments, (60, cluster(shards=fewer), WELL), now=90)}


def test_a_member_that_died_and_was_forgotten_is_one_until_it_is_back() -> None:
    def virtual(*numbers: int, third: MemberStatus = MemberStatus.alive) -> TopologySnapshot:
        members = [member(number, third if number == 3 else MemberStatus.alive) for number in numbers]
        return TopologySnapshot(frozenset(members), None, {}, 0, kind=VIRTUAL)

    dead = [(0.0, virtual(1, 2, 3), WELL), (10.0, virtual(1, 2, 3, third=MemberStatus.dead), LOST_3)]
    gone = (20.0, virtual(1, 2), {node(1): LIVE, node(2): LIVE})
    (found,) = seen(*dead, gone, now=300)
    assert (found.kind, found.subject, found.since, found.severity) == ("gone", "node-3", after(20), "warn")
    assert "dead" in found.text
    assert seen(*dead, gone, now=3600) == ()
    assert seen(*dead, gone, (40, virtual(1, 2, 3), WELL), now=60) == ()
    assert seen((0, virtual(1, 2, 3), WELL), gone, now=60) == (), "one that was alive was told to leave"


def waiting(key: str = "user-42", **changes: Any) -> Waiting:
    known = Waiting(node(1), "shop.actors:counter", key, "grows", after(0), 3, 400, 390, 31)
    return known._replace(**changes)


def of_mailboxes(*those: Waiting) -> list[Problem]:
    history = History()
    history.note(Moment(after(0), cluster(), WELL))
    return list(find_problems(history.moments, (), after(40), snapshot_age=0.5, waiting=those))


def test_a_mailbox_that_grows_or_stands_is_one_by_its_nodes_word_with_its_figures() -> None:
    grows, stands = of_mailboxes(waiting(), waiting("b", kind="stands", first=5, most=5, now=5, since=after(1)))
    assert (grows.kind, grows.subject, grows.says) == ("mailbox_grows", "counter/user-42 on node-1", "node-1's helper")
    assert grows.text == "its mailbox grew from 3 to 400 messages; 390 wait now"
    assert (stands.kind, stands.since) == ("mailbox_stands", after(1))
    assert stands.text == "5 messages wait in its mailbox, and at 31 looks none was taken out"


def test_no_kind_is_missing_in_the_table() -> None:
    found = of_mailboxes(*(waiting(str(place), kind=kind) for kind in ("grows", "stands") for place in range(15)))
    assert {each.kind for each in found} == {"mailbox_grows", "mailbox_stands", "mailboxes"}
    assert {each.kind for each in found} <= set(KINDS)


def test_thousands_of_mailboxes_are_twenty_lines_and_one() -> None:
    found = of_mailboxes(*(waiting(str(place), now=5_000 - place) for place in range(3_000)))
    assert len(found) == 21
    assert {"mailboxes"} == {each.kind for each in found} - {"mailbox_grows"}
    assert any(each.text == "the mailboxes of 2,980 more keys grow or stand" for each in found)
