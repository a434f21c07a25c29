"""Another cluster on the address of a member that died: real nodes, one of them not ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from casty_notebook import connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment
from tests.house.source import ROOT
from tests.support.topologies import topology_of
from tests.support.waiting import wait_until


@pytest.mark.timeout(120)
def test_a_node_of_another_cluster_is_no_member_and_what_lived_there_is_found_again(
    start_cluster: Callable[..., DemoCluster],
) -> None:
    demo = start_cluster(2)
    with connect(demo.uri, shards=demo.shards) as cluster:
        there = demo.node("node-2").address
        entity = next(name for name in (f"counter/e{n}" for n in range(200)) if lives_on(cluster, name, there))
        demo.kill("node-2")
        # Before, casty's own gossip would take the newcomer for the member: it looks at no system name.
        wait_until(lambda: there in topology_of(cluster).unreachable, 30, "the cluster notices the death")
        stranger = subprocess.Popen(
            [
                sys.executable, "-m", "casty_notebook.demo.node", "--name", "node-1", "--host", there.host,
                "--port", str(there.port), "--system", "other",
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(lambda: "other" in cluster.health[there].reason, 30, "the link is down by the other system's name")
            assert cluster.health[there].reachable is False
            # What it had counted died with its node.
            cluster.tell(entity, Increment(2))
            assert cluster.ask(entity, GetCount, timeout=30.0) == 2
            assert cluster.where(entity).address == demo.node("node-1").address
        finally:
            assert stranger.stdin is not None
            stranger.stdin.close()
            stranger.kill()
            stranger.wait()


def lives_on(cluster: object, entity: str, node: object) -> bool:
    """Ask it, so that it is placed, and see where."""
    cluster.ask(entity, GetCount)  # type: ignore[attr-defined]
    return bool(cluster.where(entity).address == node)  # type: ignore[attr-defined]
