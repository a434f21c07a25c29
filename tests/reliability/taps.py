"""A TCP forwarder that understands frames: counts them, cuts in the middle of one, goes half-open."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.wire import MESSAGE, FrameReader, decode_envelope, target_path
from casty_notebook.errors import ProtocolError

__all__ = ["Tap"]


class _Carried:
    """One connection through the tap."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.swallowing = False

    def abort(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


class Tap:
    """Listens on a free loopback port and carries to `target`.

    Attributes
    ----------
    connections
        How many were ever made.
    sent, received
        (time, target path) of each envelope of the client, and of the node, unless `keep` is False.
    cuts
        When `cut_next_reply` broke a connection.
    """

    def __init__(self, target: tuple[str, int], *, keep: bool = True) -> None:
        self.target = NodeAddress(*target)
        self._keep = keep
        self.connections = 0
        self.sent: list[tuple[float, str]] = []
        self.received: list[tuple[float, str]] = []
        self.cuts: list[float] = []
        self._cut_next = False
        self._open: set[_Carried] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> NodeAddress:
        assert self._server is not None
        return NodeAddress(*self._server.sockets[0].getsockname())

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- faults ------------------------------------------------------------------------------------------------

    @property
    def carrying(self) -> int:
        """Connections that are open now and carried on."""
        return sum(not carried.swallowing for carried in self._open)

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for carried in list(self._open):
            carried.abort()

    def cut_next_reply(self) -> None:
        """Pass the first half of the node's next frame, then reset."""
        self._cut_next = True

    def go_half_open(self) -> None:
        """Carry nothing on the present connections any more, in either direction, but keep them open. New ones work."""
        for carried in self._open:
            carried.swallowing = True

    # --- carrying ----------------------------------------------------------------------------------------------

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            self._tasks.discard(task)
            return
        carried = _Carried(writer, far_writer)
        self._open.add(carried)
        try:
            await asyncio.gather(
                self._pipe(carried, reader, far_writer, self.sent, from_node=False),
                self._pipe(carried, far_reader, writer, self.received, from_node=True),
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(carried)
            self._tasks.discard(task)
            carried.abort()

    async def _pipe(
        self, carried: _Carried, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        seen: list[tuple[float, str]], *, from_node: bool,
    ) -> None:  # fmt: skip
        frames = FrameReader()
        while data := await reader.read(65_536):
            if carried.swallowing:
                continue
            complete = self._note(frames, data, seen)
            if from_node and self._cut_next and complete:
                self._cut_next = False
                self.cuts.append(asyncio.get_running_loop().time())
                writer.write(data[: len(data) // 2])
                await writer.drain()
                # Closed, not reset: a reset may overtake the half frame, which the client shall see.
                writer.close()
                carried.far.transport.abort()
                return
            writer.write(data)
            await writer.drain()
        if not carried.swallowing:
            writer.close()

    def _note(self, frames: FrameReader, data: bytes, seen: list[tuple[float, str]]) -> int:
        try:
            complete = frames.receive(data)
        except ProtocolError:
            return 0
        bodies = [body for kind, body in complete if kind == MESSAGE]
        if self._keep:
            now = asyncio.get_running_loop().time()
            seen.extend((now, target_path(decode_envelope(body).target)) for body in bodies)
        return len(bodies)
