"""The card of a cluster: exact texts, and the same facts in HTML."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.snapshot import MemberStatus, ServiceEntry, TopologySnapshot
from casty_notebook.views.facts import Facts
from casty_notebook.views.reprs.cards import CardFacts, ShardFact, cluster_card_html, cluster_card_text
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.views.reading import page

URI = "casty://shop@10.0.1.1:25520,10.0.1.2:25520"
LIVE, DOWN = NodeHealth(LinkState.live, rtt=0.001), NodeHealth(LinkState.down, reason="connection refused")
SNAPSHOT = topology(
    [member(1), member(2), member(10, MemberStatus.joining)],
    leader=1,
    shards={"order": {0: owned_by(1)}, "cart": {shard: owned_by(2) for shard in range(57)}},
    services=[ServiceEntry("pay", node(1), "/pay"), ServiceEntry("pay", node(2), "/pay")],
)

NOW = datetime.datetime(2026, 11, 3, 12, tzinfo=datetime.UTC)


def gather(
    snapshot: TopologySnapshot | None = SNAPSHOT, health: Mapping[NodeAddress, NodeHealth] | None = None, name: str = "prod",
    shard_counts: Mapping[str, int] | None = None, snapshot_age: float | None = 0.44, **other: Any,
) -> CardFacts:  # fmt: skip
    label = Label(name, "shop", URI, {"cart": 100} if shard_counts is None else shard_counts)
    moment = None if snapshot is None else Moment(NOW, snapshot, health or {})
    return CardFacts.gather(moment, Facts(label, NOW, snapshot_age, **other))


def test_a_healthy_cluster() -> None:
    card = gather(health={node(1): LIVE, node(2): LIVE, node(10): LIVE})
    assert cluster_card_text(card) == (
        "Casty cluster prod (system shop)\n"
        "  uri       casty://shop@10.0.1.1:25520,10.0.1.2:25520\n"
        "  state     connected, snapshot 0.4 s old\n"
        "  members   3, 2 up, 3 reachable from here\n"
        "  leader    node-1\n"
        "  shards    cart (57 of 100 in use), order (1 in use)\n"
        "  services  pay (2)"
    )


def line(card: CardFacts, label: str) -> str:
    return next(text[12:] for text in cluster_card_text(card).splitlines() if text[2:12].strip() == label)


def test_a_member_that_we_do_not_reach_is_named_with_the_reason_though_the_cluster_calls_it_up() -> None:
    card = gather(health={node(1): LIVE, node(2): DOWN, node(10): NodeHealth(LinkState.connecting)})
    assert line(card, "members") == (
        "3, 2 up, 1 reachable from here, 1 not known yet, 1 not (node-2: connection refused)"
    )
    assert line(card, "state") == "connected, snapshot 0.4 s old"


def test_a_member_without_any_health_is_not_known_yet() -> None:
    assert line(gather(), "members") == "3, 2 up, 0 reachable from here, 3 not known yet"


def test_a_cluster_of_which_nothing_is_reached_says_so() -> None:
    card = gather(health={node(1): DOWN, node(2): DOWN, node(10): DOWN}, snapshot_age=75.2)
    assert line(card, "state") == "no member reachable from here, snapshot 75 s old"


def test_before_the_first_snapshot_only_what_we_were_told_is_shown() -> None:
    assert cluster_card_text(gather(None, name="shop", snapshot_age=None)) == (
        "Casty cluster shop\n"
        "  uri       casty://shop@10.0.1.1:25520,10.0.1.2:25520\n"
        "  state     connecting, no snapshot yet\n"
        "  shards    cart (0 of 100 in use)"
    )


def test_a_closed_connection_claims_nothing_about_reachability() -> None:
    card = gather(closed=True, snapshot_age=None)
    assert line(card, "state") == "closed"
    assert line(card, "members") == "3, 2 up (when it was closed)"


def test_a_distributed_structure_is_called_what_its_maker_calls_it() -> None:
    assert line(gather(None, shard_counts={"d-counter-hits": 100}), "shards") == (
        "d-counter-hits, the distributed counter 'hits' (0 of 100 in use)"
    )


def test_an_empty_topology_has_none_of_everything() -> None:
    card = gather(topology(), shard_counts={})
    assert [line(card, label) for label in ("members", "leader", "shards", "services")] == [
        "none", "none", "none in use yet", "none",
    ]  # fmt: skip


def test_a_leader_that_is_no_member_goes_by_its_address() -> None:
    assert line(gather(topology([member(1)], leader=9)), "leader") == "10.0.1.9:25520"


def test_long_lists_are_counted_and_not_cut_silently() -> None:
    many = topology(services=[ServiceEntry(f"service-{i}", node(1), "/s") for i in range(1, 31)])
    assert line(gather(many), "services") == ", ".join(f"service-{i} (1)" for i in range(1, 9)) + " and 22 more"


@pytest.mark.parametrize("closed", [False, True])
def test_html_shows_the_same_rows_as_the_text(closed: bool) -> None:
    card = gather(health={node(1): LIVE, node(2): DOWN}, closed=closed)
    read = page(cluster_card_html(card))
    title, *lines = cluster_card_text(card).splitlines()
    assert read.captions == [title]
    assert [(label, text.lstrip("●✕○ ")) for label, text in read.rows] == [
        (text[2:12].strip(), text[12:]) for text in lines
    ]
    assert set(read.scopes) == {"row"}


def test_states_differ_by_mark_and_word_and_not_by_colour_alone() -> None:
    every = dict.fromkeys((node(1), node(2), node(10)), DOWN)
    cards = [gather(health={node(1): LIVE}), gather(health=every), gather(closed=True)]
    assert [dict(page(cluster_card_html(card)).rows)["state"] for card in cards] == [
        "● connected, snapshot 0.4 s old",
        "✕ no member reachable from here, snapshot 0.4 s old",
        "○ closed",
    ]


def hostile() -> CardFacts:
    return CardFacts(
        HOSTILE, HOSTILE, HOSTILE, closed=False, snapshot_age=1.0, members=3, up=1, reachable=1,
        lost=((HOSTILE, HOSTILE),), leader=HOSTILE, shards=(ShardFact(HOSTILE, 1, None), ShardFact(HOSTILE, 1, 2)),
        services=((HOSTILE, 1),),
    )  # fmt: skip


def test_names_from_the_network_are_text_in_html() -> None:
    read = page(cluster_card_html(hostile()))
    shown = [read.captions[0], *(text for label, text in read.rows if label != "state")]
    assert len(shown) == 6
    assert all("<script>alert(1)</script>" in text for text in shown)


def test_names_from_the_network_cannot_steer_a_terminal() -> None:
    text = cluster_card_text(hostile())
    assert all(sign.isprintable() for sign in text.replace("\n", ""))
    assert len(text.splitlines()) == len(cluster_card_text(gather()).splitlines())


def test_a_name_with_lone_surrogates_can_be_delivered() -> None:
    card = replace(gather(), name="n\ud800", uri="u\udcff")
    assert cluster_card_text(card).encode("utf-8").startswith(b"Casty cluster n\\ud800")
    page(cluster_card_html(card))
