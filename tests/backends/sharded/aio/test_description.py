"""The description's own examples, line by line, on a real three-node cluster, by every interpreter that is here."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from casty_notebook import ClusterClient, ServiceKey, ShardEnvelope
from casty_notebook.demo import DemoCluster, messages
from casty_notebook.demo.messages import GetCount, Increment, PaymentReceipt, ProcessPayment
from tests.support.forwarder import Forwarder
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).parents[4]
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> str:
    """An interpreter of that version, by running it: a shim of pyenv's may exist and fail. Skips the test if there is none."""
    if version == CURRENT:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}*/bin/python3")]
    for candidate in map(str, filter(None, found)):
        says = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(says, capture_output=True, text=True, timeout=20, check=False).stdout.strip() == version:
            return candidate
    pytest.skip(f"no Python {version} is here")


@pytest.mark.parametrize("version", sorted({"3.12", "3.13", "3.14", CURRENT}))
async def test_every_line_of_the_description_holds(demo_cluster: DemoCluster, version: str) -> None:
    program = Path(__file__).with_name("description.py")
    nodes = [str(address) for address in demo_cluster.contact_points]
    described = await asyncio.create_subprocess_exec(
        interpreter(version), "-W", "error", program, demo_cluster.system, *nodes,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await described.communicate()
    assert said.decode().strip() == "every line holds"
    assert described.returncode == 0


def client_of(demo: DemoCluster, **options: object) -> ClusterClient:
    return ClusterClient(
        contact_points=list(demo.contact_points), system_name="demo", messages=[messages], **options  # type: ignore[arg-type]
    )  # fmt: skip


async def test_sharded_entities(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        counter = client.entity_ref("counter", num_shards=100)
        counter.tell(ShardEnvelope("described-1", Increment(1)))
        counter.tell(ShardEnvelope("described-1", Increment(2)))
        count = await client.ask(
            counter, lambda r: ShardEnvelope("described-1", GetCount(reply_to=r)), timeout=5.0
        )
    assert count == 3


async def test_service_discovery(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        assert len(client.lookup(ServiceKey("payment"))) == 0
        await client.wait_for_topology(timeout=5.0)
        listing = client.lookup(ServiceKey("payment"))
        assert {instance.node for instance in listing.instances} <= set(demo_cluster.contact_points)
        assert len(listing.instances) == 2
        for instance in listing.instances:
            instance.ref.tell(ProcessPayment(amount=100))
        instance = next(iter(listing.instances))
        receipt = await client.ask(instance.ref, lambda r: ProcessPayment(amount=100, reply_to=r))
        assert isinstance(receipt, PaymentReceipt)
        assert receipt.amount == 100
        assert receipt.number >= 2


async def test_topology_is_pushed(demo_cluster: DemoCluster) -> None:
    async with client_of(demo_cluster) as client:
        assert client.topology is None
        async for snapshot in client.snapshots():
            assert {member.address for member in snapshot.members} == set(demo_cluster.contact_points)
            assert snapshot is client.topology
            break


async def test_address_map_through_tcp_forwarders(demo_cluster: DemoCluster) -> None:
    """As the description's SSH tunnels: every node only through a local port, by dict and by function."""
    nodes = demo_cluster.contact_points
    async with Forwarder(nodes[0]) as one, Forwarder(nodes[1]) as two, Forwarder(nodes[2]) as three:
        mapping = {node: via.address for node, via in zip(nodes, (one, two, three), strict=True)}
        for address_map in (mapping, mapping.get):
            async with ClusterClient(
                contact_points=[one.address], system_name="demo", address_map=address_map, messages=[messages]  # type: ignore[arg-type]
            ) as client:  # fmt: skip
                await client.wait_for_topology(timeout=5.0)
                await wait_until_async(lambda c=client: all(h.reachable for h in c.health.values()) and len(c.health) == 3)  # type: ignore[misc]
                counter = client.entity_ref("counter", num_shards=100)
                for number in range(20):
                    entity = f"mapped-{number}"
                    assert await client.ask(counter, lambda r, e=entity: ShardEnvelope(e, GetCount(r))) == 0  # type: ignore[misc]
        assert min(one.connections, two.connections, three.connections) >= 2


async def test_a_contact_point_behind_a_tunnel_needs_no_map_for_itself(start_cluster: object) -> None:
    with DemoCluster(nodes=1) as demo:
        async with (
            Forwarder(demo.contact_points[0]) as tunnel,
            ClusterClient(contact_points=[tunnel.address], system_name="demo") as client,
        ):
            await client.wait_for_topology(timeout=5.0)
            assert tunnel.connections == 1
            assert list(client.health) == list(demo.contact_points)
