"""A node of casty 0.30 that does what a real one will not: raw asyncio, our own wire room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import msgpack

from casty_notebook.backends.virtual.wire.frames import FrameReader, FrameType, encode_data, encode_window

__all__ = ["FakeNode", "framed"]

TYPE = "shop.actors:counter"


def framed(service: bytes, body: bytes) -> bytes:
    """A message as it lies in a stream."""
    message = bytes((len(service),)) + service + body
    return len(message).to_bytes(4) + message


class FakeNode:
    """Takes any hello, says that it is the only member, answers every ask with 7, and counts what it is told.

    Attributes
    ----------
    table
        The records of its table of members; itself alone, unless a test changes that.
    answer
        What it answers a ``Deliver`` with: the outcome's name and fields, or None for nothing.
    credit
        It gives credit for what it reads.
    told, asked, cancelled
        What came.
    """

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], list[Any] | None] = lambda _: ["Value", {"data": b"\x07"}]
        self.credit = True
        self.greets = True
        self.told = self.asked = self.cancelled = self.syncs = 0
        self.incarnation = b"fake-node-123456"
        self.clients: set[asyncio.StreamWriter] = set()
        self._readers: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._reading = asyncio.Event()
        self._reading.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.table: list[dict[str, Any]] = [self.record()]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.read_on()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._readers, return_exceptions=True)

    @property
    def contact(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def record(self, address: str | None = None, *, status: str = "alive", **fields: Any) -> dict[str, Any]:
        node = {"address": address or f"127.0.0.1:{self.port}", "incarnation": self.incarnation}
        return {"node": node, "status": status, "types": [TYPE], **fields}

    def stop_reading(self) -> None:
        self._reading.clear()

    def read_on(self) -> None:
        self._reading.set()

    def say(self, service: bytes, tree: Any) -> None:
        """Send a message to all clients."""
        self.write(encode_data(3, framed(service, msgpack.packb(tree))))

    def write(self, data: bytes) -> None:
        """Send bytes to all clients, whatever they are."""
        for writer in self.clients:
            writer.write(data)

    # --- serving ---------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._readers.add(task)
        self._writers.add(writer)
        frames, held = FrameReader(1 << 20), bytearray()
        try:
            while data := await reader.read(65536):
                await self._reading.wait()
                for kind, stream, size, body in frames.receive(data):
                    if kind != FrameType.DATA:
                        continue
                    if self.credit:
                        writer.write(encode_window(stream, size))
                    held += body
                    while len(held) >= 4 and len(held) >= 4 + int.from_bytes(held[:4]):
                        end = 4 + int.from_bytes(held[:4])
                        message = bytes(held[4:end])
                        del held[:end]
                        self._read(writer, message[1 : 1 + message[0]], message[1 + message[0] :])
        except ConnectionError:
            pass
        finally:
            self.clients.discard(writer)
            self._writers.discard(writer)
            self._readers.discard(task)
            writer.close()

    def _read(self, writer: asyncio.StreamWriter, service: bytes, body: bytes) -> None:
        if service == b"hello":
            if self.greets:
                ack = msgpack.packb([f"127.0.0.1:{self.port}", self.incarnation, None])
                writer.write(encode_data(1, framed(b"hello-ack", ack)))
                self.clients.add(writer)
            return
        kind, fields = msgpack.unpackb(body)
        if service == b"membership":
            self.syncs += 1
            sender = ["NodeId", {"address": f"127.0.0.1:{self.port}", "incarnation": self.incarnation}]
            reply = msgpack.packb(["Message", {"sender": sender, "body": ["SyncReply", {"records": self.table}]}])
            writer.write(encode_data(3, framed(b"membership", reply)))
        elif kind == "Cancel":
            self.cancelled += 1
        else:
            self._deliver(writer, fields["command"][1])

    def _deliver(self, writer: asyncio.StreamWriter, deliver: dict[str, Any]) -> None:
        if deliver["reply"] is None:
            self.told += 1
            return
        self.asked += 1
        outcome = self.answer(deliver)
        if outcome is not None:
            reply = msgpack.packb(["Reply", {"id": deliver["reply"][1]["id"], "outcome": outcome}])
            writer.write(encode_data(3, framed(b"replies", reply)))
