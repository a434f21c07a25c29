"""The same few calls on each asynchronous side of a comparison: the floor, this client, the official one.

Imported in the official client's environment too, which has casty and nothing else; so each side imports its own.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from casty_notebook.demo.messages import GetCount, Increment
from tests.benchmarks.targets import Target

__all__ = ["ASYNCHRONOUS", "ENTITIES", "SHARDS", "Side", "run_side"]

SHARDS = 100
ENTITIES = tuple(f"user-{number}" for number in range(100))
"""Asked in turn, so that in a cluster of three every node has its part."""


@dataclass
class Side:
    """One way to ask and tell: the next of `ENTITIES`, or a given one."""

    ask: Callable[[], Coroutine[Any, Any, Any]]
    tell: Callable[[], None]
    ask_one: Callable[[str], Coroutine[Any, Any, Any]]
    tell_one: Callable[[str], None]


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


def _floor_frames(target: Target, entity: str) -> tuple[bytes, bytes]:
    """An ask and a tell as our own client would write them."""
    from casty_notebook import NodeAddress, ShardEnvelope
    from casty_notebook.address import ActorAddress
    from casty_notebook.backends.sharded.aio.wire_classes import build_registry
    from casty_notebook.backends.sharded.codec.codec import Codec
    from casty_notebook.backends.sharded.wire import EnvelopeHeader
    from casty_notebook.values.refs import ActorRef

    (host, port), = target.contacts
    codec = Codec(build_registry(lambda uri: ActorRef(ActorAddress.parse(uri))))
    header = EnvelopeHeader(
        f"casty://{target.system}@{host}:{port}/_region-counter", f"casty://{target.system}-client@239.1.2.3:4/",
        "casty.cluster.envelope.ShardEnvelope",
    )  # fmt: skip
    ref = ActorRef(ActorAddress(f"{target.system}-client", "/_ask/" + "0" * 20, NodeAddress("239.1.2.3", 4)))
    messages = ShardEnvelope(entity, GetCount(ref)), ShardEnvelope(entity, Increment(1))
    ask, tell = (header.frame(codec.encode(message)) for message in messages)
    return ask, tell


@asynccontextmanager
async def _floor(target: Target) -> AsyncIterator[Side]:
    from casty_notebook import NodeAddress
    from casty_notebook.backends.sharded.wire import encode_handshake

    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Floor, *target.contacts[0])
    transport.write(encode_handshake(NodeAddress("239.1.2.3", 4)))
    frames = {entity: _floor_frames(target, entity) for entity in ENTITIES}
    asks, tells = (itertools.cycle(side) for side in zip(*frames.values(), strict=True))

    async def send(frame: bytes) -> None:
        future = loop.create_future()
        protocol.waiting.append(future)
        transport.write(frame)
        await future

    yield Side(
        lambda: send(next(asks)), lambda: transport.write(next(tells)), lambda entity: send(frames[entity][0]),
        lambda entity: transport.write(frames[entity][1]),
    )  # fmt: skip
    transport.close()


def _side_of(client: Any, shard_envelope: Callable[[str, Any], Any]) -> Side:
    """Both clients have the same methods."""
    counter = client.entity_ref("counter", num_shards=SHARDS)
    asked, told = itertools.cycle(ENTITIES), itertools.cycle(ENTITIES)

    def ask_one(entity: str) -> Coroutine[Any, Any, Any]:
        asking: Coroutine[Any, Any, Any] = client.ask(
            counter, lambda reply_to: shard_envelope(entity, GetCount(reply_to)), timeout=60
        )
        return asking

    def tell_one(entity: str) -> None:
        counter.tell(shard_envelope(entity, Increment(1)))

    return Side(lambda: ask_one(next(asked)), lambda: tell_one(next(told)), ask_one, tell_one)


@asynccontextmanager
async def _ours(target: Target) -> AsyncIterator[Side]:
    from casty_notebook import ClusterClient, ShardEnvelope

    async with ClusterClient(contact_points=target.contacts, system_name=target.system) as client:
        await client.wait_for_topology()
        yield _side_of(client, ShardEnvelope)


@asynccontextmanager
async def _official(target: Target) -> AsyncIterator[Side]:
    import casty

    logging.getLogger("casty").setLevel(logging.CRITICAL)
    async with casty.ClusterClient(contact_points=list(target.contacts), system_name=target.system) as client:
        counter = client.entity_ref("counter", num_shards=SHARDS)
        while True:  # an ask before its first snapshot may be lost
            try:
                await client.ask(counter, lambda r: casty.ShardEnvelope(ENTITIES[0], GetCount(r)), timeout=0.5)
                break
            except TimeoutError:
                continue
        yield _side_of(client, casty.ShardEnvelope)


ASYNCHRONOUS: dict[str, Callable[[Target], AbstractAsyncContextManager[Side]]] = {
    "floor": _floor, "ours": _ours, "ours uvloop": _ours, "official": _official,
}  # fmt: skip


def run_side[T](name: str, target: Target, measure: Callable[[Side], Coroutine[Any, Any, T]]) -> T:
    """Run `measure` with one side, on the event loop that its name says."""

    async def run() -> T:
        async with ASYNCHRONOUS[name](target) as side:
            return await measure(side)

    if name.endswith("uvloop"):
        import uvloop

        result: T = uvloop.run(run())
        return result
    return asyncio.run(run())
