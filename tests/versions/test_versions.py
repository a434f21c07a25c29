"""Every supported casty in every configuration, with no setting but an address."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from casty_notebook import Cluster, ServiceKey, StandIn, connect
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.errors import NoContactPoint
from casty_notebook.values.envelope import entity_shard
from tests.support.topologies import topology_of
from tests.support.waiting import wait_until
from tests.versions.environments import FULL, PLAIN

CONFIGURATIONS = [
    ("json", None),
    ("msgpack", None),
    ("cloudpickle", None),
    *(("pickle", each) for each in ("zlib", "gzip", "bz2")),
    ("json", "lzma"),
    ("msgpack", "lz4"),
]


def an_address_of(demo: DemoCluster) -> str:
    return f"casty://{demo.system}@{demo.contact_points[0]}"


def check_everything(cluster: Cluster, nodes: int) -> None:
    """Topology, tell, ask with and without the classes, lookup, fan-out."""
    wait_until(lambda: cluster.members.reachable.sum() == nodes, message="every node is reached")
    assert list(cluster.members.status) == ["up"] * nodes
    cluster.entity_ref("counter", 100)
    cluster.tell("counter/user-42", messages.Increment(3))
    assert cluster.ask("counter/user-42", messages.GetCount) == 3
    without = cluster.module("casty_notebook.demo.messages")
    cluster.tell("counter/user-42", without.Increment(amount=2))
    assert cluster.ask("counter/user-42", without.GetCount()) == 5
    for value in (49, "ü", None, [1, 2.5, {"a": (True,)}]):
        assert cluster.ask("counter/echo", without.Echo(value=value)) == value
    receipt = cluster.ask("payment", without.ProcessPayment(amount=7))
    assert isinstance(receipt, StandIn)
    assert (receipt.amount, receipt.to_dict()["number"] >= 1) == (7, True)
    assert len(cluster.lookup(ServiceKey("payment")).instances) == nodes
    table = cluster.ask_many([f"counter/many-{i}" for i in range(40)], without.GetCount())
    assert table.reply.tolist() == [0] * 40
    assert table.error.isna().all()
    # 0.19 and 0.20.0 reorder what they send: an older snapshot may come last, until the next push.
    asked = {entity_shard(f"many-{i}", 100) for i in range(40)}
    if nodes > 1:
        wait_until(lambda: asked <= topology_of(cluster).shard_allocations["counter"].keys(), message="snapshots catch up")
    everyone = cluster.ask_many("payment", without.WhereAreYou())
    assert len(everyone) == nodes
    assert everyone.error.isna().all()


def check_the_next_one_guesses_nothing(demo: DemoCluster) -> None:
    """What the first connection found is remembered; its classes are given, and the number of shards is not."""
    with connect(an_address_of(demo), name="next", messages=demo.messages) as cluster:
        assert cluster.client.wrong_guesses == 0
        assert cluster.ask("counter/user-42", messages.GetCount) == 5
        assert isinstance(cluster.ask("payment", messages.ProcessPayment(1)), messages.PaymentReceipt)


@pytest.mark.parametrize("version", [*PLAIN, FULL])
def test_a_cluster_of_each_version_needs_nothing_but_an_address(
    version: str, start_version: Callable[..., DemoCluster]
) -> None:
    demo = start_version(version)
    assert {node.casty_version for node in demo.nodes} == {version}
    with connect(an_address_of(demo)) as cluster:
        check_everything(cluster, 2)
        assert cluster.client.encoding is not None
        assert cluster.client.encoding.layout == ("flat" if version < "0.16" else "pkg")
        assert cluster.client.encoding.configuration == ("pickle", None)
        assert cluster.client.wrong_guesses == (1 if version < "0.16" else 0)
    check_the_next_one_guesses_nothing(demo)
    if version >= "0.16":
        assert "WARNING" not in "".join(node.log_tail(500) for node in demo.nodes)


@pytest.mark.parametrize(("serializer", "compression"), CONFIGURATIONS)
def test_a_cluster_of_each_configuration_needs_nothing_but_an_address(
    serializer: str, compression: str | None, start_version: Callable[..., DemoCluster], caplog: pytest.LogCaptureFixture
) -> None:
    demo = start_version(FULL, 1, serializer=serializer, compression=compression)
    with caplog.at_level(logging.WARNING, "casty_notebook"), connect(an_address_of(demo)) as cluster:
        check_everything(cluster, 1)
        card = repr(cluster)
        encoding, wrong = cluster.client.encoding, cluster.client.wrong_guesses
    check_the_next_one_guesses_nothing(demo)
    found = ("pickle" if serializer == "cloudpickle" else serializer), compression
    assert encoding is not None
    assert encoding.configuration == found
    reported = [record.getMessage() for record in caplog.records if "found by asking" in record.getMessage()]
    if found == ("pickle", None):
        assert not reported
        assert "found by asking" not in card
        return
    count = "1 wrong guess is" if wrong == 1 else f"{wrong} wrong guesses are"
    option = f"serializer={found[0]!r}" + (f", compression={compression!r}" if compression else "")
    assert reported == [
        f"found by asking that 'demo' is configured for {encoding}: {count} in its nodes' logs as warnings; {option} avoids that"
    ]
    assert f"  messages  {encoding}, found by asking: {count} in its nodes' logs\n" in card
    assert demo.nodes[0].log_tail(500).count("WARNING") == wrong


def test_an_explicit_serializer_that_is_wrong_is_told_what_to_try(start_version: Callable[..., DemoCluster]) -> None:
    demo = start_version(FULL, nodes=1, serializer="json")
    with pytest.raises(NoContactPoint) as caught:
        connect(an_address_of(demo), serializer="pickle", timeout=1.5)
    assert caught.value.attempts[0].outcome == (
        f"connected to {demo.contact_points[0]}, but no snapshot came: it hangs, or is not configured for pickle; "
        "serializer='auto' finds out for what"
    )
    with connect(an_address_of(demo), serializer="json") as cluster:
        assert cluster.client.wrong_guesses == 0


def test_an_encoding_whose_package_is_not_here_is_named_as_soon_as_all_others_were_tried(
    start_version: Callable[..., DemoCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casty_notebook.backends.sharded.aio.codecs.find_spec", lambda name: None)
    demo = start_version(FULL, nodes=1, compression="lz4")
    began = time.monotonic()
    with pytest.raises(NoContactPoint, match="lz4 was not tried, since its package is not here: pip install lz4"):
        connect(an_address_of(demo), timeout=30.0)
    # Sixteen encodings of 0.1 s and one probe of 2 s; without it would be the whole half minute.
    assert time.monotonic() - began < 15
