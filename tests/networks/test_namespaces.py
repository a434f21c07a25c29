"""Nodes on a private network, a bastion between, and the client on neither: both ways in, and what each failure says."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.networks.bastion import Bastion, tunnel_command
from tests.networks.namespaces import BASTION, NODES, Network, namespaces
from tests.support.waiting import wait_until

URI = f"casty://my-cluster@{','.join(map(str, NODES))}"
EVERYTHING = {
    "members": ["10.0.1.10:25520", "10.0.1.11:25520"], "reachable": True, "answered": ["node-1", "node-2"], "payment": 7,
}  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with Network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture(scope="module")
def bastion(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bastion]:
    folder = tmp_path_factory.mktemp("bastion")
    with Bastion(folder, host=BASTION, port=2222, prefix=network.within("bastion")) as bastion:
        yield bastion


def login(bastion: Bastion) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(bastion.ssh()).items() if value is not None}


def test_without_the_bastion_there_is_no_way(network: Network) -> None:
    assert network.explore(uri=URI, timeout=0.5) == {"attempts": ["network is unreachable"] * 2}


def test_one_ssh_connection_leads_to_every_member(network: Network, bastion: Bastion) -> None:
    assert network.explore(uri=f"casty://my-cluster@{NODES[0]}", ssh=login(bastion)) == EVERYTHING


def test_forwards_and_an_address_map_lead_to_every_member(network: Network, bastion: Bastion) -> None:
    forwards = {9001: NODES[0], 9002: NODES[1]}
    address_map = [[node, ("localhost", port)] for port, node in forwards.items()]
    ssh = network.start_client(tunnel_command(bastion, forwards))
    try:
        found = wait_until(lambda: listening(network, forwards) and network.explore(uri=URI, address_map=address_map))
    finally:
        ssh.terminate()
        ssh.wait(5)
    assert found == EVERYTHING
    refused = [f"connection refused (mapped to localhost:{port})" for port in forwards]
    assert network.explore(uri=URI, address_map=address_map, timeout=0.5) == {"attempts": refused}


def listening(network: Network, ports: dict[int, Any]) -> bool:
    """Whether the forwards are there, by the client's own list of sockets: to connect would wake a node."""
    table = subprocess.run([*network.within("client"), "cat", "/proc/net/tcp"], capture_output=True, text=True, check=True)
    lines = [line.split() for line in table.stdout.splitlines()[1:]]
    found = {int(line[1].partition(":")[2], 16) for line in lines if line[3] == "0A"}
    return set(ports) <= found


# The last one with the cluster: its nodes may take it amiss.
def test_a_node_whose_cable_is_out_is_a_matter_between_it_and_the_bastion(network: Network, bastion: Bastion) -> None:
    network.unplug(2)
    try:
        found = network.explore(uri=f"casty://my-cluster@{NODES[1]}", ssh=login(bastion), timeout=2.5)
    finally:
        network.plug_in(2)
    assert found == {"attempts": [f"the bastion {bastion.destination} could not connect to the node within 2 s"]}


def test_a_network_that_fails_on_the_way_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Network) -> None:
        raise RuntimeError("a cable broke")

    before = namespaces()
    monkeypatch.setattr(Network, "_wire", fail)
    with pytest.raises(RuntimeError, match="cable"), Network(tmp_path, label="broken-"):
        raise AssertionError("not reached")
    assert namespaces() == before
