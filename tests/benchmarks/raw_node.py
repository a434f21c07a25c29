"""A fake node that costs next to nothing: answers every ask with the same reply, so that the server is not what is measured.

`main` prints its port and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from functools import lru_cache

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.wire import EnvelopeHeader, encode_handshake
from casty_notebook.topology.snapshot import Member, MemberStatus, ShardAllocation, TopologySnapshot
from casty_notebook.values.services import Listing, ServiceKey

SYSTEM = "bench"
REPLY = b"\x80\x05K\x11."
"""The pickle of 17, as in the golden frame reply_int."""


class RawNode(asyncio.Protocol):
    """Speaks just enough: finds the reply address in a message by searching its bytes."""

    def __init__(self, address: NodeAddress, codec: Codec, snapshot: bytes, bytes_per_second: int | None) -> None:
        self._address = address
        self._codec = codec
        self._snapshot = snapshot
        self._bytes_per_second = bytes_per_second
        self._buffer = bytearray()
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        answers, start = [], 0
        while len(buffer) - start >= 4:
            end = start + 4 + struct.unpack_from("!I", buffer, start)[0]
            if len(buffer) < end:
                break
            answer = self._answer(bytes(buffer[start + 5 : end]))
            if answer:
                answers.append(answer)
            start = end
        del buffer[:start]
        if answers:
            self._transport.write(b"".join(answers))
        if self._bytes_per_second is not None:
            self._transport.pause_reading()
            pause = len(data) / self._bytes_per_second
            asyncio.get_running_loop().call_later(pause, self._transport.resume_reading)

    def _answer(self, body: bytes) -> bytes | None:
        if not self._greeted:
            self._greeted = True
            return encode_handshake(self._address)
        at = body.rfind(b"casty://")
        if at <= int.from_bytes(body[:4], "big"):
            return None  # a tell: no ref in its payload
        size = body[at - 1] if body[at - 2] == 0x8C else int.from_bytes(body[at - 4 : at], "little")
        target = body[at : at + size].decode()
        if b"/_cluster/_topology" in body[:200]:
            if b"Unsubscribe" in body:
                return None
            return self._header(target, "casty.cluster.topology.TopologySnapshot").frame(self._snapshot)
        if b"/_receptionist" in body[:200]:
            listing = self._codec.encode(Listing(ServiceKey("ping")))
            return self._header(target, "casty.cluster.receptionist.Listing").frame(listing)
        return _reply(target, str(self._address))

    def _header(self, target: str, type_hint: str) -> EnvelopeHeader:
        return EnvelopeHeader(target, f"casty://{SYSTEM}@{self._address}/", type_hint)


@lru_cache(maxsize=1)
def _parts(address: str) -> tuple[bytes, bytes]:
    frame = EnvelopeHeader("TARGET", f"casty://{SYSTEM}@{address}/", "builtins.int").frame(REPLY)
    before, after = frame[5:].split(b"TARGET")
    return before[4:], after


def _reply(target: str, address: str) -> bytes:
    before, after = _parts(address)
    header_size = len(before) + len(target) + len(after) - len(REPLY)
    header = before + target.encode() + after
    return struct.pack("!IBI", 5 + len(header), 1, header_size) + header


def one_node_snapshot(address: NodeAddress) -> TopologySnapshot:
    """The topology of a cluster of this node alone: counter with 100 shards."""
    member = Member(address, MemberStatus.up, frozenset(), "raw")
    shards = {shard: ShardAllocation(address) for shard in range(100)}
    return TopologySnapshot(frozenset({member}), address, {"counter": shards}, 100)


async def _serve(bytes_per_second: int | None) -> None:
    codec = Codec(build_registry(lambda uri: ActorAddress.parse(uri)))  # type: ignore[arg-type,return-value]
    listener = socket.create_server(("127.0.0.1", 0))
    if bytes_per_second is not None:
        # Else the system takes some megabytes in our name, and who sends sees nothing of us for seconds.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    address: NodeAddress
    snapshot: bytes
    server = await asyncio.get_running_loop().create_server(
        lambda: RawNode(address, codec, snapshot, bytes_per_second), sock=listener
    )
    address = NodeAddress(*server.sockets[0].getsockname()[:2])
    snapshot = codec.encode(one_node_snapshot(address))
    print(address.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main(bytes_per_second: int | None = None) -> None:
    """Serve until stdin ends; with a limit it reads no faster than that."""
    asyncio.run(_serve(bytes_per_second))
