"""A fake cluster that pushes snapshots when it is told to: every member listens, one process, payloads made before.

Told by lines on a control connection: ``SHAPE VERSION``, answered by a line once the push is with the socket. So a
measured client sets the pace, and knows which snapshot it waits for.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import run_fresh
from tests.benchmarks.raw_node import RawNode

__all__ = ["SHAPES", "TYPES", "VERSIONS", "main"]

SHAPES = tuple((members, shards) for members in (3, 50) for shards in (100, 1_000, 10_000))
"""Members, and shards of each of `TYPES` types."""
TYPES = 4
VERSIONS = 9
"""One that a client begins with, and eight that differ from the one before in a hundredth of the shards."""


class PushingNode(RawNode):
    """Answers as `RawNode` does, and remembers who subscribed."""

    subscribed: tuple[PushingNode, str] | None = None
    current: bytes = b""

    def _answer(self, body: bytes) -> bytes | None:
        subscribes = self._greeted and b"/_cluster/_topology" in body[:200] and b"Unsubscribe" not in body
        if subscribes:
            at = body.rfind(b"casty://")
            size = body[at - 1] if body[at - 2] == 0x8C else int.from_bytes(body[at - 4 : at], "little")
            PushingNode.subscribed = self, body[at : at + size].decode()
            self._snapshot = PushingNode.current
        return super()._answer(body)

    @classmethod
    def push(cls, payload: bytes) -> None:
        """Send to the newest subscriber; whoever subscribes later is given the same at once."""
        cls.current = payload
        if cls.subscribed is not None:
            node, target = cls.subscribed
            node._transport.write(node._header(target, "casty.cluster.topology.TopologySnapshot").frame(payload))


async def _controlled(folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    payloads: dict[str, bytes] = {}
    PushingNode.subscribed = None
    while line := (await reader.readline()).decode().strip():
        if line not in payloads:
            payloads[line] = (folder / line.replace(" ", ".")).read_bytes()
        PushingNode.push(payloads[line])
        writer.write(b"pushed\n")
    writer.close()


async def _serve(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    codec = Codec(build_registry(lambda uri: ActorAddress.parse(uri)))  # type: ignore[arg-type,return-value]
    async with AsyncExitStack() as stack:
        members: list[tuple[str, int]] = []
        for _ in range(max(members for members, _ in SHAPES)):
            here: list[NodeAddress] = []
            server = await loop.create_server(
                lambda here=here: PushingNode(here[0], codec, PushingNode.current, None), "127.0.0.1", 0  # type: ignore[misc]
            )  # fmt: skip
            here.append(NodeAddress(*server.sockets[0].getsockname()[:2]))
            members.append((here[0].host, here[0].port))
            await stack.enter_async_context(server)
        wanted = [(f"{n}x{shards}", members[:n], TYPES, shards, VERSIONS) for n, shards in SHAPES]
        await asyncio.to_thread(
            run_fresh, "tests.benchmarks.synthetic:write_payloads", str(folder), wanted, python=official_python()
        )
        control = await asyncio.start_server(lambda r, w: _controlled(folder, r, w), "127.0.0.1", 0)
        await stack.enter_async_context(control)
        print(members[0][1], control.sockets[0].getsockname()[1], folder, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Print the port of the first member, that of the control connection and the folder of the payloads; end with stdin."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_serve(Path(folder)))
