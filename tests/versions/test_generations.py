"""Casty's other generations, as real nodes: each is recognised within a second and named with the remedy."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from pathlib import Path

import pytest

from casty_notebook import ClusterClient, connect
from casty_notebook.address import NodeAddress
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import NoContactPoint
from tests.versions.processes import run_node

UNTIL_STDIN_ENDS = """
async def stay():
    print("up", flush=True)
    await asyncio.to_thread(sys.stdin.read)
"""
PROGRAMS = {
    "0.14.2": f"""
import asyncio, sys
from casty.sharding import ClusteredActorSystem
{UNTIL_STDIN_ENDS}
async def main():
    port = int(sys.argv[1])
    async with ClusteredActorSystem(name="demo", host="127.0.0.1", port=port, node_id="node-1", seed_nodes=()):
        await stay()
asyncio.run(main())
""",
    "0.22.1": f"""
import asyncio, sys
import casty
{UNTIL_STDIN_ENDS}
async def main():
    async with casty.start(f"127.0.0.1:{{sys.argv[1]}}", cluster_name="demo"):
        await stay()
asyncio.run(main())
""",
    "0.30.2": f"""
import asyncio, sys
from casty import ActorSystem, Cluster
{UNTIL_STDIN_ENDS}
async def main():
    async with ActorSystem(cluster=Cluster(bind=f"127.0.0.1:{{sys.argv[1]}}", name="demo")):
        await stay()
asyncio.run(main())
""",
}
NEWER = (
    "which has another protocol: this client speaks with 0.15 to 0.21. Look into this cluster with the client of its own "
    "version, or run its nodes with casty<0.22"
)
SAID = {
    "0.14.2": "it takes the handshake and says nothing, as nodes of casty 0.14 and older do, which know none: this client "
    "speaks with 0.15 to 0.21. Upgrade the nodes, or see that the port is a casty node's",
    "0.22.1": f"a node of casty 0.22 answers there (or of a release up to 0.29), {NEWER}",
}


def what_connect_says(node: NodeAddress) -> str:
    """The only attempt's outcome, which the error's first line must tell as well, and within a second.

    The better of two, since the machine that runs the tests may be busy.
    """
    fastest = 10.0
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(NoContactPoint) as caught:
            connect(f"casty://demo@{node}", timeout=10.0)
        fastest = min(fastest, time.monotonic() - started)
    assert fastest < 1.0
    (attempt,) = caught.value.attempts
    first_line = str(caught.value).splitlines()[0]
    assert first_line == f"'demo' cannot be reached: {attempt}; the contact points say:"
    return attempt.outcome


@pytest.mark.parametrize("version", SAID)
def test_another_generation_is_named_with_the_remedy_within_a_second(version: str, pythons: dict[str, Path]) -> None:
    with run_node(pythons[version], PROGRAMS[version]) as node:
        assert what_connect_says(node) == SAID[version]


def test_a_node_of_the_second_kind_is_connected_by_connect_and_named_by_the_client_of_the_first(pythons: dict[str, Path]) -> None:
    async def as_sharded(node: NodeAddress) -> None:
        async with ClusterClient(contact_points=[node], system_name="demo") as client:
            await client.wait_for_topology(5.0)

    with run_node(pythons["0.30.2"], PROGRAMS["0.30.2"]) as node:
        with connect(f"casty://demo@{node}") as cluster:
            assert cluster.kind.casty == "0.30"
        with pytest.raises(NoContactPoint, match=r"a node of casty 0\.30 answers there, .* in asyncio VirtualClient does"):
            asyncio.run(as_sharded(node))


def test_one_of_several_contact_points_is_named_first_while_the_others_are_waited_for(pythons: dict[str, Path]) -> None:
    with run_node(pythons["0.22.1"], PROGRAMS["0.22.1"]) as node, pytest.raises(NoContactPoint) as caught:
        connect(f"casty://demo@127.0.0.1:1,{node}", timeout=1.0)
    first_line = str(caught.value).splitlines()[0]
    assert first_line.startswith(f"no snapshot of 'demo' within 1 s: {node}: a node of casty 0.22 answers there")
    assert [attempt.contact for attempt in caught.value.attempts] == ["127.0.0.1:1", str(node)]


def test_a_web_server_is_named_within_a_second() -> None:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = what_connect_says(NodeAddress(*server.server_address))
        server.shutdown()
    assert said in ("a web server answers there", "an HTTP server answers there")


def test_a_frozen_node_is_not_taken_for_an_older_one() -> None:
    with DemoCluster(1) as demo:
        demo.freeze("node-1")
        with pytest.raises(NoContactPoint) as caught:
            connect(demo.uri, timeout=1.0)
        assert "0.14" not in str(caught.value)
        demo.thaw("node-1")
        with connect(demo.uri) as cluster:
            assert len(cluster.members) == 1
