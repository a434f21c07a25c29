"""Records what real nodes of casty 0.30 and casty's own client say to each other: ``python -m tests.backends.virtual.record``.

A proxy stands between them, as the client's address map, and writes down every byte and its direction. What casty's client
does not do on demand (a wrong name, other limits, the wrong node, silence until a ping) is asked of the same nodes by hand. The
result is kept as ``vectors/frames-RELEASE.json``, one conversation for each connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec import protocol
from casty_notebook.backends.virtual.session.ring import NodeId, Ring
from casty_notebook.backends.virtual.wire import Accepted, Connection, Hello, Limits
from tests.backends.virtual.cluster import NODESIDE, RELEASES, VirtualCluster
from tests.versions.environments import interpreters

VECTORS = Path(__file__).parent / "vectors"
PING_AFTER = 20.0
"""Seconds in which a node that hears nothing pings: 15, and some for a busy machine."""
ME = bytes(range(16))

type Said = list[tuple[str, bytes]]
"""(``client`` or ``node``, bytes), in order."""


class Tape:
    """What one connection carried; bytes of one side that nothing of the other divides are one entry."""

    def __init__(self) -> None:
        self.said: Said = []

    def note(self, who: str, data: bytes) -> None:
        if self.said and self.said[-1][0] == who:
            self.said[-1] = who, self.said[-1][1] + data
        else:
            self.said.append((who, data))


class Proxy:
    """Listens for one node, and writes down what passes."""

    def __init__(self, node: int) -> None:
        self.node = node
        self.tapes: list[Tape] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.node)
        tape = Tape()
        self.tapes.append(tape)
        await asyncio.gather(_pass(reader, there, tape, "client"), _pass(there_reader, writer, tape, "node"))

    def stop(self) -> None:
        self._server.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tape: Tape, who: str) -> None:
    try:
        while data := await reader.read(1 << 16):
            tape.note(who, data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def castys_own(cluster: VirtualCluster, release: str) -> dict[str, Said]:
    """The conversations of casty's own client with each node."""
    proxies = {port: Proxy(port) for port in cluster.ports}
    mapped = {port: await proxy.start() for port, proxy in proxies.items()}
    environment = os.environ | {"PYTHONPATH": str(NODESIDE)}
    arguments = [f"{port}:{at}" for port, at in mapped.items()]
    process = await asyncio.create_subprocess_exec(
        str(interpreters([release])[release]), str(NODESIDE / "asker.py"), *arguments, env=environment
    )
    if await process.wait():
        raise SystemExit(f"casty's client of {release} failed")
    for proxy in proxies.values():
        proxy.stop()
    tapes = [tape for proxy in proxies.values() for tape in proxy.tapes]
    return {f"casty's client {place}": tape.said for place, tape in enumerate(tapes, 1)}


async def by_hand(port: int, hello: Hello, *messages: tuple[bytes, bytes], patience: float = 1.0) -> Said:
    """Say hello and some messages to a node, and listen for a while."""
    tape = Tape()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(hello, 1 << 20)

    def flush() -> None:
        if data := connection.data_to_send():
            tape.note("client", data)
            writer.write(data)

    flush()
    try:
        async with asyncio.timeout(patience):
            while data := await reader.read(1 << 16):
                tape.note("node", data)
                for event in connection.receive(data):
                    if isinstance(event, Accepted):
                        for service, body in messages:
                            connection.send(service, body)
                flush()
    except TimeoutError:
        pass
    writer.close()
    return tape.said


async def others(cluster: VirtualCluster) -> dict[str, Said]:
    """What casty's client does not do when one wants it."""
    first, second = cluster.ports
    hello = Hello("shop", ME)
    elsewhere = await _key_of("shop.actors:counter", second, first)
    missing = await _key_of("shop.actors:strict", first, first)
    absent = await _key_of("shop.absent:nobody", first, first)

    def deliver(actor: str, key: str, number: int | None = 7) -> tuple[bytes, bytes]:
        return protocol.ACTORS, protocol.encode_deliver(ME, actor, key, b"\x92\xa3Get\x81\xa8reply_to\xc0", number)

    return {
        "another name": await by_hand(first, replace(hello, cluster="bank")),
        "other limits": await by_hand(first, replace(hello, limits=Limits(message=8 << 20))),
        "the wrong node": await by_hand(first, hello, deliver("shop.actors:counter", elsewhere)),
        "the wrong node, a tell": await by_hand(first, hello, deliver("shop.actors:counter", elsewhere, None)),
        "a missing key": await by_hand(first, hello, deliver("shop.actors:strict", missing)),
        "an unknown type": await by_hand(first, hello, deliver("shop.absent:nobody", absent)),
        "silence": await by_hand(first, hello, patience=PING_AFTER),
    }


async def _key_of(actor: str, port: int, contact: int) -> str:
    """A key that the node at `port` owns."""
    said = await by_hand(contact, Hello("shop", ME), (protocol.MEMBERSHIP, protocol.encode_sync(ME)))
    connection = Connection(Hello("shop", ME), 1 << 20)
    events = [event for who, data in said if who == "node" for event in connection.receive(data)]
    tables = [protocol.read_membership(event.body) for event in events if hasattr(event, "body")]
    ring = Ring(NodeId(record.address, record.incarnation) for table in tables if table for record in table)
    keys = (f"user-{n}" for n in range(1000))
    return next(key for key in keys if ring.replicas(actor, key)[0].address == NodeAddress("127.0.0.1", port))


async def record(release: str) -> None:
    with VirtualCluster(2, release) as cluster:
        conversations = {**await castys_own(cluster, release), **await others(cluster)}
    kept = {name: [[who, data.hex()] for who, data in said] for name, said in conversations.items()}
    path = VECTORS / f"frames-{release}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n")
    print(path, path.stat().st_size, {name: len(said) for name, said in conversations.items()})


if __name__ == "__main__":
    for chosen in sys.argv[1:] or RELEASES:
        asyncio.run(record(chosen))
