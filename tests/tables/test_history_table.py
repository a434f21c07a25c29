"""Remembered moments as a table."""

from __future__ import annotations

import pandas as pd

from casty_notebook.tables import history
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import MemberStatus
from tests.support.topologies import member, node, owned_by, topology
from tests.topology.test_history import DOWN, LIVE, after


def test_a_row_for_each_moment_that_showed_something_new() -> None:
    kept = History()
    kept.note(Moment(after(0), topology([member(1), member(2)], leader=1, epoch=3), {node(1): LIVE, node(2): LIVE}))
    kept.note(
        Moment(after(1),
        topology([member(1), member(2, MemberStatus.down)], unreachable=[2], shards={"cart": {0: owned_by(1)}}, epoch=4),
        {node(1): LIVE, node(2): DOWN}),
    )
    table = history(kept.moments, cluster="prod")
    assert table.drop(columns=["time", "leader"]).to_dict("list") == {
        "members": [2, 2], "up": [2, 1], "unreachable": [0, 1], "reachable": [2, 1], "shards": [0, 1],
        "services": [0, 0], "epoch": [3, 4],
    }  # fmt: skip
    assert list(table.time) == [after(0), after(1)]
    assert table.leader[0] == "node-1"
    assert pd.isna(table.leader[1])
    assert table.attrs["epoch"] == 4


def test_dtypes_do_not_depend_on_there_being_rows() -> None:
    kept = History()
    kept.note(Moment(after(0), topology([member(1)], leader=1)))
    full, empty = history(kept.moments, cluster="prod"), history([], cluster="prod")
    assert [str(kind) for kind in full.dtypes] == [str(kind) for kind in empty.dtypes]
    assert list(full) == list(empty)
