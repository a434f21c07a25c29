"""What one node says of itself takes nothing from what the others say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.aio.node_reports import NodeReports
from casty_notebook.backends.virtual.codec.packing import pack
from casty_notebook.backends.virtual.codec.protocol import Record
from casty_notebook.backends.virtual.codec.values import EntityKey, ValueReader
from casty_notebook.backends.virtual.session.members import Members, Tables
from casty_notebook.errors import FailureReport, MisuseError, NoSuchType, UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.node_report import HELPER
from tests.backends.virtual.codec.test_node_reports import FIELDS

NODES = tuple(NodeAddress(f"10.0.1.{number}", 25520) for number in range(3))


class Client:
    """Asked of each node, answers what a test wants."""

    settings = Settings()
    reader = ValueReader()

    def __init__(self, answers: dict[NodeAddress, Any], types: frozenset[str] = frozenset({HELPER})) -> None:
        self._answers = answers
        self.views: dict[NodeAddress, NodeHealth] = {}
        self.asked: list[tuple[NodeAddress, int, int]] = []
        tables = Tables(5.0)
        tables.take(NODES[0], tuple(Record(node, bytes(16), "alive", types) for node in NODES), 0.0)
        merged = tables.merged()
        assert isinstance(merged, Members)
        self._members = merged

    @property
    def members(self) -> Members | None:
        return self._members

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        return self.views

    async def wait_for_members(self, timeout: float = 10.0) -> Members:
        assert self._members is not None
        return self._members

    async def ask(self, target: EntityKey | str, message: Any, **options: Any) -> Any:
        assert isinstance(target, EntityKey)
        node = NodeAddress.parse(target.key[1:].partition("/")[0])
        self.asked.append((node, message.most, message.after))
        answer = self._answers[node]
        if isinstance(answer, Exception):
            raise answer
        return answer


def honest() -> Any:
    return ValueReader().read(pack(["Report", FIELDS]))


@pytest.mark.parametrize("lie", ["nonsense", 7, [[["x"] * 100] * 100], UndecodableMessage("what came is no message")])
async def test_the_reports_of_the_others_are_shown(lie: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = Client({NODES[0]: honest(), NODES[1]: lie, NODES[2]: honest()})
    assert set(await NodeReports(client).ask()) == {NODES[0], NODES[2]}
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(line.getMessage()) < 300


async def test_where_no_node_speaks_clearly_that_is_said() -> None:
    client = Client(dict.fromkeys(NODES, "nonsense"))
    with pytest.raises(UndecodableMessage, match="copy casty_nodeside"):
        await NodeReports(client).ask()


async def test_a_node_that_is_not_reached_is_not_asked() -> None:
    client = Client(dict.fromkeys(NODES, honest()))
    client.views[NODES[1]] = NodeHealth(LinkState.down)
    assert set(await NodeReports(client).ask()) == {NODES[0], NODES[2]}
    assert NODES[1] not in {node for node, *_ in client.asked}


async def test_who_looks_within_a_second_gets_the_same_but_who_wants_more_keys_asks_once_more() -> None:
    client = Client(dict.fromkeys(NODES, honest()))
    reports = NodeReports(client)
    for _ in range(5):
        await reports.ask(20, met_only=True)
    assert len(client.asked) == 3
    for keys in (5_000, 20, 10**9):
        await reports.ask(keys)
    assert [most for _, most, _ in client.asked] == [20] * 3 + [5_000] * 3


async def test_of_two_who_ask_at_once_no_record_of_the_log_comes_twice() -> None:
    reports = NodeReports(Client(dict.fromkeys(NODES, honest())))
    await asyncio.gather(reports.ask(1), reports.ask(9))
    assert len(reports.last[NODES[0]].log) == 1


async def test_a_node_without_the_file_is_asked_once_in_its_life_by_who_only_glances() -> None:
    absent = NoSuchType(FailureReport("look", "it has no such type"))
    client = Client({NODES[0]: honest(), NODES[1]: absent, NODES[2]: honest()})
    reports = NodeReports(client)
    for keys in (1, 2, 3):
        assert set(await reports.ask(keys, met_only=True)) == {NODES[0], NODES[2]}
    assert [node for node, *_ in client.asked].count(NODES[1]) == 1


async def test_where_no_member_has_met_the_helper_a_glance_asks_nobody() -> None:
    client = Client(dict.fromkeys(NODES, honest()), types=frozenset())
    with pytest.raises(MisuseError, match=r"copy casty_nodeside\.py .* makes no node import anything"):
        await NodeReports(client).ask(met_only=True)
    assert client.asked == []
    assert set(await NodeReports(client).ask()) == set(NODES)
