"""A node that does what no real one will: answers nothing, half, too late, or counts what it is sent.

A plain asyncio server that speaks the protocol through our own wire and codec rooms. By default it behaves: one node
cluster, hosts every sharded type, echoes the path of each ask. Its faults are attributes and calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.session.messages import (
    Find,
    GetShardLocation,
    ShardLocation,
    SubscribeTopology,
    UnsubscribeTopology,
)
from casty_notebook.backends.sharded.wire import (
    HANDSHAKE,
    MESSAGE,
    FrameReader,
    decode_envelope,
    decode_handshake,
    encode_envelope,
    encode_handshake,
    target_path,
)
from casty_notebook.demo import messages
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, TopologySnapshot
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.services import Listing

__all__ = ["GARBAGE", "STALL", "FakeNode"]

STALL = b"\xff\xff\xff\xff\x00"
"""The beginning of a handshake of 4 GB."""
GARBAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"

type Reaction = Callable[["FakeNode", "Connection", str, Any], bool]
"""(node, connection, path, message): True if the message was dealt with, so that the node's own manners are not used."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.identity: NodeAddress | None = None
        self.transport: asyncio.Transport | None = None
        self._frames = FrameReader()
        self._held: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.node.accepted += 1
        self.node.connections.append(self)
        if self.node.greeting is not None:
            transport.write(self.node.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.node.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        if self.node.greeting is not None or self.node.silent:
            return
        for kind, body in self._frames.receive(data):
            if kind == HANDSHAKE and self.identity is None:
                self.identity = decode_handshake(body)
                self.write(encode_handshake(self.node.address))
            elif kind == MESSAGE:
                envelope = decode_envelope(body)
                self.node._take(self, target_path(envelope.target), self.node.codec.decode(envelope.payload))

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def cut(self) -> None:
        """Reset the connection."""
        assert self.transport is not None
        self.transport.abort()


class FakeNode:
    """Listens on a free loopback port, or on `port`.

    Attributes
    ----------
    greeting
        If given, what is said instead of a handshake: b"" for nothing ever, `STALL`, `GARBAGE`.
    silent
        Read everything, take up nothing, answer nothing: a node that hangs.
    on_message
        Asked first about every message; see `Reaction`.
    inbox
        (path, message) of everything that was not the protocol's own.
    subscribers
        URIs of the refs that would be pushed to.
    accepted, connections
        How many connections ever, and those that are open now.
    locates
        Answer questions for shards; else they are kept in `questions`.
    answers
        Answer asks (with the message's type name); else they only reach `inbox`.
    """

    def __init__(self, *, system: str = "demo", port: int = 0, host: str = "127.0.0.1") -> None:
        self.system = system
        self.greeting: bytes | None = None
        self.silent = False
        self.on_message: Reaction | None = None
        self.locates = True
        self.answers = True
        self.inbox: list[tuple[str, Any]] = []
        self.questions: list[GetShardLocation] = []
        self.subscribers: set[str] = set()
        self.services: frozenset[ServiceEntry] = frozenset()
        self.members: list[FakeNode] = [self]
        self.allocations: dict[str, dict[int, Any]] = {}
        self.accepted = 0
        self.connections: list[Connection] = []
        self.codec = Codec(build_registry(self._ref, [messages]), serializer="pickle", compression=None, settings=Settings())
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> NodeAddress:
        return NodeAddress(self._host, self._port)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        await asyncio.sleep(0)

    async def listen(self) -> None:
        """Listen (again) on the same port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Die: reset every connection, refuse new ones, forget the subscribers."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut_all()
        self.subscribers.clear()

    def cut_all(self) -> None:
        for connection in list(self.connections):
            connection.cut()

    def stop_reading(self) -> None:
        """Leave everything in the sockets: a node whose reader is slower than the network."""
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.pause_reading()

    def read_on(self) -> None:
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.resume_reading()

    # --- what comes in -----------------------------------------------------------------------------------------

    def _ref(self, uri: str) -> ActorRef:
        return ActorRef(ActorAddress.parse(uri))

    def _take(self, connection: Connection, path: str, message: Any) -> None:
        if self.on_message is not None and self.on_message(self, connection, path, message):
            return
        match message:
            case SubscribeTopology(ref):
                self.subscribers.add(ref.uri)
                self.send(ref, self.snapshot())
            case UnsubscribeTopology(ref):
                self.subscribers.discard(ref.uri)
            case Find(key, ref):
                self.send(ref, Listing(key))
            case GetShardLocation():
                self.questions.append(message)
                if self.locates:
                    self.locate(message)
            case _:
                self.inbox.append((path, message))
                reply_to = getattr(getattr(message, "message", message), "reply_to", None)
                if self.answers and isinstance(reply_to, ActorRef):
                    self.send(reply_to, type(getattr(message, "message", message)).__name__)

    def locate(self, question: GetShardLocation, node: NodeAddress | None = None) -> None:
        """Answer a question for a shard, with this node unless another is given."""
        self.send(question.reply_to, ShardLocation(question.shard_id, node or self.address))

    @property
    def asked(self) -> list[Any]:
        """The messages in the envelopes that arrived for entities."""
        return [message.message for _, message in self.inbox if isinstance(message, ShardEnvelope)]

    # --- what goes out -----------------------------------------------------------------------------------------

    def frame(self, to: ActorRef, message: Any) -> bytes:
        hint = f"{type(message).__module__}.{type(message).__qualname__}"
        if isinstance(message, TopologySnapshot):
            hint = "casty.cluster.topology.TopologySnapshot"
        return encode_envelope(to.uri, f"casty://{self.system}@{self.address}/", hint, self.codec.encode(message))

    def send(self, to: ActorRef, message: Any) -> bool:
        """Send to a client by the connection of its ref's identity. Returns False if there is none."""
        connection = self.connection_of(to)
        if connection is not None:
            connection.write(self.frame(to, message))
        return connection is not None

    def connection_of(self, to: ActorRef) -> Connection | None:
        return next((c for c in self.connections if c.identity is not None and c.identity == to.address.node), None)

    def send_half(self, to: ActorRef, message: Any) -> None:
        """Send the first half of a frame, then close."""
        connection = self.connection_of(to)
        if connection is not None and connection.transport is not None:
            frame = self.frame(to, message)
            connection.write(frame[: len(frame) // 2])
            connection.transport.close()

    def send_raw(self, data: bytes) -> None:
        for connection in self.connections:
            connection.write(data)

    def push(self) -> None:
        """Push the topology to every subscriber that has a connection."""
        for uri in self.subscribers:
            self.send(self._ref(uri), self.snapshot())

    def snapshot(self) -> TopologySnapshot:
        members = frozenset(Member(n.address, MemberStatus.up, frozenset(), f"fake-{n.address.port}") for n in self.members)
        leader = min(node.address for node in self.members)
        return TopologySnapshot(members, leader, dict(self.allocations), 1, frozenset(), self.services)
