"""What a value weighs with everything shared written out: the short way for members and services, and the long one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry
from casty_notebook.values.limits.measure import Measure, TooMuch
from casty_notebook.values.refs import ActorRef

REGISTRY = build_registry(lambda uri: ActorRef(ActorAddress.parse(uri)))
HERE = NodeAddress("10.0.1.10", 25520)


def the_long_way(measure: Measure, value: Any) -> int:
    parts = measure._parts(value)
    assert isinstance(parts, Iterator)
    return measure._walk(value, parts)


def member(*roles: Any) -> Member:
    return Member(HERE, MemberStatus.up, frozenset(roles), "node-1")


@pytest.mark.parametrize("value", [ServiceEntry("payment", HERE, "/p"), member(), member("web", "api"), member(("web",))])
@pytest.mark.parametrize("remember", [True, False])
def test_both_ways_weigh_the_same(value: Any, remember: bool) -> None:
    measure = Measure(REGISTRY, 200, 1_000, remember=remember)
    assert measure.weigh(value) == the_long_way(Measure(REGISTRY, 200, 1_000), value)
    assert measure.weigh(value) == measure.weigh(value)


@pytest.mark.parametrize("fields", [("payment", HERE, ("/p", ("q",))), ([1, 2, 3], HERE, "/p")])
def test_a_field_that_holds_more_than_it_should_is_looked_into(fields: tuple[Any, ...]) -> None:
    value = ServiceEntry(*fields)
    assert Measure(REGISTRY, 200, 1_000).weigh(value) == the_long_way(Measure(REGISTRY, 200, 1_000), value)
    circular: list[Any] = []
    circular.append(circular)
    with pytest.raises(TooMuch, match="contains itself"):
        Measure(REGISTRY, 200, 1_000).weigh(ServiceEntry("payment", HERE, circular))  # type: ignore[arg-type]


def test_the_bounds_of_depth_and_weight_hold_both_ways() -> None:
    with pytest.raises(TooMuch, match="nested deeper than 1 "):
        Measure(REGISTRY, 1, 1_000).weigh(member("web"))
    assert Measure(REGISTRY, 2, 1_000).weigh(member("web")) == 6
    with pytest.raises(TooMuch, match="more than 100 values"):
        Measure(REGISTRY, 200, 100).weigh(member(*map(str, range(200))))
