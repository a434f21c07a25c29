"""The list of connections says how each of them is now."""

from __future__ import annotations

import pytest

from casty_notebook.magics.connection_list import ConnectionList, ConnectionRow


@pytest.mark.parametrize(
    ("members", "lost", "state"),
    [
        (None, 0, "no snapshot yet"),
        (0, 0, "connected"),
        (4, 0, "connected"),
        (4, 1, "connected, 1 not reachable"),
        (4, 4, "no member reachable from here"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_not_called_connected(members: int | None, lost: int, state: str) -> None:
    row = ConnectionRow("shop", "casty://shop@10.0.1.10:25520", members, current=True, lost=lost)
    assert row.cells()[-1] == state
    assert repr(ConnectionList((row,))).endswith(state)
