"""The same few calls on each side of a comparison: the floor, this client, `Cluster`, the official client."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from casty_notebook import ClusterClient, NodeAddress, ShardEnvelope, connect
from casty_notebook.address import ActorAddress
from casty_notebook.cluster.refs import ActorRef
from casty_notebook.codec import Codec
from casty_notebook.demo.messages import GetCount, Increment
from casty_notebook.runtime.binding import build_registry
from casty_notebook.wire import EnvelopeHeader, encode_handshake
from tests.benchmarks.raw_node import SYSTEM

__all__ = ["SIDES", "Side"]


class Side:
    """One way to ask and tell ``counter/user-42``."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Any]], tell: Callable[[], None] | None) -> None:
        self.ask = ask
        self.tell = tell


class _Floor(asyncio.Protocol):
    """Writes ready frames and counts replies: what any asyncio client must at least do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.waiting: list[asyncio.Future[None]] = []
        self._buffer = b""
        self._greeted = False

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        start = 0
        while len(buffer) - start >= 4:
            end = start + 4 + struct.unpack_from("!I", buffer, start)[0]
            if len(buffer) < end:
                break
            start = end
            if self._greeted:
                self.waiting.pop(0).set_result(None)
            self._greeted = True
        self._buffer = buffer[start:]


@asynccontextmanager
async def floor(node: NodeAddress) -> AsyncIterator[Side]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Floor, *node)
    transport.write(encode_handshake(NodeAddress("239.1.2.3", 4)))
    codec = Codec(build_registry(lambda uri: ActorRef(ActorAddress.parse(uri))))
    header = EnvelopeHeader(
        f"casty://{SYSTEM}@{node}/_region-counter",
        f"casty://{SYSTEM}-client@239.1.2.3:4/",
        "casty.cluster.envelope.ShardEnvelope",
    )
    ref = ActorRef(ActorAddress(f"{SYSTEM}-client", "/_ask/" + "0" * 20, NodeAddress("239.1.2.3", 4)))
    ask_frame = header.frame(codec.encode(ShardEnvelope("user-42", GetCount(ref))))
    tell_frame = header.frame(codec.encode(ShardEnvelope("user-42", Increment(1))))

    async def ask() -> None:
        future = loop.create_future()
        protocol.waiting.append(future)
        transport.write(ask_frame)
        await future

    yield Side(ask, lambda: transport.write(tell_frame))
    transport.close()


@asynccontextmanager
async def ours(node: NodeAddress) -> AsyncIterator[Side]:
    async with ClusterClient(contact_points=[node], system_name=SYSTEM) as client:
        await client.wait_for_topology()
        counter = client.entity_ref("counter", 100)
        yield Side(
            lambda: client.ask(counter, lambda r: ShardEnvelope("user-42", GetCount(r)), timeout=60),
            lambda: counter.tell(ShardEnvelope("user-42", Increment(1))),
        )


@asynccontextmanager
async def blocking(node: NodeAddress) -> AsyncIterator[Side]:
    """`Cluster` as a cell uses it; its calls block, so they are made in a thread of their own by the caller."""
    cluster = await asyncio.to_thread(connect, f"casty://{SYSTEM}@{node}", shards={"counter": 100}, name="bench")

    async def ask() -> Any:
        return cluster.ask("counter/user-42", GetCount, timeout=60)

    yield Side(ask, lambda: cluster.tell("counter/user-42", Increment(1)))
    await asyncio.to_thread(cluster.close)


@asynccontextmanager
async def peer(node: NodeAddress) -> AsyncIterator[Side]:
    import casty

    async with casty.ClusterClient(contact_points=[tuple(node)], system_name=SYSTEM) as client:
        counter = client.entity_ref("counter", num_shards=100)
        while True:
            try:
                await client.ask(counter, lambda r: casty.ShardEnvelope("user-42", GetCount(r)), timeout=1)
                break
            except TimeoutError:
                continue
        yield Side(
            lambda: client.ask(counter, lambda r: casty.ShardEnvelope("user-42", GetCount(r)), timeout=60),
            lambda: counter.tell(casty.ShardEnvelope("user-42", Increment(1))),
        )


SIDES = {"floor": floor, "ours": ours, "cluster": blocking, "peer": peer}
