"""The same ways to the nodes on uvloop, whose connections differ from asyncio's in what they take."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import TLS, ClusterClient
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.loops.background import LOOP, new_loop
from casty_notebook.net.ssh import SSHGateway
from casty_notebook.values.envelope import ShardEnvelope
from tests.networks.bastion import Bastion
from tests.support.leftovers import MARK
from tests.support.tls import issue

uvloop = pytest.importorskip("uvloop")

BLOCKING = (
    "tests/client/test_blocking.py", "tests/experiments/test_fan_out.py", "tests/experiments/test_sampling.py",
    "tests/views/test_one_subscription.py",
)  # fmt: skip
"""Tests of what runs on the background loop."""


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def ask(client: ClusterClient) -> None:
    async with client:
        counter = client.entity_ref("counter", 100)
        assert isinstance(await client.ask(counter, lambda r: ShardEnvelope("uv", GetCount(r))), int)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_plain_connections(demo_cluster: DemoCluster, host: str) -> None:
    contacts = [(host, node.port) for node in demo_cluster.contact_points]
    run(ask(ClusterClient(contact_points=contacts, system_name="demo")))


def test_channels_and_tls_inside_them(demo_cluster: DemoCluster, bastion: Bastion, tmp_path: Path) -> None:
    issue(tmp_path / "node")
    node = tmp_path / "node"
    tls = TLS(node / "node.pem", node / "node.key", node / "ca.pem")

    async def main(secure: DemoCluster) -> None:
        async with SSHGateway(bastion.ssh()) as gateway:
            for demo, certificates in ((demo_cluster, None), (secure, tls)):
                points = demo.contact_points
                await ask(ClusterClient(contact_points=points, system_name="demo", tls=certificates, connector=gateway))
            assert gateway.logins == 1

    with DemoCluster(1, tls=tmp_path / "node") as secure:
        run(ask(ClusterClient(contact_points=secure.contact_points, system_name="demo", tls=tls)))
        run(main(secure))


@pytest.mark.parametrize(("chosen", "module"), [("", "uvloop"), ("asyncio", "asyncio.unix_events")])
def test_the_background_loop_is_uvloops_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, chosen: str, module: str
) -> None:
    monkeypatch.setenv(LOOP, chosen)
    loop = new_loop()
    loop.close()
    assert type(loop).__module__ == module


@pytest.mark.timeout(150)
def test_blocking_calls_are_the_same_on_it() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *BLOCKING]
    # A mark of its own below ours: the clusters of this run are not what that one left behind.
    env = os.environ | {LOOP: "uvloop", MARK: f"{os.environ[MARK]}:uvloop"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=140, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
