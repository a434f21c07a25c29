"""The doctor on real clusters, healthy and broken: each trouble has its line, its fix, and never a traceback."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import TLS, CheckUp, connect, doctor
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import MisuseError
from casty_notebook.topology.check_result import Finding, Verdict
from tests.support.ports import free_port
from tests.support.tls import issue
from tests.support.topologies import topology_of
from tests.support.waiting import wait_until
from tests.views.reading import page

AFTER_THE_CONTACTS = [
    "system name", "layout", "serializer", "snapshot", "members", "tunnels", "shards", "round trip", "last push",
]  # fmt: skip


def within_five_seconds(target: Any, **options: Any) -> CheckUp:
    started = time.monotonic()
    found = doctor(target, **options)
    assert time.monotonic() - started < 5.0
    assert "Traceback" not in repr(found)
    return found


def one(found: CheckUp, check: str, verdict: str) -> Finding:
    (finding,) = [each for each in found.about(check) if each.verdict == verdict]
    return finding


def test_a_healthy_cluster_has_nothing_but_good_lines(demo_cluster: DemoCluster) -> None:
    found = within_five_seconds(demo_cluster.uri, shards=demo_cluster.shards)
    assert found.ok
    assert {finding.verdict for finding in found} == {Verdict.ok}
    assert list(dict.fromkeys(finding.check for finding in found)) == [
        "address", "TCP", "handshake", "generation", "TLS", *AFTER_THE_CONTACTS, "versions",
    ]  # fmt: skip
    # The answer is often there as soon as the connection is: it was nothing's time that was shown.
    answered = re.compile(r"answered in (less than 0\.1|(?!0\.0)\d+\.\d) ms")
    assert all(answered.fullmatch(finding.text) for finding in found.about("handshake"))
    assert one(found, "members", "ok").text == "3 of 3 reached from here"
    assert one(found, "snapshot", "ok").text == "3 members, leader node-1"
    assert one(found, "layout", "ok").text == "pkg: casty 0.16 to 0.21"
    assert one(found, "serializer", "ok").text == "pickle"
    assert one(found, "system name", "ok").text == "'demo', as the nodes state it"
    assert [finding.subject for finding in found.about("round trip")] == ["node-1", "node-2", "node-3"]
    assert all(finding.text.endswith("ms (p50 of 20)") for finding in found.about("round trip"))
    assert "casty_notebook" in one(found, "versions", "ok").text


def test_an_open_connection_is_examined_as_it_is(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards=demo_cluster.shards, read_only=True) as cluster:
        found = within_five_seconds(cluster)
        assert found.ok
        assert {finding.subject for finding in found.about("shards")} >= {"counter", "account"}
        assert not cluster.closed
        assert cluster.topology is not None


def test_nothing_is_left_on_the_nodes(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1, log_level="debug")
    within_five_seconds(demo.uri)
    assert "WARNING" not in demo.nodes[0].log_tail(500)


def test_a_dead_port_is_told_as_such_and_the_rest_was_not_looked_at() -> None:
    found = within_five_seconds(f"casty://demo@127.0.0.1:{(port := free_port())}")
    assert not found.ok
    assert one(found, "TCP", "fail") == Finding(
        "TCP", Verdict.fail, "connection refused", "see that the node runs and listens at that port, and that the port is right",
        f"127.0.0.1:{port}",
    )  # fmt: skip
    assert [finding.check for finding in found.of("skip")] == AFTER_THE_CONTACTS
    assert {finding.text for finding in found.of("skip")} == {"not looked at: no contact point answered"}


def test_a_name_that_does_not_resolve_is_told_as_such() -> None:
    finding = one(within_five_seconds("casty://demo@node.invalid:25520"), "address", "fail")
    assert finding.text.startswith("node.invalid does not resolve: ")
    assert finding.fix == "check the name, or give an IP address, or the way to it in address_map"


def test_another_system_name_is_told_with_the_right_one(demo_cluster: DemoCluster) -> None:
    contact = demo_cluster.contact_points[0]
    found = within_five_seconds(f"casty://prod@{contact}")
    finding = one(found, "system name", "fail")
    assert finding.text == f"{contact} belongs to the system 'demo', not 'prod'"
    assert finding.fix == f"connect with the right name, for example casty://demo@{contact}"
    assert {each.text for each in found.of("skip")} == {"not looked at: the name is another cluster's"}


def test_a_frozen_node_is_told_from_a_dead_one(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(2)
    demo.freeze("node-2")
    found = within_five_seconds(demo.uri)
    frozen = one(found, "handshake", "fail")
    assert (frozen.subject, frozen.text) == (
        str(demo.node("node-2").address), "takes connections and says nothing: its process stands still",
    )  # fmt: skip
    assert frozen.fix == "wake or restart it"
    assert one(found, "members", "warn").text == "1 of 2 reached from here"
    demo.freeze("node-1")
    found = within_five_seconds(demo.uri)
    assert [finding.text for finding in found.about("handshake")] == [frozen.text] * 2
    assert [finding.check for finding in found.of("skip")] == AFTER_THE_CONTACTS
    for name in ("node-1", "node-2"):
        demo.thaw(name)


def test_a_node_that_freezes_under_a_connection_is_told_by_its_round_trip(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1)
    with connect(demo.uri) as cluster:
        demo.freeze("node-1")
        found = within_five_seconds(cluster)
        demo.thaw("node-1")
    finding = one(found, "round trip", "fail")
    assert (finding.subject, finding.text) == ("node-1", "connected, but no answer within 1 s")
    assert finding.fix == "its process may stand still or be busy: look at it"


def test_a_node_that_died_is_told_with_what_to_do(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(2)
    with connect(demo.uri) as cluster:
        demo.kill("node-2")
        wait_until(lambda: cluster.members.reachable.sum() == 1)
        found = within_five_seconds(cluster)
    assert one(found, "TCP", "fail").text == "connection refused"
    (lost,) = [finding for finding in found.about("members") if finding.subject]
    assert lost.subject == f"node-2 {demo.node('node-2').address}"
    assert lost.verdict in ("warn", "fail")
    assert lost.fix


def test_a_web_server_is_named() -> None:
    with a_web_server() as port:
        finding = one(within_five_seconds(f"casty://demo@127.0.0.1:{port}"), "handshake", "fail")
    assert finding.text in ("an HTTP server answers there", "a web server answers there")
    assert finding.fix == "connect to the port that the nodes of a casty 0.15 to 0.21 listen at"


@contextmanager
def a_web_server() -> Iterator[int]:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_certificates_are_dated_and_a_missing_one_is_told(
    start_cluster: Callable[..., DemoCluster], tmp_path: Path
) -> None:
    issue(tmp_path)
    demo = start_cluster(1, tls=tmp_path)
    tls = TLS(tmp_path / "node.pem", tmp_path / "node.key", tmp_path / "ca.pem")
    found = within_five_seconds(demo.uri, tls=tls)
    assert found.ok
    assert one(found, "TLS", "ok").text.startswith("the certificate is valid until ")
    plain = one(within_five_seconds(demo.uri), "handshake", "fail")
    assert plain.text == "a node with TLS answers there"
    assert plain.fix == "pass tls=TLS(certfile, keyfile, cafile)"


def test_numbers_of_shards_are_held_against_what_the_cluster_shows(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, shards=demo_cluster.shards) as cluster:
        cluster.ask("counter/user-42", GetCount)  # shard 87
        wait_until(lambda: 87 in topology_of(cluster).shard_allocations.get("counter", {}))
    found = within_five_seconds(demo_cluster.uri, shards={"counter": 10})
    wrong = next(finding for finding in found.about("shards") if finding.subject == "counter")
    assert wrong.verdict == "warn"  # asks go on: another client's number may be the wrong one
    assert "'counter', which was given as 10 shards (0 to 9)" in wrong.text
    assert wrong.fix.startswith("give the number that the nodes use")
    found = within_five_seconds(demo_cluster.uri, shards={"counter": 10**9})
    large = next(finding for finding in found.about("shards") if finding.subject == "counter")
    assert large.verdict == "warn"
    assert "the nodes very likely use fewer" in large.text
    unknown = next(f for f in within_five_seconds(demo_cluster.uri).about("shards") if f.subject == "counter")
    assert unknown.verdict == "warn"
    assert unknown.text.startswith("number not given; highest shard seen is ")
    assert "shards={'counter': N}" in unknown.fix


def test_tunnels_are_told_open_missing_and_wrong(demo_cluster: DemoCluster) -> None:
    first, second, third = (node.address for node in demo_cluster.nodes)
    uri = f"casty://demo@{first}"
    right = within_five_seconds(uri, address_map={("10.9.9.9", 1): tuple(first)})
    assert one(right, "tunnels", "ok").text == "none: nodes are dialled at their own addresses"
    dead = ("127.0.0.1", free_port())
    broken = within_five_seconds(uri, address_map={tuple(third): dead, tuple(second): tuple(first)})
    told = {finding.subject: finding for finding in broken.about("tunnels")}
    assert told["node-3"].text.startswith(f"{third} through 127.0.0.1:{dead[1]}: connection refused")
    assert told["node-2"].text.startswith(f"{second} through {first}: ")
    assert told["node-2"].text.endswith(f"what answers there answers as {first}, which is node-1")
    assert {finding.fix for finding in told.values()} == {"see that the tunnel is open and leads to this node"}
    assert one(within_five_seconds(uri, address_map=lambda _: "x"), "address", "fail").fix == "correct address_map"


@pytest.mark.parametrize("kind", ["sharded", "virtual"])
def test_a_tunnel_to_a_wrong_node_is_told_though_the_right_one_is_reached(
    kind: str, demo_cluster: DemoCluster, virtual_demo: DemoCluster, start_cluster: Callable[..., DemoCluster]
) -> None:
    """A contact point under another name is a way to its node as well: the map is needed, and wrong, when that way fails."""
    demo = demo_cluster if kind == "sharded" else virtual_demo
    casty = {} if kind == "sharded" else {"casty": "0.30"}
    other = start_cluster(1, system="bank", **casty).nodes[0].address
    first, second, third = (node.address for node in demo.nodes)
    uri = f"casty://demo@localhost:{second.port}"
    wrong = {tuple(second): tuple(first), tuple(third): tuple(other), tuple(first): ("localhost", first.port)}
    with connect(uri, address_map=wrong) as cluster:
        wait_until(lambda: cluster.members.reachable.astype(str).tolist() == ["True", "True", "False"])
        examined = doctor(cluster)
    told = {finding.subject: finding for finding in examined.about("tunnels")}
    names = ["node-1", "node-2", "node-3"] if kind == "sharded" else [str(each) for each in (first, second, third)]
    good, astray, foreign = (told[name] for name in names)
    assert good.verdict == "ok"
    assert f"through localhost:{first.port}" in good.text
    who = "node-1" if kind == "sharded" else "another member"
    assert astray.text.endswith(f"through {first}: what answers there answers as {first}, which is {who}")
    assert "a node of another cluster" in foreign.text
    assert foreign.text.endswith("'bank'")
    assert {each.verdict for each in (astray, foreign)} == {"fail"}
    assert {each.fix for each in (astray, foreign)} == {"see that the tunnel is open and leads to this node"}
    assert not examined.ok


def test_a_found_serializer_is_told_with_what_it_cost(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1, serializer="json")
    finding = one(within_five_seconds(demo.uri), "serializer", "warn")
    assert finding.text == "json, found by asking: 2 wrong guesses are in its nodes' logs"
    assert finding.fix == "pass serializer='json'"
    deaf = within_five_seconds(demo.uri, serializer="pickle")
    snapshot = one(deaf, "snapshot", "fail")
    assert "not configured for pickle; serializer='auto' finds out for what" in snapshot.text


def test_arguments_that_cannot_be_used_are_an_error() -> None:
    with pytest.raises(MisuseError):
        doctor("casty://demo@127.0.0.1:1", serializer="yaml")
    with pytest.raises(MisuseError):
        doctor("demo@127.0.0.1:1")


def test_it_shows_itself_as_text_and_as_a_table() -> None:
    found = CheckUp("casty://shop@10.0.1.10:25520", (
        Finding("address", Verdict.ok, "10.0.1.10 needs no resolving", subject="10.0.1.10:25520"),
        Finding("TCP", Verdict.fail, "<script>", "look", "10.0.1.10:25520"),
        Finding("shards", Verdict.warn, "number not given", "give it", "counter"),
        Finding("snapshot", Verdict.skip, "not looked at"),
    ), 0.25)  # fmt: skip
    assert repr(found) == (
        "casty://shop@10.0.1.10:25520: 1 fail, 1 warn, 1 skip, 1 ok (0.2 s)\n"
        "  ✓ ok    address   10.0.1.10:25520: 10.0.1.10 needs no resolving\n"
        "  ✗ fail  TCP       10.0.1.10:25520: <script>\n"
        "                    → look\n"
        "  ! warn  shards    counter: number not given\n"
        "                    → give it\n"
        "  – skip  snapshot  not looked at"
    )
    assert not found.ok
    assert len(found) == 4
    assert found[0].check == "address"
    shown = page(found._repr_html_())
    assert shown.captions == ["casty://shop@10.0.1.10:25520: 1 fail, 1 warn, 1 skip, 1 ok (0.2 s)"]
    assert shown.rows[1:3] == [
        ["address", "✓ ok", "10.0.1.10:25520: 10.0.1.10 needs no resolving", ""],
        ["TCP", "✗ fail", "10.0.1.10:25520: <script>", "look"],
    ]
