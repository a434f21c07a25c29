"""Numbers and texts that cannot work are refused first, wherever they enter: nothing is sent, and nothing waits for ever."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from casty_notebook import Cluster, ClusterClient, ShardEnvelope, connect
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.errors import MisuseError, UnsendableMessage
from casty_notebook.settings import MAY_BE_ZERO, Settings

NO_TIMES = [float("nan"), float("inf"), -1, 0, "5", True, np.True_, b"1", [1], 1e300, 1j]
NO_COUNTS = [float("nan"), float("inf"), -1, 0, "5", True, 2.0, [1]]

FLOATS = [field.name for field in dataclasses.fields(Settings) if field.type == "float"]
INTS = [field.name for field in dataclasses.fields(Settings) if field.type == "int"]


@pytest.fixture(scope="module")
def cluster(demo_cluster: DemoCluster):  # type: ignore[no-untyped-def]
    with connect(demo_cluster.uri, shards=demo_cluster.shards, messages=[messages], name="numbers") as connected:
        yield connected


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS + INTS)
def test_a_setting_is_a_number_that_can_work(name: str) -> None:
    for wrong in (NO_TIMES if name in FLOATS else NO_COUNTS):
        if not (name in MAY_BE_ZERO and type(wrong) is int and wrong == 0):
            with pytest.raises(MisuseError, match=f"^{name} must be "):
                Settings(**{name: wrong})  # type: ignore[arg-type]
            with pytest.raises(MisuseError, match=f"^{name} must be "):
                dataclasses.replace(Settings(), **{name: wrong})  # type: ignore[arg-type]


def test_settings_of_numpy_are_kept_as_plain_numbers() -> None:
    settings = Settings(ask_timeout=np.float32(0.5), max_buffered=np.int64(7))  # type: ignore[arg-type]
    assert (type(settings.ask_timeout), settings.ask_timeout) == (float, 0.5)
    assert (type(settings.max_buffered), settings.max_buffered) == (int, 7)
    assert type(Settings(ask_timeout=2).ask_timeout) is float


def test_settings_that_contradict_each_other_or_the_protocol_are_refused() -> None:
    with pytest.raises(MisuseError, match="probe_timeout"):
        Settings(probe_timeout=10.0, liveness_window=10.0)
    with pytest.raises(MisuseError, match="max_frame"):
        Settings(max_frame=2**32)
    with pytest.raises(MisuseError, match=r"settings takes Settings\(…\)"):
        ClusterClient(contact_points=[("h", 1)], system_name="s", settings={"ask_timeout": 1})  # type: ignore[arg-type]


# --- calls -----------------------------------------------------------------------------------------------------------

TIMES: dict[str, Callable[[Cluster, Any], Any]] = {
    "ask": lambda c, wrong: c.ask("counter/n", GetCount, timeout=wrong),
    "ask_many": lambda c, wrong: c.ask_many("counter/n-{1..3}", GetCount, timeout=wrong),
    "sample": lambda c, wrong: c.sample("counter/n", GetCount, count=2, timeout=wrong),
    "sample, every": lambda c, wrong: c.sample("counter/n", GetCount, count=2, every=wrong),
    "connect": lambda c, wrong: connect(c.uri, timeout=wrong),
    "counter": lambda c, wrong: c.counter("hits", timeout=wrong),
    "dict": lambda c, wrong: c.dict("users", timeout=wrong),
    "wait_for_topology": lambda c, wrong: c._wait(c.client.wait_for_topology(wrong)),
    "ask_async": lambda c, wrong: c._wait(c.ask_async("counter/n", GetCount, timeout=wrong)),
}

COUNTS: dict[str, Callable[[Cluster, Any], Any]] = {
    "ask_many, concurrency": lambda c, wrong: c.ask_many("counter/n-{1..3}", GetCount, concurrency=wrong),
    "sample, count": lambda c, wrong: c.sample("counter/n", GetCount, count=wrong),
    "connect, shards": lambda c, wrong: connect(c.uri, shards={"counter": wrong}),
    "entity_ref": lambda c, wrong: c.entity_ref("another", wrong),
    "counter, shards": lambda c, wrong: c.counter("hits", shards=wrong),
    "DemoCluster": lambda c, wrong: DemoCluster(wrong),
    "DemoCluster, shards": lambda c, wrong: DemoCluster(1, shards=wrong),
}


@pytest.mark.parametrize("call", TIMES)
def test_a_time_is_more_than_nothing_and_finite(cluster: Cluster, call: str) -> None:
    for wrong in NO_TIMES:
        if not (call == "sample, every" and type(wrong) is int and wrong == 0):
            with pytest.raises(MisuseError, match="must be"):
                TIMES[call](cluster, wrong)
    assert not cluster.client._pump.futures


@pytest.mark.parametrize("call", COUNTS)
def test_a_count_is_a_whole_number_above_nothing(cluster: Cluster, call: str) -> None:
    for wrong in NO_COUNTS:
        with pytest.raises(MisuseError):
            COUNTS[call](cluster, wrong)


@pytest.mark.parametrize("amount", [float("nan"), 1.5, "1", True])
def test_a_counter_counts_whole_numbers(cluster: Cluster, amount: Any) -> None:
    for change in (cluster.counter("hits").increment, cluster.counter("hits").decrement):
        with pytest.raises(MisuseError, match="amount must be a whole number"):
            change(amount)


def test_numbers_of_numpy_are_numbers(cluster: Cluster) -> None:
    assert cluster.ask("counter/numpy", GetCount, timeout=np.float64(5)) == 0
    assert cluster.ask_many("counter/numpy-{1..2}", GetCount, concurrency=np.int64(2), progress=False).reply.tolist() == [0, 0]
    assert len(cluster.sample("counter/numpy", GetCount, count=np.int64(2), every=0)) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("shards", [100, ["counter"], "counter=100", {1: 100}])
def test_shards_are_types_with_their_numbers(cluster: Cluster, shards: Any) -> None:
    with pytest.raises(MisuseError):
        connect(cluster.uri, shards=shards)


# --- texts -----------------------------------------------------------------------------------------------------------


def test_half_a_character_in_an_id_is_refused_in_words(cluster: Cluster) -> None:
    for call in (
        lambda: cluster.ask("counter/\ud800", GetCount), lambda: cluster.tell("counter/\ud800", Increment(1)),
        lambda: cluster.where("counter/\ud800"), lambda: cluster.ask("payment", lambda r: GetCount("\udfff")),  # type: ignore[arg-type]
        lambda: cluster.tell(f"{next(iter(cluster.lookup('payment'))).ref.uri}\ud800", Increment(1)),
        lambda: cluster._on_loop(lambda: cluster.client.tell(
            cluster.client.entity_ref("counter", 100), ShardEnvelope("\udfff", Increment(1)))),
        lambda: connect(cluster.uri, shards={"\ud800": 100}),
    ):  # fmt: skip
        with pytest.raises(MisuseError, match=r"surrogate|Unicode|printable"):
            call()


def test_half_a_character_in_one_of_many_ids_costs_that_row(cluster: Cluster) -> None:
    table = cluster.ask_many(["a", "\ud800", "b"], GetCount, shard_type="counter", progress=False)
    assert table.reply.tolist() == [0, None, 0]
    assert "surrogate" in table.error[1]


def test_an_unknown_type_gets_no_half_a_character_either(demo_cluster: DemoCluster, cluster: Cluster) -> None:
    cluster.tell("counter/known", Increment(0))
    with connect(demo_cluster.uri, name="no-shards") as ignorant, pytest.raises(UnsendableMessage):
        ignorant.tell("counter/\ud800", Increment(1))
