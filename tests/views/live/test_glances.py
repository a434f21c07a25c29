"""Nodes are asked while somebody looks, once a second at most, and nobody is where nobody could answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from casty_notebook.backends.contract import Backend
from casty_notebook.errors import MisuseError
from casty_notebook.topology.kinds import SHARDED, VIRTUAL
from casty_notebook.topology.node_report import HELPER
from casty_notebook.topology.snapshot import ServiceEntry, TopologySnapshot
from casty_notebook.views.live import glances
from casty_notebook.views.live.glances import HOW, Glances
from tests.support.topologies import member, node, topology


class Nodes:
    """A backend that counts how often its nodes are asked."""

    def __init__(self, *types: str) -> None:
        services = [ServiceEntry(each, node(1), "") for each in types]
        self.topology: TopologySnapshot | None = topology([member(1)], services=services)
        self.asked: list[bool] = []
        self.error: Exception | None = None
        self.answer = asyncio.Event()
        self.answer.set()

    async def node_reports(self, *, glance: bool = False) -> Mapping[Any, Any]:
        self.asked.append(glance)
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return {}


def looking(nodes: Nodes) -> Glances:
    return Glances(cast("Backend", nodes))


async def rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_where_no_member_has_the_helper_nobody_is_asked_and_it_is_said_how_to_get_it() -> None:
    nodes = Nodes("shop:cart")
    made = looking(nodes)
    for _ in range(10):
        made.look()
        await rest()
    assert nodes.asked == []
    assert made.hint(VIRTUAL) == HOW
    assert made.hint(SHARDED) == ""
    nodes.topology = None
    made.look()
    assert nodes.asked == []


async def test_nodes_are_asked_once_a_second_at_most_and_only_glanced_at(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(glances, "monotonic", lambda: now)
    nodes = Nodes(HELPER)
    made = looking(nodes)
    for _ in range(40):  # ten seconds of looks
        made.look()
        await rest()
        now += 0.25
    assert nodes.asked == [True] * 10
    assert made.hint(VIRTUAL) == ""


async def test_while_an_answer_is_awaited_there_is_no_second_question(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(glances, "monotonic", lambda: now)
    nodes = Nodes(HELPER)
    nodes.answer.clear()
    made = looking(nodes)
    for _ in range(20):
        made.look()
        await rest()
        now += 1.0
    assert len(nodes.asked) == 1
    nodes.answer.set()
    await rest()
    made.look()
    await rest()
    assert len(nodes.asked) == 2


async def test_why_nothing_is_told_is_said_and_a_fault_of_ours_harms_no_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glances, "EVERY", 0.0)
    nodes = Nodes(HELPER)
    made = looking(nodes)
    for error, hint in ((MisuseError("another version"), "another version"), (ValueError("a bug"), ""), (None, "")):
        nodes.error = error
        made.look()
        await rest()
        assert made.hint(VIRTUAL) == hint
