"""One value of a cluster at one time: what it says of itself by the snapshot and by our own connections."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.kinds import SHARDED
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import ServiceEntry
from tests.house.source import PACKAGE
from tests.support.topologies import member, node, owned_by, topology
from tests.topology.test_history import DOWN, LIVE, after


def test_a_moment_says_all_that_is_known_of_a_cluster() -> None:
    entry = ServiceEntry("pay", node(1), "/pay")
    snapshot = topology([member(10), member(2)], unreachable=[2], shards={"cart": {0: owned_by(2)}}, services=[entry])
    moment = Moment(after(0), snapshot, {node(2): DOWN, node(10): NodeHealth(LinkState.connecting)})
    assert [each.id for each in moment.members.values()] == ["node-2", "node-10"], "in the order of their names"
    assert moment.kind is SHARDED
    assert moment.placements["cart"][0] == owned_by(2)
    assert moment.services == {entry}
    assert (moment.reach(node(2)), moment.reach(node(10)), moment.reach(node(1))) == (False, None, None)
    assert (moment.flagged(node(2)), moment.flagged(node(10))) == (True, False)


def test_a_moment_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Moment(after(0), topology()).time = after(1)  # type: ignore[misc]


def test_moments_are_equal_whether_or_not_a_history_has_worked_them_out() -> None:
    snapshot = topology([member(1)])
    assert Moment(after(0), snapshot, {node(1): LIVE}) == Moment(after(0), snapshot, {node(1): LIVE}, {"cart": 3})


def _classes() -> Iterator[type]:
    for room in ("topology", "tables", "views"):
        for found in pkgutil.walk_packages([str(PACKAGE / room)], f"casty_notebook.{room}."):
            module = import_module(found.name)
            for value in vars(module).values():
                if inspect.isclass(value) and value.__module__ == found.name:
                    yield value


def test_no_other_value_puts_snapshot_health_and_time_together() -> None:
    """There were four, each made of another one by hand; what is added to one of them did not come to the next."""
    twice = [
        each.__qualname__
        for each in _classes()
        if each is not Moment and {"snapshot", "health"} <= set(getattr(each, "__annotations__", {}))
    ]
    assert twice == []
