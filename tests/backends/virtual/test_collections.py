"""Collections of casty 0.30, beside casty's own client on the same nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import casty_notebook
from casty_notebook import Cluster, VirtualClient
from casty_notebook.errors import MisuseError, ReadOnly
from casty_notebook.values.standin import StandIn, stand_in_class
from tests.backends.virtual.cluster import RELEASES, VirtualCluster
from tests.backends.virtual.messages import Colour, Inner

VALUES = (
    -3, 1.0, "né", b"\0\xff", True, datetime(2026, 11, 27, 1, 2, 3, 4, UTC), date(1969, 12, 31),
    timedelta(days=-1, microseconds=3), Decimal("1.50"), UUID(int=5), None, ("a", 1), (1.0, 2.5), frozenset({"b", "a"}),
    Inner(7), Inner(8), Colour.BLUE,
)  # fmt: skip
"""Those of `collect.py`."""


@dataclass
class Used:
    """A cluster whose collections casty's own client has made."""

    release: str
    nodes: VirtualCluster
    cluster: Cluster

    def casty(self, action: str) -> Any:
        """Have casty's own client do something, and return what it found."""
        return json.loads(self.nodes.run("collect.py", action))

    def connect(self, **options: Any) -> Cluster:
        contacts = ",".join(f"127.0.0.1:{port}" for port in self.nodes.ports)
        return casty_notebook.connect(f"casty://shop@{contacts}", **options)


@pytest.fixture(scope="module", params=RELEASES)
def used(request: pytest.FixtureRequest) -> Iterator[Used]:
    with VirtualCluster(2, request.param) as nodes:
        made = Used(request.param, nodes, None)  # type: ignore[arg-type]
        made.casty("make")
        with made.connect(name=request.param, messages=[Inner]) as made.cluster:
            yield made


def test_nothing_is_there_before_an_application_has_used_it(used: Used) -> None:
    with pytest.raises(MisuseError, match="there is no counter 'hit': it exists once an application"):
        used.cluster.counter("hit").increment()
    with pytest.raises(MisuseError, match="there is no queue 'hits'"):
        used.cluster.queue("hits").enqueue("x")


async def test_a_cluster_without_any_is_not_even_asked() -> None:
    with VirtualCluster(1) as nodes:
        async with VirtualClient(contact_points=nodes.contacts, cluster_name="shop") as client:
            made = client.collections()
            with pytest.raises(MisuseError, match="no member has met any of casty's collections yet"):
                await made.counter("hits").get()
            assert (await client.wait_for_members()).types == ()


def test_what_casty_wrote_is_read(used: Used) -> None:
    cluster = used.cluster
    assert (cluster.counter("hits", timeout=20).get(), cluster.counter("plain").get()) == (5, 2)
    prices = cluster.dict("prices")
    assert [prices.get(key) for key in ("apple", "pear", "none", "fig")] == [30, 45, None, None]
    assert (prices.contains("none"), prices.contains("fig"), prices.size()) == (True, False, 3)
    assert dict(prices.items()) == {"apple": 30, "pear": 45, "none": None}
    assert cluster.set("cities").items() == ["Lisbon"]
    assert (cluster.queue("jobs").peek(), cluster.queue("jobs").size()) == ("sweep", 2)


def test_an_index_of_many_segments_is_read_whole_and_once(used: Used) -> None:
    many = used.cluster.dict("many")
    assert many.size() == 1_300
    assert sorted(many.keys(limit=2_000)) == list(range(1_300))
    assert (many.get(777), many.contains(1_299), many.contains(1_300)) == ("value 777", True, False)
    with pytest.raises(MisuseError, match="lists 1,300, and 1,000 are read at most; give limit=1300"):
        many.items()


def test_values_of_every_type_are_read_and_found(used: Used) -> None:
    for number, value in enumerate(VALUES):
        held = used.cluster.set(f"typed-{number}")
        assert held.contains(value), value
        (read,) = held.items()
        assert read == ("BLUE" if value is Colour.BLUE else value)
        assert not held.add(value)  # the same bytes, so that it is no other value
    with used.connect(name="stranger") as stranger:
        (read,) = stranger.set("typed-14").items()
        assert type(read) is StandIn
        assert repr(read) == "shop.actors.Inner(x=7)"


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (0, 1.5),
        (0, True),
        (0, "1"),
        (1, "1"),
        (10, "1"),
        (11, ("a", 1, 2)),
        (11, ("a", "b")),
        (13, {1}),
        (14, stand_in_class("s.Inner")(x=1)),
    ],
)
def test_a_value_of_another_type_is_never_written(used: Used, number: int, value: Any) -> None:
    with pytest.raises(MisuseError, match="nothing was sent"):
        used.cluster.set(f"typed-{number}").add(value)


