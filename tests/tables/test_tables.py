"""Snapshots as tables: rows, dtypes, attrs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from casty_notebook.errors import AskTimeout, FailureReport, MisuseError
from casty_notebook.tables import answers, events, members, services, shards
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, TopologySnapshot
from tests.support.topologies import member, node, owned_by, topology

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SNAPSHOT = topology(
    [member(10), member(2, MemberStatus.down, "web", "db"), member(1, MemberStatus.up, "web")],
    leader=2,
    shards={
        "order": {3: owned_by(1, 2, 9), 1: owned_by(10)},
        "cart": {0: owned_by(1), 1: owned_by(1), 2: owned_by(9, 1)},
    },
    services=[
        ServiceEntry("pay", node(10), "/pay"),
        ServiceEntry("pay", node(2), "/pay"),
        ServiceEntry("mail", node(9), "/mail"),
    ],
    epoch=7,
)
HEALTH = {
    node(1): NodeHealth(LinkState.live, rtt=0.0015),
    node(2): NodeHealth(LinkState.down, reason="refused"),
    node(10): NodeHealth(LinkState.connecting),
}
EVENTS = [
    TopologyEvent(NOW, "leader_changed", "leader", "node-1", "node-2", "node-3"),
    TopologyEvent(NOW, "member_joined", "node-3", "", "up"),
]
ANSWERS = [
    SimpleNamespace(target="cart/1", node="node-1", shard=1, reply=[1, 2], latency=0.002, error=None),
    SimpleNamespace(target="cart/2", node="node-1", shard=2, reply=None, latency=0.001, error=None),
    SimpleNamespace(
        target="pay", node=None, shard=None, reply=None, latency=5.0,
        error=AskTimeout(FailureReport("pay", "no reply came.", "Look at its log.")),
    ),
]  # fmt: skip

COLUMNS = {
    "members": [
        "node",
        "address",
        "status",
        "reachable",
        "leader",
        "roles",
        "shards",
        "replicas",
        "services",
        "rtt_ms",
    ],
    "shards": ["type", "shard", "node", "address", "replicas", "reachable"],
    "services": ["service", "node", "address", "path", "reachable"],
    "events": ["time", "kind", "subject", "before", "after", "says"],
    "answers": ["target", "node", "shard", "reply", "latency_ms", "error"],
}


def from_snapshot(build: Callable[..., pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return (
        build(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod"),
        build(Moment(NOW, topology()), cluster="prod"),
        build(None, cluster="prod"),
    )


def tables() -> dict[str, tuple[pd.DataFrame, ...]]:
    """Each table filled, then empty in every way it can be."""
    return {
        "members": from_snapshot(members),
        "shards": from_snapshot(shards),
        "services": from_snapshot(services),
        "events": (events(EVENTS, cluster="prod"), events([], cluster="prod")),
        "answers": (answers(ANSWERS, cluster="prod"), answers([], cluster="prod")),
    }


def kinds(table: pd.DataFrame) -> dict[Any, Any]:
    """Dtypes; of categoricals that of their categories."""
    return {
        name: ("category", table[name].cat.categories.dtype) if str(dtype) == "category" else dtype
        for name, dtype in table.dtypes.items()
    }


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_and_dtypes_are_the_same_when_empty(name: str) -> None:
    filled, *empty = tables()[name]
    assert len(filled) > 0
    for table in (filled, *empty):
        assert list(table) == COLUMNS[name]
        assert kinds(table) == kinds(filled)
    assert all(len(table) == 0 for table in empty)


def test_dtypes_are_those_that_filters_and_sums_need() -> None:
    made = tables()
    assert made["members"][0].dtypes.map(str).to_dict() | {"roles": "text"} == {
        "node": "category", "address": "category", "status": "category", "reachable": "boolean", "leader": "bool",
        "roles": "text", "shards": "Int64", "replicas": "Int64", "services": "Int64", "rtt_ms": "float64",
    }  # fmt: skip
    assert made["shards"][0].dtypes.map(str).to_dict() == {
        "type": "category", "shard": "int64", "node": "category", "address": "category", "replicas": "category",
        "reachable": "boolean",
    }  # fmt: skip
    assert str(made["events"][0].time.dtype) == "datetime64[us, UTC]"
    assert str(made["answers"][0].shard.dtype) == "Int64"


def test_status_and_kind_have_the_same_categories_whatever_occurs() -> None:
    for table in from_snapshot(members):
        assert list(table.status.cat.categories) == ["joining", "up", "leaving", "down", "removed"]
    for table in (events(EVENTS, cluster="prod"), events([], cluster="prod")):
        assert list(table.kind.cat.categories) == list(Change)


def test_members_are_listed_in_natural_order_with_both_views() -> None:
    table = members(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
    rows = table.drop(columns=["rtt_ms", "reachable"]).to_numpy().tolist()
    assert rows == [
        ["node-1", "10.0.1.1:25520", "up", False, "web", 3, 1, 0],
        ["node-2", "10.0.1.2:25520", "down", True, "db, web", 0, 1, 1],
        ["node-10", "10.0.1.10:25520", "up", False, "", 1, 0, 1],
    ]
    assert table.reachable.tolist() == [True, False, pd.NA]
    assert table.rtt_ms.dropna().tolist() == [1.5]


def test_roles_split_into_a_row_each() -> None:
    table = members(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod").set_index("node")
    roles = table.roles.str.split(", ").explode()
    assert roles[roles == "web"].index.tolist() == ["node-1", "node-2"]
    assert table[table.roles.str.contains("db")].index.tolist() == ["node-2"]


def test_shards_are_listed_by_type_and_number() -> None:
    table = shards(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
    assert table[["type", "shard", "address", "replicas"]].to_numpy().tolist() == [
        ["cart", 0, "10.0.1.1:25520", ""],
        ["cart", 1, "10.0.1.1:25520", ""],
        ["cart", 2, "10.0.1.9:25520", "node-1"],
        ["order", 1, "10.0.1.10:25520", ""],
        ["order", 3, "10.0.1.1:25520", "node-2, 10.0.1.9:25520"],
    ]
    assert table.reachable.tolist() == [True, True, pd.NA, pd.NA, True]


def test_the_owner_of_a_shard_has_no_name_if_it_is_no_member() -> None:
    table = shards(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
    assert table.node.isna().tolist() == [False, False, True, False, False]
    assert table.node.dropna().tolist() == ["node-1", "node-1", "node-10", "node-1"]


def test_shards_of_one_type_are_those_of_that_type() -> None:
    every = shards(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
    one = shards(Moment(NOW, SNAPSHOT, HEALTH), shard_type="order", cluster="prod")
    assert one.shard.tolist() == every[every.type == "order"].shard.tolist() == [1, 3]
    assert len(shards(Moment(NOW, SNAPSHOT, HEALTH), shard_type="nothing", cluster="prod")) == 0


def test_equal_allocations_make_the_same_table_whether_they_are_one_object_or_many() -> None:
    shared = owned_by(1, 2)
    one = topology([member(1)], shards={"cart": dict.fromkeys(range(20), shared)})
    many = topology([member(1)], shards={"cart": {shard: owned_by(1, 2) for shard in range(20)}})
    left, right = (shards(Moment(NOW, each), cluster="prod") for each in (one, many))
    pd.testing.assert_frame_equal(left, right)


def test_a_shard_number_beyond_64_bits_costs_no_table() -> None:
    wild = topology(shards={"cart": {2**70: owned_by(1), -(2**70): owned_by(1), 4: owned_by(2)}})
    assert shards(Moment(NOW, wild), cluster="prod").shard.tolist() == [-(2**63), 4, 2**63 - 1]


def test_two_nodes_of_one_name_stay_apart_by_address() -> None:
    twins = topology(
        [member(1, name="twin"), member(2, name="twin")], shards={"cart": {0: owned_by(1), 1: owned_by(2)}}
    )
    table = shards(Moment(NOW, twins), cluster="prod")
    assert table[["node", "address"]].to_numpy().tolist() == [["twin", "10.0.1.1:25520"], ["twin", "10.0.1.2:25520"]]
    assert len(members(Moment(NOW, twins), cluster="prod")) == 2


def test_names_that_are_no_utf8_can_be_written_by_arrow() -> None:
    table = members(Moment(NOW, topology([member(1, MemberStatus.up, "\udcff", name="n\ud800")])), cluster="prod")
    assert table.node.tolist() == ["n\\ud800"]
    assert table.roles.tolist() == ["\\udcff"]


def test_sorting_by_node_is_natural_in_every_table() -> None:
    for build in (members, shards, services):
        table = build(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
        order = table.sort_values("node").node.dropna().unique().tolist()
        assert order == [name for name in ("node-1", "node-2", "node-10") if name in order]


def test_services_are_listed_by_name_and_node() -> None:
    table = services(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
    assert table[["service", "address", "path"]].to_numpy().tolist() == [
        ["mail", "10.0.1.9:25520", "/mail"],
        ["pay", "10.0.1.2:25520", "/pay"],
        ["pay", "10.0.1.10:25520", "/pay"],
    ]
    assert table.node.isna().tolist() == [True, False, False]
    assert table.reachable.tolist() == [pd.NA, False, pd.NA]


def test_events_keep_their_order_and_time() -> None:
    table = events(EVENTS, cluster="prod", moment=Moment(NOW, SNAPSHOT))
    assert table.drop(columns="time").to_numpy().tolist() == [
        ["leader_changed", "leader", "node-1", "node-2", "node-3"],
        ["member_joined", "node-3", "", "up", "cluster"],
    ]
    assert table.time.tolist() == [pd.Timestamp(NOW)] * 2


def test_answers_keep_replies_as_they_are_and_tell_failures_in_words() -> None:
    table = answers(ANSWERS, cluster="prod")
    assert table.reply.tolist() == [[1, 2], None, None]
    assert table.error.isna().tolist() == [True, True, False]
    assert table.error.iloc[2] == "AskTimeout: pay: no reply came. Look at its log."
    assert table.latency_ms.tolist() == [2.0, 1.0, 5000.0]
    assert table.shard.tolist() == [1, 2, pd.NA]


def test_answers_sum_up_what_came_and_how_fast() -> None:
    summary = answers(ANSWERS, cluster="prod").attrs["summary"]
    assert summary == {"asked": 3, "answered": 2, "failed": 1, "interrupted": 0, "p50_ms": 1.0, "p99_ms": 2.0}
    nothing = answers(ANSWERS[2:], cluster="prod").attrs["summary"]
    assert nothing == {"asked": 1, "answered": 0, "failed": 1, "interrupted": 0, "p50_ms": None, "p99_ms": None}


def test_replies_of_one_length_stay_one_value_each() -> None:
    rows = [SimpleNamespace(target="a", node=None, shard=None, reply=(1, 2), latency=0.0, error=None)] * 2
    assert answers(rows, cluster="prod").reply.tolist() == [(1, 2), (1, 2)]


def test_an_error_without_a_report_is_told_by_its_own_words() -> None:
    row = SimpleNamespace(
        target="a", node=None, shard=None, reply=None, latency=0.0, error=MisuseError("not like this")
    )
    assert answers([row], cluster="prod").error.tolist() == ["MisuseError: not like this"]


def test_attrs_say_which_cluster_when_and_at_what_epoch() -> None:
    expected = {"cluster": "prod", "epoch": 7, "time": "2026-01-02T03:04:05.678+00:00"}
    for build in (members, shards, services):
        assert build(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod").attrs == expected
    assert events(EVENTS, cluster="prod", moment=Moment(NOW, SNAPSHOT)).attrs == expected
    assert members(None, cluster="prod").attrs == {"cluster": "prod", "epoch": None, "time": None}


def test_the_time_in_attrs_is_utc_whatever_zone_it_came_in() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=9)))
    assert members(Moment(local, SNAPSHOT), cluster="prod").attrs["time"] == "2026-01-02T03:04:05.678+00:00"


def test_attrs_survive_filters_and_concat_of_one_snapshot() -> None:
    table = shards(Moment(NOW, SNAPSHOT, HEALTH), cluster="prod")
    parts = [table[table.type == name] for name in ("cart", "order")]
    assert pd.concat(parts).attrs == table.attrs


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_can_be_filtered_sorted_grouped_and_written(name: str) -> None:
    for table in tables()[name]:
        column = COLUMNS[name][0]
        table.sort_values(column)
        table.groupby(column, observed=True).size()
        assert table.to_csv().count("\n") == len(table) + 1
        assert table.to_html()
        repr(table)


def test_a_node_that_is_not_reached_has_no_round_trip() -> None:
    health = {node(1): NodeHealth(LinkState.live, rtt=0.002), node(2): NodeHealth(LinkState.down, rtt=0.001)}
    two = TopologySnapshot(frozenset({Member(node(n), MemberStatus.up, frozenset(), f"node-{n}") for n in (1, 2)}), None, {}, 1)
    assert members(Moment(NOW, two, health), cluster="prod")["rtt_ms"].dropna().tolist() == [2.0]


def test_a_terminal_of_80_columns_shows_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"a-rather-long-node-name-{n}" for n in (1, 2)]
    two = TopologySnapshot(frozenset({Member(node(n), MemberStatus.up, frozenset(), names[n - 1]) for n in (1, 2)}), None, {}, 1)
    with pd.option_context("display.max_columns", 0, "display.width", 80):
        shown = repr(members(Moment(NOW, two), cluster="prod"))
    assert all(column in shown for column in ("reachable", "rtt_ms", "replicas"))
    assert max(map(len, shown.splitlines())) <= 80
