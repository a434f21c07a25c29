"""Scenarios about beginning and ending: dead contact points, many clients, clients that come and go."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import psutil

from tests.reliability.clients import Address, Maker, Observer
from tests.reliability.clusters import cluster, moment
from tests.reliability.load import Load, place_entities
from tests.reliability.outcomes import NEVER, Outcome

__all__ = ["DEAD_CONTACTS", "client_restarted", "connect_close_cycles", "dead_first_contact", "ten_clients"]

STALL = (0xFFFFFFFF).to_bytes(4, "big") + b"\x00"
"""The beginning of a handshake of 4 GB."""


# --- contact points that are of no use -----------------------------------------------------------------------------


@contextmanager
def _refusing() -> Iterator[Address]:
    # Bound but not listening: nobody else gets the port, and connecting is refused.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


@contextmanager
def _dropping() -> Iterator[Address]:
    """A listener whose backlog is full: further connection attempts are dropped by the kernel, as by a firewall."""
    with socket.socket() as full, socket.socket() as filler:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filler.connect(full.getsockname())
        yield full.getsockname()


@asynccontextmanager
async def _talking(first_words: bytes) -> AsyncIterator[Address]:
    """Accepts, says `first_words`, then nothing for ever."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first_words)
        try:
            while await reader.read(65_536):
                pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


@asynccontextmanager
async def _dead(kind: str) -> AsyncIterator[Address]:
    if kind in ("refuses", "drops packets"):
        with _refusing() if kind == "refuses" else _dropping() as address:
            yield address
    else:
        async with _talking(STALL if kind == "stalls with 4 GB" else b"") as address:
            yield address


DEAD_CONTACTS = ("refuses", "drops packets", "says nothing", "stalls with 4 GB")


def _has_seen_it(observer: Observer) -> bool:
    return observer.snapshot_at is not None


async def dead_first_contact(make: Maker, kind: str, *, patience: float = 15.0) -> Outcome:
    """The first contact point is of no use, the second is a node. Recovery: from entering to the first snapshot."""
    async with cluster(1) as demo, _dead(kind) as dead:
        return await _enter(make, [dead, demo.nodes[0].address], f"first contact {kind}", patience)


async def _enter(make: Maker, contacts: list[Address], name: str, patience: float) -> Outcome:
    loop = asyncio.get_running_loop()
    async with make(contacts) as observer:
        entered = loop.time()
        first_ask = asyncio.create_task(_one_ask(observer, patience))
        snapshot = await moment(lambda: observer.snapshot_at is not None, patience)
        error = await first_ask
        answered = loop.time()
        return Outcome(
            name, observer.name, 1, int(error is not None), None, (snapshot or NEVER) - entered,
            [error] if error is not None else [], {"first answer after": NEVER if error else answered - entered},
        )  # fmt: skip


async def _one_ask(observer: Observer, timeout: float) -> BaseException | None:
    try:
        await observer.ask("counter/first", timeout)
    except Exception as error:
        return error
    return None


# --- many clients, and clients that come and go --------------------------------------------------------------------


async def ten_clients(make: Maker, *, clients: int = 10, seconds: float = 4.0) -> Outcome:
    """All on one cluster of three, all with their defaults. Counted: all asks. Recovery: the slowest first snapshot."""
    loop = asyncio.get_running_loop()
    async with cluster(3) as demo:
        contacts = [node.address for node in demo.nodes]
        async with make(contacts) as first:
            homes = await place_entities(first, ["node-1", "node-2", "node-3"], each=2)

        async def one() -> tuple[Load, float]:
            entered = loop.time()
            async with make(contacts) as observer:
                snapshot = await moment(lambda: observer.snapshot_at is not None, 15.0)
                async with Load(observer, homes, rate=20.0) as load:
                    await asyncio.sleep(seconds)
                return load, (snapshot or NEVER) - entered

        results = await asyncio.gather(*(one() for _ in range(clients)))
        samples = [sample for load, _ in results for sample in load.samples]
        gaps = [Load.gap(load.samples, load.samples[0].started, load.samples[-1].ended) for load, _ in results]
        return Outcome(
            f"{clients} clients on one cluster (3 nodes)", first.name, len(samples), len(Load.failed(samples)), max(gaps),
            max(first for _, first in results), [error for load, _ in results for error in load.errors],
        )  # fmt: skip


async def client_restarted(make: Maker, *, pauses: tuple[float, ...] = (0.0, 2.0, 6.0)) -> Outcome:
    """A client comes back 0, 2 and 6 s after the last one left. Counted: all asks. Recovery: the slowest first snapshot."""
    loop = asyncio.get_running_loop()
    tried: list[Load] = []
    firsts: list[float] = []
    async with cluster(3) as demo:
        contacts = [node.address for node in demo.nodes]
        async with make(contacts) as observer:
            homes = await place_entities(observer, ["node-1", "node-2", "node-3"], each=2)
        for pause in pauses:
            await asyncio.sleep(pause)
            entered = loop.time()
            async with make(contacts) as observer:
                async with Load(observer, homes) as load:
                    snapshot = await moment(partial(_has_seen_it, observer), 15.0)
                    firsts.append((snapshot or NEVER) - entered)
                    await asyncio.sleep(1.0)
                tried.append(load)
    samples = [sample for load in tried for sample in load.samples]
    return Outcome(
        f"client restarted after {', '.join(f'{pause:g}' for pause in pauses)} s", observer.name, len(samples),
        len(Load.failed(samples)), max(Load.gap(load.samples, load.samples[0].started, load.samples[-1].ended) for load in tried),
        max(firsts), [error for load in tried for error in load.errors],
    )  # fmt: skip


async def connect_close_cycles(make: Maker, *, cycles: int = 500, watch: float = 6.0, budget: float = 60.0) -> Outcome:
    """A client with a chosen identity comes, asks and goes, again and again; a listener at the identity counts who dials it.

    A node tries a dead subscriber at each push, at least every 5 s. Counted: one ask a cycle, and as many cycles as fit
    into `budget` seconds. Recovery: the slowest first snapshot.
    """
    loop = asyncio.get_running_loop()
    dialled = 0

    def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dialled
        dialled += 1
        writer.transport.abort()

    listener = await asyncio.start_server(count, "127.0.0.1", 0)
    identity: Address = listener.sockets[0].getsockname()
    failures: list[BaseException] = []
    firsts: list[float] = []
    async with listener, cluster(2) as demo:
        contacts = [node.address for node in demo.nodes]
        before = _footprint()
        start = loop.time()
        for _ in range(cycles):
            entered = loop.time()
            if entered - start > budget:
                break
            async with make(contacts, identity=identity) as observer:
                snapshot = await moment(partial(_has_seen_it, observer), 15.0)
                firsts.append((snapshot or NEVER) - entered)
                error = await _one_ask(observer, 2.0)
                if error is not None:
                    failures.append(error)
        took = loop.time() - start
        # Two nodes push twice a second, so a subscription that was left behind shows itself at once.
        await asyncio.sleep(watch)
        after = _footprint()
    return Outcome(
        f"{cycles} connect/close cycles (2 nodes)", observer.name, len(firsts), len(failures), None, max(firsts), failures,
        {"dialled by nodes": dialled, "cycle": took / len(firsts)}
        | {f"{name} left": after[name] - before[name] for name in before},
    )  # fmt: skip


def _footprint() -> dict[str, int]:
    gc.collect()
    here = psutil.Process()
    return {
        "threads": threading.active_count(), "tasks": len(asyncio.all_tasks()),
        "fds": here.num_fds() if hasattr(here, "num_fds") else 0,
    }  # fmt: skip
