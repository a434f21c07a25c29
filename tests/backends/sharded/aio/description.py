"""Every line of the description of the client, as a program: ``python description.py SYSTEM HOST:PORT …``.

Needs nothing but the standard library and this package, so that every interpreter on a machine can run it
(`test_description.py` does). The classes of messages are the demo's; everything else is as described.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from casty_notebook import (
    ActorRef,
    ClusterClient,
    EntityRef,
    Listing,
    NodeAddress,
    ServiceInstance,
    ServiceKey,
    ShardEnvelope,
    TopologySnapshot,
)
from casty_notebook.demo import messages
from casty_notebook.demo.messages import GetCount, Increment, PaymentReceipt, ProcessPayment
from tests.support.forwarder import Forwarder

type PaymentMsg = ProcessPayment
type Addresses = list[tuple[str, int]]

PAYMENT_KEY: ServiceKey[PaymentMsg] = ServiceKey("payment")


async def entities(contact_points: Addresses, system_name: str, run: str) -> None:
    async with ClusterClient(
        contact_points=contact_points,
        system_name=system_name,
    ) as client:
        counter: EntityRef[Increment | GetCount] = client.entity_ref("counter", num_shards=100)
        assert client.entity_ref("counter", num_shards=100) is counter
        counter.tell(ShardEnvelope(f"{run}-42", Increment(1)))
        counter.tell(ShardEnvelope(f"{run}-99", Increment(5)))
        count: int = await client.ask(
            counter,
            lambda r: ShardEnvelope(f"{run}-42", GetCount(reply_to=r)),
            timeout=5.0,
        )
        assert count == 1
        assert await client.ask(counter, lambda r: ShardEnvelope(f"{run}-99", GetCount(reply_to=r))) == 5


async def services(contact_points: Addresses, system_name: str) -> None:
    async with ClusterClient(contact_points=contact_points, system_name=system_name, messages=[messages]) as client:
        listing: Listing[PaymentMsg] = client.lookup(PAYMENT_KEY)
        assert listing.instances == frozenset(), "empty before the first snapshot"
        assert listing.key == PAYMENT_KEY
        await client.wait_for_topology(timeout=5.0)
        listing = client.lookup(PAYMENT_KEY)
        assert len(listing.instances) == 2
        for instance in listing.instances:
            instance.ref.tell(ProcessPayment(amount=100))
        first: ServiceInstance[PaymentMsg] = next(iter(listing.instances))
        ref: ActorRef[PaymentMsg] = first.ref
        assert first.node in contact_points
        receipt = await client.ask(
            next(iter(listing.instances)).ref,
            lambda r: ProcessPayment(amount=100, reply_to=r),
        )
        assert isinstance(receipt, PaymentReceipt)
        assert isinstance(await client.ask(ref, lambda r: ProcessPayment(100, reply_to=r)), PaymentReceipt)
        assert not client.lookup(ServiceKey("nobody")).instances


async def topology(contact_points: Addresses, system_name: str) -> None:
    async with ClusterClient(contact_points=contact_points[:1], system_name=system_name) as client:
        assert client.topology is None
        snapshot: TopologySnapshot = await client.wait_for_topology(timeout=5.0)
        assert {member.address for member in snapshot.members} == set(contact_points)
        async for each in client.snapshots():
            assert each is client.topology
            break


def get_count(entity_id: str) -> Callable[[ActorRef[int]], ShardEnvelope[GetCount]]:
    return lambda r: ShardEnvelope(entity_id, GetCount(reply_to=r))


async def tunnels(nodes: Addresses, system_name: str, run: str) -> None:
    """As with ``ssh -L``: each node only through a port of this machine."""
    first, second, third = (NodeAddress(*node) for node in nodes)
    async with Forwarder(first) as one, Forwarder(second) as two, Forwarder(third) as three:
        address_map = dict(zip(nodes, (one.address, two.address, three.address), strict=True))
        for mapping in (address_map, lambda address: address_map.get(address, address)):
            async with ClusterClient(
                contact_points=nodes,
                system_name=system_name,
                client_host="127.0.0.1",
                client_port=0,
                address_map=mapping,
            ) as client:
                counter = client.entity_ref("counter", num_shards=100)
                for number in range(10):
                    assert await client.ask(counter, get_count(f"{run}-mapped-{number}"), timeout=5.0) == 0
        assert min(one.connections, two.connections, three.connections) >= 1


async def advertised(contact_points: Addresses, system_name: str, run: str) -> None:
    async with ClusterClient(
        contact_points=contact_points,
        system_name=system_name,
        advertised_host="127.0.0.1",
        advertised_port=49_999,
    ) as client:
        counter = client.entity_ref("counter", num_shards=100)
        assert await client.ask(counter, lambda r: ShardEnvelope(f"{run}-advertised", GetCount(reply_to=r)), timeout=5.0) == 0


async def main(system_name: str, *nodes: str) -> None:
    contact_points = [(host, int(port)) for host, _, port in (node.rpartition(":") for node in nodes)]
    run = f"described-{sys.version_info.major}.{sys.version_info.minor}-{id(contact_points):x}"
    await entities(contact_points, system_name, run)
    await services(contact_points, system_name)
    await topology(contact_points, system_name)
    await tunnels(contact_points, system_name, run)
    await advertised(contact_points, system_name, run)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    print("every line holds")