def test_casty_reads_what_we_wrote(used: Used) -> None:
    cluster = used.cluster
    hits, prices, cities, jobs = cluster.counter("hits"), cluster.dict("prices"), cluster.set("cities"), cluster.queue("jobs")
    assert [hits.increment(), hits.increment(10), hits.decrement(3)] == [6, 16, 13]
    assert [prices.put("fig", 7), prices.put("fig", 8), prices.put("fig", None), prices.delete("none")] == [None, 7, 8, True]
    assert [prices.delete("none"), prices.contains("fig")] == [False, True]
    assert [cities.add("Oslo"), cities.add("Oslo"), cities.size(), cities.remove("Lisbon"), cities.remove("Rome")] == [
        True, False, 2, True, False,
    ]  # fmt: skip
    assert [jobs.enqueue("dust"), jobs.dequeue(), jobs.size()] == [None, "sweep", 2]
    grown = cluster.set("grown")
    assert sum(grown.add(number) for number in range(600)) == 600  # a segment is full at 512
    assert used.casty("look") == {
        "hits": 13, "prices": [["apple", 30], ["fig", None], ["pear", 45]], "size": 3, "cities": ["Oslo"],
        "jobs": ["mop", "dust"], "grown": [601, 601], "typed": [1] * len(VALUES), "holding": [True] * len(VALUES),
    }  # fmt: skip


def test_a_queue_of_several_segments_is_emptied_in_order(used: Used) -> None:
    long = used.cluster.queue("long")
    assert long.size() == 40
    assert [int(long.dequeue()[:3]) for _ in range(40)] == list(range(40))
    assert [long.dequeue(), long.peek(), long.size(), long.enqueue("x"), long.peek()] == [None, None, 0, None, "x"]
    for number in range(40):
        long.enqueue(f"{number:03}" + 4_000 * "y")
    assert [long.size(), long.dequeue(), long.peek()[:4]] == [41, "x", "000y"]


def test_what_is_destroyed_starts_again_empty(used: Used) -> None:
    cluster = used.cluster
    assert [cluster.counter("plain").destroy(), cluster.set("grown").destroy(), cluster.queue("long").destroy()] == [True] * 3
    assert [cluster.counter("plain").get(), cluster.set("grown").size(), cluster.queue("long").peek()] == [0, 0, None]


def test_a_read_only_connection_reads_and_writes_nothing(used: Used) -> None:
    with used.connect(name="rail", read_only=True) as rail:
        before = rail.counter("hits").get()
        assert rail.dict("prices").get("apple") == 30
        for write in (
            rail.counter("hits").increment, rail.counter("hits").destroy, lambda: rail.dict("prices").put("apple", 1),
            lambda: rail.dict("prices").delete("apple"), lambda: rail.set("cities").add("Rome"),
            lambda: rail.queue("jobs").enqueue("x"), rail.queue("jobs").dequeue, rail.set("cities").destroy,
        ):  # fmt: skip
            with pytest.raises(ReadOnly, match="is read-only"):
                write()
        assert (rail.counter("hits").get(), rail.dict("prices").get("apple")) == (before, 30)


def test_a_collection_is_named_and_needs_no_shards(used: Used) -> None:
    with pytest.raises(MisuseError, match="a queue has a name"):
        used.cluster.queue("")
    with pytest.raises(MisuseError, match="leave shards= out"):
        used.cluster.counter("hits", shards=10)
    assert repr(used.cluster.counter("hits")) == f"<Counter 'hits' of {used.release}>"


async def test_asyncio_has_them_too(shop: VirtualCluster) -> None:
    shop.run("collect.py", "contract")
    async with VirtualClient(contact_points=shop.contacts, cluster_name="shop") as client:
        made = client.collections()
        hits, users = made.counter("hits"), made.dict("users")
        assert [await hits.increment(2), await hits.get(), await users.put("a", "x"), await users.items()] == [
            2, 2, None, [("a", "x")],
        ]  # fmt: skip
