"""Through a real sshd: forwards of ``ssh -L`` with an address map, and one SSH connection of our own without them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncssh  # noqa: F401 - imported before anything is timed
import psutil
import pytest

from casty_notebook import TLS, Cluster, ClusterClient, Settings, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment, WhereAreYou
from casty_notebook.errors import AskFailed, MisuseError, NoContactPoint
from casty_notebook.net.ssh import SSHGateway
from casty_notebook.net.ssh_config import SSH
from casty_notebook.values.envelope import ShardEnvelope
from tests.networks.bastion import Bastion, make_key, tunnels
from tests.support.ports import free_port, free_ports
from tests.support.tls import issue
from tests.support.waiting import wait_until

NODES = {"node-1", "node-2", "node-3"}


def answering(cluster: Cluster, entities: int = 30) -> set[str]:
    """The nodes that answer for entities all over the cluster."""
    return {cluster.ask(f"counter/via-{n}", lambda r: WhereAreYou(r)).node for n in range(entities)}


def dialled() -> set[int]:
    """Remote ports of this process's connections."""
    return {c.raddr.port for c in psutil.Process().net_connections("tcp4") if c.raddr and c.status == "ESTABLISHED"}


def outcome(uri: str, ssh: SSH, *, timeout: float = 10.0) -> str:
    """What is said of the one contact point, be it by a verdict long before the timeout or by the timeout."""
    started = time.monotonic()
    with pytest.raises(NoContactPoint) as caught:
        connect(uri, ssh=ssh, timeout=timeout).close()
    assert time.monotonic() - started < 2.0
    return caught.value.attempts[0].outcome


# --- ssh -N -L -----------------------------------------------------------------------------------------------------


def test_forwards_and_an_address_map_reach_every_node(demo_cluster: DemoCluster, bastion: Bastion) -> None:
    nodes = demo_cluster.contact_points
    ports = free_ports(3)
    forwards = dict(zip(ports, nodes, strict=True))
    address_map = {node: ("localhost", port) for port, node in forwards.items()}
    with (
        tunnels(bastion, forwards),
        connect(demo_cluster.uri, shards={"counter": 100}, address_map=address_map) as cluster,
    ):
        assert answering(cluster) == NODES
        assert dialled() & {*ports, *(node.port for node in nodes)} == set(ports)


def test_a_dead_tunnel_and_a_dead_node_behind_a_live_one_differ(demo_cluster: DemoCluster, bastion: Bastion) -> None:
    (node, *_) = demo_cluster.contact_points
    dead, dangling = free_ports(2)
    uri = f"casty://demo@{node}"
    with pytest.raises(NoContactPoint) as caught:
        connect(uri, address_map={node: ("127.0.0.1", dead)}, timeout=0.5)
    assert caught.value.attempts[0].outcome == f"connection refused (mapped to 127.0.0.1:{dead})"
    with tunnels(bastion, {dangling: ("127.0.0.1", free_port())}), pytest.raises(NoContactPoint) as caught:
        connect(uri, address_map={node: ("127.0.0.1", dangling)}, timeout=0.5)
    said = caught.value.attempts[0].outcome
    assert f"127.0.0.1:{dangling}, which it is mapped to, is a tunnel whose far end does not reach the node" in said


# --- one SSH connection --------------------------------------------------------------------------------------------


def test_one_ssh_connection_carries_a_channel_to_each_member(demo_cluster: DemoCluster, bastion: Bastion) -> None:
    first = demo_cluster.contact_points[0]
    with connect(f"casty://demo@{first}", shards={"counter": 100}, ssh=bastion.ssh()) as cluster:
        assert answering(cluster) == NODES
        assert cluster.members.reachable.all()
        assert bastion.sessions == 1
        node_ports = {node.port for node in demo_cluster.contact_points}
        assert dialled() & ({bastion.port} | node_ports) == {bastion.port}
        listening = [c for c in psutil.Process().net_connections("tcp4") if c.status == "LISTEN"]
        assert listening == []
    wait_until(lambda: bastion.sessions == 0)


def test_large_messages_go_both_ways_through_a_channel(demo_cluster: DemoCluster, bastion: Bastion) -> None:
    from casty_notebook.demo.messages import Echo

    big = os.urandom(5_000_000)
    with connect(demo_cluster.uri, shards={"counter": 100}, ssh=bastion.ssh()) as cluster:
        assert cluster.ask("counter/big", lambda r: Echo(big, r), timeout=20.0) == big


