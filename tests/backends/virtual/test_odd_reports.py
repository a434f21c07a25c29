"""What one node says of itself takes nothing from what the others say."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.aio.node_reports import NodeReports
from casty_notebook.backends.virtual.codec.packing import pack
from casty_notebook.backends.virtual.codec.protocol import Record
from casty_notebook.backends.virtual.codec.values import EntityKey, ValueReader
from casty_notebook.backends.virtual.session.members import Members, Tables
from casty_notebook.errors import UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.node_report import HELPER
from tests.backends.virtual.codec.test_node_reports import FIELDS

NODES = tuple(NodeAddress(f"10.0.1.{number}", 25520) for number in range(3))


class Client:
    """Asked of each node, answers what a test wants."""

    settings = Settings()
    reader = ValueReader()

    def __init__(self, answers: dict[NodeAddress, Any]) -> None:
        self._answers = answers
        tables = Tables(5.0)
        tables.take(NODES[0], tuple(Record(node, bytes(16), "alive", frozenset({HELPER})) for node in NODES), 0.0)
        self._members = tables.merged()

    @property
    def members(self) -> Members | None:
        return self._members

    async def wait_for_members(self, timeout: float = 10.0) -> Members:
        assert self._members is not None
        return self._members

    async def ask(self, target: EntityKey | str, message: Any, **options: Any) -> Any:
        assert isinstance(target, EntityKey)
        answer = self._answers[NodeAddress.parse(target.key[1:].partition("/")[0])]
        if isinstance(answer, Exception):
            raise answer
        return answer


def honest() -> Any:
    return ValueReader().read(pack(["Report", FIELDS]))


@pytest.mark.parametrize("lie", ["nonsense", 7, [[["x"] * 100] * 100], UndecodableMessage("what came is no message")])
async def test_the_reports_of_the_others_are_shown(lie: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = Client({NODES[0]: honest(), NODES[1]: lie, NODES[2]: honest()})
    assert set(await NodeReports(client, read_only=False).ask()) == {NODES[0], NODES[2]}
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(line.getMessage()) < 300


async def test_where_no_node_speaks_clearly_that_is_said() -> None:
    client = Client(dict.fromkeys(NODES, "nonsense"))
    with pytest.raises(UndecodableMessage, match="copy casty_nodeside"):
        await NodeReports(client, read_only=False).ask()
