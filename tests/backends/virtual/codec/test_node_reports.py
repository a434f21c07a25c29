"""Reports of the nodes: what is not of their form is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.node_reports import read_report
from casty_notebook.backends.virtual.codec.packing import pack
from casty_notebook.backends.virtual.codec.values import ValueReader
from casty_notebook.errors import UndecodableMessage
from casty_notebook.topology.node_report import Activation, LogLine, TypeLoad

HERE = NodeAddress("10.0.1.10", 25520)
FIELDS: dict[str, Any] = {
    "format": 1, "casty": "0.30.2", "rows": [["shop:counter", "a", 1.5, 2]], "left_out": 3,
    "loads": [["shop:counter", 4, 5, 6]], "asks": 7, "writes": 8, "writes_failed": 9, "connections": 10,
    "bytes_sent": 11, "bytes_received": 12, "log": [[13, 2.5, "WARNING", "text"]],
}  # fmt: skip


def read(**changes: Any) -> Any:
    return read_report(HERE, ValueReader().read(pack(["Report", FIELDS | changes])))


def test_a_report_is_read() -> None:
    report = read()
    moment = datetime.fromtimestamp(1.5, UTC)
    assert report.activations == (Activation("shop:counter", "a", moment, 2),)
    assert report.loads == (TypeLoad("shop:counter", 4, 5, 6),)
    assert report.log == (LogLine(13, datetime.fromtimestamp(2.5, UTC), "WARNING", "text"),)
    assert (report.left_out, report.asks, report.writes, report.bytes_received) == (3, 7, 8, 12)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2}, {"rows": [["a", "b", 1.0]]}, {"rows": [["a", "b", "soon", 1]]}, {"rows": [["a", "b", 1e300, 1]]},
        {"rows": [["a", "b", float("nan"), 1]]}, {"rows": [[1, "b", 1.0, 1]]}, {"rows": [["a", "b" * 20_000, 1.0, 1]]},
        {"rows": [["a", "b", 1.0, 1]] * 20_001}, {"left_out": -1}, {"writes": True}, {"log": "none"}, {"loads": None},
        {"loads": [["a", 2**63, 0, 0]]}, {"loads": [["a", 1, -1, 0]]}, {"log": [[1, 2.5, "WARNING", "x" * 2_000]]},
        {"log": [[1, 2.5, "W" * 2_000, "x"]]}, {"log": [[-1, 2.5, "WARNING", "x"]]}, {"log": [[1, float("inf"), "WARNING", "x"]]},
    ],
)  # fmt: skip
def test_what_is_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UndecodableMessage, match=r"casty_nodeside:look on 10\.0\.1\.10:25520 answered"):
        read(**changes)


@given(st.recursive(st.none() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(), st.lists))
def test_no_answer_breaks_the_reader(tree: Any) -> None:
    with pytest.raises(UndecodableMessage):
        read_report(HERE, ValueReader().read(pack(tree)))