async def test_a_gateway_serves_several_asyncio_clients(demo_cluster: DemoCluster, bastion: Bastion) -> None:
    before = asyncio.all_tasks()
    async with SSHGateway(bastion.ssh()) as gateway:
        clients = [
            ClusterClient(contact_points=demo_cluster.contact_points, system_name="demo", connector=gateway)
            for _ in range(3)
        ]
        for client in clients:
            await client.__aenter__()
        for client in clients:
            counter = client.entity_ref("counter", 100)
            assert isinstance(await client.ask(counter, lambda r: ShardEnvelope("shared", GetCount(r))), int)
        for client in clients:
            await client.__aexit__()
        assert gateway.logins == 1
        assert repr(gateway) == f"<SSHGateway {bastion.destination}, up>"
    assert asyncio.all_tasks() == before


def test_tls_runs_inside_the_channels(bastion: Bastion, tmp_path: Path) -> None:
    authority = issue(tmp_path / "node")
    issue(tmp_path / "client", "explorer.example", authority=authority)
    issue(tmp_path / "stranger")

    def tls(folder: str) -> TLS:
        return TLS(tmp_path / "client" / "node.pem", tmp_path / "client" / "node.key", tmp_path / folder / "ca.pem")

    with DemoCluster(2, tls=tmp_path / "node") as demo:
        with connect(demo.uri, shards={"counter": 100}, tls=tls("client"), ssh=bastion.ssh()) as cluster:
            assert answering(cluster) == {"node-1", "node-2"}
            assert not dialled() & {node.port for node in demo.contact_points}
        with pytest.raises(NoContactPoint, match="its TLS certificate was not accepted"):
            connect(demo.uri, tls=tls("stranger"), ssh=bastion.ssh(), timeout=5.0)
        with pytest.raises(NoContactPoint, match="a node with TLS answers there"):
            connect(demo.uri, ssh=bastion.ssh(), timeout=5.0)


def test_a_bastion_that_dies_is_named_and_when_it_is_back_so_are_we(
    demo_cluster: DemoCluster, bastion: Bastion
) -> None:
    with connect(demo_cluster.uri, shards={"counter": 100}, ssh=bastion.ssh()) as cluster:
        before = cluster.ask("counter/dies", GetCount)
        bastion.stop()
        wait_until(lambda: not any(health.reachable for health in cluster.health.values()))
        with pytest.raises(AskFailed):
            cluster.ask("counter/dies", GetCount, timeout=0.5)
        reasons = {health.reason for health in cluster.health.values()}
        hop = rf"the bastion {re.escape(bastion.destination)} cannot be reached: connection refused"
        wait_until(lambda: any(re.search(hop, health.reason) for health in cluster.health.values()), 3.0, str(reasons))
        bastion.start()
        wait_until(lambda: all(health.reachable for health in cluster.health.values()), 5.0)
        cluster.tell("counter/dies", Increment(1))
        assert cluster.ask("counter/dies", GetCount) == before + 1
        assert cluster.topology is not None


def test_a_bastion_that_freezes_is_left_and_found_again(
    demo_cluster: DemoCluster, bastion: Bastion
) -> None:
    hasty = Settings(ssh_keepalive=0.3, ssh_login_timeout=0.5)
    with connect(demo_cluster.uri, shards={"counter": 100}, ssh=bastion.ssh(), settings=hasty) as cluster:
        bastion.signal(signal.SIGSTOP)
        login = f"the bastion {bastion.destination} did not complete the SSH login within 0.5 s"
        wait_until(lambda: any(login in health.reason for health in cluster.health.values()), 8.0)
        bastion.signal(signal.SIGCONT)
        wait_until(lambda: all(health.reachable for health in cluster.health.values()), 8.0)
        assert isinstance(cluster.ask("counter/frozen", GetCount), int)


def test_a_node_that_dies_behind_the_bastion_is_told_from_a_dead_bastion(
    start_cluster: Callable[..., DemoCluster], bastion: Bastion
) -> None:
    demo = start_cluster(2)
    dead = demo.node("node-2").address
    with connect(demo.uri, shards={"counter": 100}, ssh=bastion.ssh()) as cluster:
        demo.kill("node-2")
        hop = f"the bastion {bastion.destination} was reached, the node not from there: connection refused"
        wait_until(lambda: dead in cluster.health and cluster.health[dead].reason == hop, 5.0)
        alive = demo.node("node-1").address
        assert cluster.health[alive].reachable


# --- which hop failed ----------------------------------------------------------------------------------------------


@pytest.fixture
def one_contact(demo_cluster: DemoCluster) -> str:
    return f"casty://demo@{demo_cluster.contact_points[0]}"


