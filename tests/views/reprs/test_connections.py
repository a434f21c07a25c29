"""What our own connections say, as HTML: a node's health, and why no contact point answered."""

from __future__ import annotations

from casty_notebook.errors import ContactAttempt, NoContactPoint
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.views.reprs import values
from tests.support.topologies import HOSTILE
from tests.views.reading import page


def test_a_live_node_shows_its_round_trip() -> None:
    read = page(values.node_health_html(NodeHealth(LinkState.live, rtt=0.00125)))
    assert read.captions == ["Node health"]
    assert read.rows == [["reachable from here", "● reachable"], ["connection", "live"], ["round trip", "1.2 ms"]]


def test_a_node_that_is_down_shows_the_reason_and_the_next_attempt() -> None:
    read = page(values.node_health_html(NodeHealth(LinkState.down, reason="connection refused", retry_in=0.8)))
    assert read.rows == [
        ["reachable from here", "✕ not reachable"],
        ["connection", "down"],
        ["round trip", "not measured yet"],
        ["reason", "connection refused"],
        ["next attempt", "in 0.8 s"],
    ]


def test_a_node_that_is_still_dialled_is_not_called_unreachable() -> None:
    assert page(values.node_health_html(NodeHealth(LinkState.connecting))).rows[0][1] == "○ not known yet"


def test_every_contact_point_is_listed_with_what_happened_there() -> None:
    attempts = (ContactAttempt("10.0.1.10:25520", "refused"), ContactAttempt("10.0.1.11:25520", "no handshake in 2 s"))
    read = page(values.no_contact_point_html(NoContactPoint("no contact point gave a snapshot:", attempts)))
    assert read.paragraphs == ["✕ no contact point gave a snapshot:"]
    assert read.captions == ["NoContactPoint"]
    assert read.rows == [
        ["contact point", "what happened"],
        ["10.0.1.10:25520", "refused"],
        ["10.0.1.11:25520", "no handshake in 2 s"],
    ]


def test_without_attempts_the_cause_stands_alone() -> None:
    read = page(values.no_contact_point_html(NoContactPoint("nothing was tried")))
    assert read.paragraphs == ["✕ nothing was tried"]
    assert read.rows == []


def test_what_a_peer_said_is_text() -> None:
    for source in (
        values.node_health_html(NodeHealth(LinkState.down, reason=HOSTILE)),
        values.no_contact_point_html(NoContactPoint(HOSTILE, (ContactAttempt(HOSTILE, HOSTILE),))),
    ):
        assert "<script>alert(1)</script>\\x1b[2J" in page(source).text
