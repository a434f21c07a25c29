"""Our values as HTML: what is shown, and that nothing shown is ever markup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from casty_notebook.address import ActorAddress
from casty_notebook.client.blocking import Location
from casty_notebook.errors import AskTimeout, FailureReport, NodeUnreachable
from casty_notebook.topology.snapshot import MemberStatus, ServiceEntry, TopologySnapshot
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.services import Listing, ServiceInstance, ServiceKey
from casty_notebook.values.standin import StandIn, StandInClass, stand_in_class
from casty_notebook.views.reprs import values
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.views.reading import page


class Nobody:
    """A sender that must not be used: showing a value sends nothing."""

    def tell(self, target: object, message: Any) -> None:
        raise AssertionError


def ref(path: str = "/pay", number: int = 1) -> ActorRef:
    return ActorRef(ActorAddress("shop", path, node(number)), Nobody())


def listing(name: str, *refs: ActorRef) -> Listing:
    return Listing(ServiceKey(name), frozenset(ServiceInstance(each, each.address.node or node(0)) for each in refs))


SNAPSHOT = topology(
    [member(10, MemberStatus.joining), member(2, MemberStatus.up, "web", "db"), member(1)],
    leader=2,
    shards={"order": {0: owned_by(9)}, "cart": {0: owned_by(1), 1: owned_by(10), 2: owned_by(1)}},
    unreachable=[10],
    services=[ServiceEntry("pay", node(2), "/pay"), ServiceEntry("mail", node(9), "/mail")],
    epoch=7,
)
PLACE = Location("cart/7", "cart", "7", 3, "node-1", node(1), (node(2), node(10)), reachable=True, status="up")
REPORT = FailureReport(
    "cart/7", "no reply came within 5 s.", "Look at the actor's log.", shard=3, owner="10.0.1.1:25520",
    owner_health="live", snapshot_age=0.25, elapsed=5.0, may_have_run=True, story=("-5.0 s AskMade -> Transmit",),
)  # fmt: skip


class TestRefs:
    def test_an_actor_ref_shows_its_uri_and_parts(self) -> None:
        read = page(values.actor_ref_html(ref()))
        assert read.captions == ["Actor ref"]
        assert read.rows == [
            ["uri", "casty://shop@10.0.1.1:25520/pay"],
            ["system", "shop"],
            ["node", "10.0.1.1:25520"],
            ["path", "/pay"],
        ]

    def test_a_local_address_has_no_node(self) -> None:
        read = page(values.actor_ref_html(ActorRef(ActorAddress("shop", "/pay"))))
        assert ["node", "none (a local actor's address)"] in read.rows

    def test_an_entity_ref_shows_what_it_takes(self) -> None:
        read = page(values.entity_ref_html(EntityRef("cart", 1000, Nobody())))
        assert read.rows == [
            ["type", "cart"],
            ["shards", "1,000"],
            ["takes", "ShardEnvelope(entity_id, message), by tell or ask"],
        ]


class TestListings:
    def test_instances_are_listed_by_node_and_path(self) -> None:
        read = page(values.listing_html(listing("pay", ref("/b"), ref("/a"), ref("/a", 2))))
        assert read.captions == ["Service pay: 3 instances"]
        assert read.rows == [
            ["node", "path", "ref"],
            ["10.0.1.1:25520", "/a", "casty://shop@10.0.1.1:25520/a"],
            ["10.0.1.1:25520", "/b", "casty://shop@10.0.1.1:25520/b"],
            ["10.0.1.2:25520", "/a", "casty://shop@10.0.1.2:25520/a"],
        ]
        assert read.scopes == ["col"] * 3 + ["row"] * 3

    def test_no_instance_is_said_in_words(self) -> None:
        assert page(values.listing_html(listing("pay"))).text == "Service pay: no instance in the last snapshot"

    def test_more_rows_than_fit_are_counted_in_the_caption(self) -> None:
        read = page(values.listing_html(listing("pay", *(ref(f"/{i}") for i in range(1234)))))
        assert len(read.rows) == 201
        assert read.captions == ["Service pay: 1,234 instances (200 of 1,234 shown)"]


class TestSnapshots:
    def test_members_types_and_services_have_a_table_each(self) -> None:
        read = page(values.snapshot_html(SNAPSHOT))
        assert read.paragraphs == ["Topology snapshot: leader node-2, epoch 7"]
        assert read.captions == ["3 members", "2 sharded types", "2 service instances"]
        assert read.rows == [
            ["node", "address", "status", "cluster's view", "leader", "roles", "shards"],
            ["node-1", "10.0.1.1:25520", "up", "● not flagged", "", "", "2"],
            ["node-2", "10.0.1.2:25520", "up", "● not flagged", "leader", "db, web", "0"],
            ["node-10", "10.0.1.10:25520", "joining", "✕ unreachable", "", "", "1"],
            ["type", "listed", "on"],
            ["cart", "3", "node-1 (2), node-10 (1)"],
            ["order", "1", "10.0.1.9:25520 (1)"],
            ["service", "node", "path"],
            ["mail", "10.0.1.9:25520", "/mail"],
            ["pay", "node-2", "/pay"],
        ]

    def test_an_empty_snapshot_says_what_is_missing(self) -> None:
        read = page(values.snapshot_html(topology()))
        assert read.paragraphs == [
            "Topology snapshot: leader none, epoch 0",
            "No shards listed",
            "No services registered",
        ]


class TestLocations:
    def test_an_entity_shows_shard_owner_and_both_views(self) -> None:
        assert page(values.location_html(PLACE)).rows == [
            ["target", "cart/7"],
            ["type", "cart"],
            ["entity", "7"],
            ["shard", "3"],
            ["node", "node-1"],
            ["address", "10.0.1.1:25520"],
            ["replicas", "10.0.1.2:25520, 10.0.1.10:25520"],
            ["reachable from here", "● reachable"],
            ["status in the cluster", "up"],
        ]

    def test_what_is_not_known_is_said_so(self) -> None:
        unknown = Location("cart/7", "cart", "7", None, None, None, (), reachable=None, status=None)
        assert page(values.location_html(unknown)).rows[3:] == [
            ["shard", "unknown: the number of shards was not given"],
            ["node", "unknown"],
            ["address", "not located yet"],
            ["replicas", "none"],
            ["reachable from here", "○ not known yet"],
            ["status in the cluster", "unknown"],
        ]

    def test_a_service_has_no_shard_and_no_replicas(self) -> None:
        place = Location("pay", None, None, None, "node-1", node(1), (), reachable=False, status="up")
        rows = page(values.location_html(place)).rows
        assert [row[0] for row in rows] == ["target", "node", "address", "reachable from here", "status in the cluster"]
        assert rows[3][1] == "✕ not reachable"


class TestFailures:
    def test_the_cause_comes_first_then_facts_advice_and_the_story(self) -> None:
        source = values.ask_failed_html(AskTimeout(REPORT))
        read = page(source)
        assert read.paragraphs == ["✕ no reply came within 5 s.", "Look at the actor's log."]
        assert read.captions == ["AskTimeout"]
        assert read.rows == [
            ["target", "cart/7"],
            ["shard", "3"],
            ["owner", "10.0.1.1:25520 (live)"],
            ["snapshot", "0.2 s old"],
            ["waited", "5.00 s"],
            ["executed", "perhaps: it may have left for the node"],
        ]
        order = [source.index(mark) for mark in ("no reply came", "<table>", "Look at", "<details>", "AskMade")]
        assert order == sorted(order)

    def test_without_advice_and_story_nothing_is_left_empty(self) -> None:
        read = page(values.ask_failed_html(NodeUnreachable(FailureReport("pay", "node-1 refused."))))
        assert read.paragraphs == ["✕ node-1 refused."]
        assert read.rows == [["target", "pay"], ["executed", "no: it was not sent"]]
        assert "details" not in read.text


class TestStandIns:
    def test_fields_are_listed_with_their_reprs(self) -> None:
        inner = stand_in_class("bank.Money")(currency="EUR")
        read = page(values.stand_in_html(stand_in_class("bank.messages.Balance")("vip", amount=3, held=inner)))
        assert read.captions == ["bank.messages.Balance (stand-in)"]
        assert read.rows == [
            ["field", "value"],
            ["argument 0", "'vip'"],
            ["amount", "3"],
            ["held", "bank.Money(currency='EUR')"],
        ]

    def test_without_fields_only_the_name_is_shown(self) -> None:
        assert page(values.stand_in_html(stand_in_class("bank.Ping")())).text == "bank.Ping (stand-in) without fields"

    def test_a_field_that_is_megabytes_is_shortened_visibly(self) -> None:
        source = values.stand_in_html(stand_in_class("bank.Blob")(data="x" * 3_000_000))
        assert "…" in page(source).rows[1][1]
        assert len(source) < 10_000


def hostile_values() -> dict[str, str]:
    """Each view with hostile text wherever text can be."""
    h = HOSTILE
    actor = ActorRef(ActorAddress(h, h, node(1)), Nobody())
    snapshot = TopologySnapshot(
        frozenset({member(1, MemberStatus.up, h, name=h)}), node(1), {h: {0: owned_by(1)}}, 1,
        registry=frozenset({ServiceEntry(h, node(1), h)}),
    )  # fmt: skip
    place = replace(PLACE, target=h, shard_type=h, entity_id=h, node=h, status=h)
    report = replace(REPORT, target=h, cause=h, advice=h, owner=h, owner_health=h, story=(h, h))
    standin = StandIn(StandInClass(h, h), (h,), {h: h})
    return {
        "actor ref": values.actor_ref_html(actor),
        "entity ref": values.entity_ref_html(EntityRef(h, 1, Nobody())),
        "listing": values.listing_html(listing(h, actor)),
        "empty listing": values.listing_html(listing(h)),
        "snapshot": values.snapshot_html(snapshot),
        "location": values.location_html(place),
        "failure": values.ask_failed_html(AskTimeout(report)),
        "stand-in": values.stand_in_html(standin),
        "empty stand-in": values.stand_in_html(StandIn(StandInClass(h, h))),
    }


@pytest.mark.parametrize(
    ("view", "times"),
    {
        "actor ref": 4, "entity ref": 1, "listing": 4, "empty listing": 1, "snapshot": 8, "location": 5, "failure": 7,
        "stand-in": 5, "empty stand-in": 2,
    }.items(),
)  # fmt: skip
def test_text_from_the_network_is_shown_as_text_in_every_place(view: str, times: int) -> None:
    source = hostile_values()[view]
    assert page(source).text.count("<script>alert(1)</script>") == times
    assert "<script" not in source


def test_a_lone_surrogate_does_not_make_the_output_undeliverable() -> None:
    page(values.stand_in_html(StandIn(StandInClass("bank", "Odd\ud800"), (), {"f\udcff": "v\ud800"})))