def test_no_bastion(one_contact: str, bastion: Bastion) -> None:
    bastion.stop()
    said = outcome(one_contact, bastion.ssh(), timeout=0.5)
    assert said == f"the bastion {bastion.destination} cannot be reached: connection refused"


def test_a_host_key_that_nobody_vouches_for_ends_it_at_once(one_contact: str, bastion: Bastion, tmp_path: Path) -> None:
    (tmp_path / "strangers").write_text("")
    said = outcome(one_contact, bastion.ssh(known_hosts=tmp_path / "strangers"))
    assert f"the host key of the bastion {bastion.destination} is not trusted" in said


def test_a_host_key_that_has_changed_ends_it_at_once(one_contact: str, bastion: Bastion, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    (tmp_path / "known").write_text(f"[{bastion.host}]:{bastion.port} {(tmp_path / 'other.pub').read_text()}")
    assert "is not trusted" in outcome(one_contact, bastion.ssh(known_hosts=tmp_path / "known"))


def test_a_key_that_the_bastion_does_not_know_is_not_offered_again_and_again(
    one_contact: str, bastion: Bastion, tmp_path: Path
) -> None:
    make_key(tmp_path / "wrong")
    said = outcome(one_contact, bastion.ssh(client_keys=[tmp_path / "wrong"]))
    assert f"the bastion {bastion.destination} refused the login" in said
    assert (bastion.folder / "sshd.log").read_text().count("Connection closed by authenticating user") <= 2


def test_a_bastion_that_forbids_forwarding(
    one_contact: str, start_bastion: Callable[..., Bastion]
) -> None:
    strict = start_bastion(AllowTcpForwarding="no")
    said = outcome(one_contact, strict.ssh())
    assert f"the bastion {strict.destination} does not allow forwarding to the node" in said


def test_a_node_that_the_bastion_cannot_reach(bastion: Bastion) -> None:
    said = outcome(f"casty://demo@127.0.0.1:{free_port()}", bastion.ssh(), timeout=0.5)
    assert said == f"the bastion {bastion.destination} was reached, the node not from there: connection refused"


def test_a_key_that_needs_a_passphrase_is_a_verdict_without_the_passphrase(
    one_contact: str, bastion: Bastion, tmp_path: Path
) -> None:
    import subprocess

    make_key(tmp_path / "sealed")
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "hunter2-right", "-f", str(tmp_path / "sealed")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for given in (None, "hunter2-wrong"):
        said = outcome(one_contact, bastion.ssh(client_keys=[tmp_path / "sealed"], passphrase=given))
        assert "cannot be used" in said
        assert "hunter2" not in said


# --- misuse --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    ["", "@bastion", "ops@", "ops@bastion:", "ops@bastion:ssh", "bastion:0", "bastion:70000", "-oProxyCommand=x",
     "a b", "ops@-x", "::1", "[::1", "[::1]x", "bast\nion"],
)  # fmt: skip
def test_what_is_no_destination_is_refused(wrong: str) -> None:
    with pytest.raises(MisuseError, match="is no SSH destination"):
        SSH(wrong)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bastion", (None, "bastion", None)), ("ops@bastion:22", ("ops", "bastion", 22)),
        ("me@corp@bastion", ("me@corp", "bastion", None)), ("ops@[::1]:2222", ("ops", "::1", 2222)),
    ],
)  # fmt: skip
def test_destinations_are_taken_apart(text: str, parts: tuple[str | None, str, int | None]) -> None:
    assert SSH(text).parts == parts


def test_without_asyncssh_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    with pytest.raises(MisuseError, match=r"pip install asyncssh"):
        connect("casty://demo@127.0.0.1:1", ssh="ops@bastion")


def test_a_missing_file_is_named_before_anything_is_dialled(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no-such-key"):
        connect("casty://demo@127.0.0.1:1", ssh=SSH("ops@bastion", client_keys=tmp_path / "no-such-key"))  # type: ignore[arg-type]


def test_other_things_than_destinations_are_refused() -> None:
    with pytest.raises(MisuseError, match="not int"):
        connect("casty://demo@127.0.0.1:1", ssh=22)


def test_secrets_are_not_shown(one_contact: str, bastion: Bastion, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ssh = bastion.ssh(password="hunter2", passphrase="hunter2")
    with connect(one_contact, ssh=ssh) as cluster:
        shown = repr(cluster) + repr(cluster.client)
    refused = outcome(one_contact, bastion.ssh(password="hunter2", client_keys=[]))
    assert "hunter2" not in repr(ssh) + str(ssh) + repr(SSHGateway(ssh)) + shown + refused + caplog.text
