"""Problems of a real cluster: none while it is well, the right ones when a node dies, none when it is back."""

from __future__ import annotations

from collections.abc import Callable

from casty_notebook import connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from tests.support.waiting import wait_until


def test_a_death_is_named_and_its_end_too(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(3)
    with connect(demo.uri, shards=demo.shards) as cluster:
        assert cluster.ask_many("counter/user-{1..60}", GetCount).error.isna().all()
        assert cluster.problems.empty, cluster.problems.to_string()
        demo.kill("node-3")
        wait_until(lambda: "node-3" in set(cluster.problems.subject), 10)
        bad = cluster.problems[cluster.problems.subject == "node-3"].iloc[0]
        assert bad.severity == "bad"
        assert "problems" in repr(cluster)
        assert "cluster.problems" in cluster._repr_html_()
        demo.restart("node-3")
        wait_until(lambda: "node-3" not in set(cluster.problems.query("severity == 'bad'").subject), 20)
        recorded = cluster.record()
    assert list(recorded.problems.columns) == list(cluster.problems.columns)
