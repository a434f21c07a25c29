"""What the nodes' own words become in the timeline: few rows, and none of a cluster that is well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from casty_notebook.address import NodeAddress
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.kinds import VIRTUAL
from casty_notebook.topology.node_report import Activation, LogLine, NodeReport, TypeLoad
from casty_notebook.topology.reported import MAILBOXES_A_MINUTE, Reported
from casty_notebook.topology.snapshot import Member, MemberStatus, TopologySnapshot

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
HERE, THERE = NodeAddress("10.0.1.10", 25520), NodeAddress("10.0.1.11", 25520)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def cluster(*, there: MemberStatus | None = MemberStatus.alive, life: str = "a" * 32) -> TopologySnapshot:
    members = {Member(HERE, MemberStatus.alive, frozenset(), "node-1", incarnation="1" * 32)}
    if there is not None:
        members.add(Member(THERE, there, frozenset(), "node-2", incarnation=life))
    return TopologySnapshot(frozenset(members), None, {}, 0, kind=VIRTUAL)


def report(
    address: NodeAddress = HERE, *, rows: Sequence[Activation] = (), loads: Sequence[TypeLoad] = (), log: Sequence[LogLine] = ()
) -> dict[NodeAddress, NodeReport]:
    return {address: NodeReport(address, "0.30.2", tuple(rows), 0, tuple(loads), 0, 0, 0, 0, 0, 0, tuple(log))}


def line(number: int, text: str = "counter/a failed: boom", level: str = "WARNING") -> LogLine:
    return LogLine(number, START, level, text)


def rows_of(events: Sequence[TopologyEvent]) -> list[tuple[str, str, str, str]]:
    return [(event.kind, event.subject, event.before, event.after) for event in events]


def test_what_a_node_logged_before_the_first_look_is_no_news() -> None:
    reported = Reported()
    assert reported.note(at(0), report(log=[line(1), line(2)]), cluster()) == []
    assert reported.note(at(1), report(log=[line(1), line(2)]), cluster()) == []


def test_a_warning_is_a_row_and_what_comes_within_ten_seconds_is_one_more() -> None:
    reported, log = Reported(), [line(1)]
    reported.note(at(0), report(log=log), cluster())
    told = []
    for second in range(1, 22):
        log += [line(len(log) + 1, f"counter/{second} failed: boom"), line(len(log) + 2, "keys moved", "INFO")]
        told += reported.note(at(second), report(log=log), cluster())
    assert rows_of(told) == [
        ("node_warned", "node-1", "", "WARNING: counter/1 failed: boom"),
        ("node_warned", "node-1", "", "WARNING: counter/11 failed: boom (and 9 more: see the nodes' log)"),
        ("node_warned", "node-1", "", "WARNING: counter/21 failed: boom (and 9 more: see the nodes' log)"),
    ]


def test_what_nodes_log_of_other_members_is_not_told_again_by_each_of_them() -> None:
    reported = Reported()
    reported.note(at(0), report(log=[]), cluster())
    lines = [line(1, "member 10.0.1.11:25520 went from alive to suspect"), line(2, "member 10.0.1.11:25520 is dead")]
    assert reported.note(at(1), report(log=lines), cluster()) == []


def test_a_node_that_was_started_anew_counts_its_records_anew() -> None:
    reported = Reported()
    reported.note(at(0), report(log=[line(number) for number in range(1, 50)]), cluster())
    (told,) = reported.note(at(1), report(log=[line(1, "no store")]), cluster())
    assert told.after == "WARNING: no store"


def test_a_record_as_long_as_it_may_be_is_cut() -> None:
    reported = Reported()
    reported.note(at(0), report(), cluster())
    (told,) = reported.note(at(1), report(log=[line(1, "x" * 1_000)]), cluster())
    assert len(told.after) < 330


def test_keys_that_were_active_on_a_node_that_is_gone_are_one_row() -> None:
    loads = [TypeLoad("shop:counter", 1_200, 0, 0), TypeLoad("shop:cart", 3, 0, 0), TypeLoad("shop:idle", 0, 0, 0)]
    for after in (cluster(there=None), cluster(there=MemberStatus.dead), cluster(life="b" * 32)):
        reported = Reported()
        both = {**report(), **report(THERE, loads=loads)}
        assert reported.note(at(0), both, cluster()) == []
        (told,) = reported.note(at(5), report(), after)
        assert (told.kind, told.subject) == (Change.activations_gone, "node-2")
        assert told.before == "1,203 active keys: 1,200 of counter, 3 of cart"
        assert reported.note(at(6), report(), after) == []


def test_of_a_node_that_had_none_or_was_asked_long_ago_nothing_is_told() -> None:
    for seconds, active in ((5.0, 0), (61.0, 9)):
        reported = Reported()
        reported.note(at(0), {**report(), **report(THERE, loads=[TypeLoad("shop:cart", active, 0, 0)])}, cluster())
        assert reported.note(at(seconds), report(), cluster(there=None)) == []


def test_a_mailbox_that_grows_is_a_row_and_when_it_falls_another_of_the_same_subject() -> None:
    reported = Reported()
    told = []
    for second, depth in enumerate([*range(0, 400, 10), *range(390, 0, -20)]):
        row = Activation("shop.actors:counter", "user-42", START, depth)
        told += reported.note(at(second), report(rows=[row]), cluster())
    grew, fell = rows_of(told)
    assert grew[:2] == ("mailbox_grows", "counter/user-42")
    assert grew[3].endswith(" waiting on node-1")
    assert fell == ("mailbox_falls", "counter/user-42", "390 waiting", "190 waiting")


def test_of_many_mailboxes_at_once_ten_are_told_of_and_the_others_counted() -> None:
    reported = Reported()
    told = []
    for second in range(40):
        rows = [Activation("shop:counter", f"key-{place}", START, 5 + place) for place in range(45)]
        told += reported.note(at(second), report(rows=rows), cluster())
    assert len(told) == MAILBOXES_A_MINUTE + 1
    assert rows_of(told)[0] == ("mailbox_stands", "counter/key-44", "49 waiting", "49 waiting on node-1")
    assert rows_of(told)[-1] == ("mailbox_grows", "35 more keys", "", "see the problems")
    over = reported.note(at(40), report(), cluster())
    assert len(over) == MAILBOXES_A_MINUTE, "of those that nothing was told of, nothing is told again"
    assert len(reported.waiting(at(40))) == 0


def test_the_others_are_counted_in_one_row_a_minute() -> None:
    reported = Reported()
    told = []
    for second in range(55):
        count = 25 if second < 15 else 45
        rows = [Activation("shop:counter", f"key-{place}", START, 5 + place) for place in range(count)]
        told += reported.note(at(second), report(rows=rows), cluster())
    assert [row.subject for row in told if "more" in row.subject] == ["15 more keys"]
    assert len(reported.waiting(at(55))) == 45


def test_a_cluster_that_is_well_has_no_rows_in_an_hour() -> None:
    reported = Reported()
    for second in range(0, 3_600, 1):
        rows = [Activation("shop:counter", f"key-{place}", START, (second * place) % 7) for place in range(20)]
        loads = [TypeLoad("shop:counter", 20 + second % 50, 3, 2)]
        log = [line(1, "old"), *(line(2 + place, "keys moved", "INFO") for place in range(second // 60))]
        assert reported.note(at(second), report(rows=rows, loads=loads, log=log), cluster()) == []
