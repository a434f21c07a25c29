"""Clusters of casty 0.30: asks, tells, entering and placing, beside `casty.Client` and ready frames over raw asyncio."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.backends.virtual.cluster import NODESIDE, RELEASES, VirtualCluster
from tests.benchmarks.asking import cpu, in_flight
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import cpu_of, run_fresh
from tests.benchmarks.rounds import Row
from tests.versions.environments import interpreters

__all__ = ["GROUP", "measure", "measure_side"]

GROUP = "virtual"
SIDES = ("floor", "ours", "official")
COUNTER = "shop.actors:counter"
KEYS = tuple(f"bench-{number}" for number in range(100))
ASKS = 6_000
TELLS = 10_000
TELL_ROUND = 500
"""Tells between two turns of the loop, as a user's own loop would make them; far below every side's bound."""
ENTERED = 15
PLACED = 100_000
WARM_UP = 300


def measure(scale: float) -> Iterator[Figure]:
    """One round of every side, against one node and against three."""
    for number in (1, 3):
        with VirtualCluster(number) as cluster:
            against = "1 node" if number == 1 else f"{number} nodes"
            for side in SIDES:
                python = interpreters(RELEASES[-1:])[RELEASES[-1]] if side == "official" else None
                function = "tests.benchmarks.virtual:measure_side"
                for name, unit, value in run_fresh(function, side, cluster.contacts, cluster.pids, scale, python=python):
                    yield Figure(GROUP, name, against, side, unit, value)


def measure_side(side: str, contacts: list[tuple[str, int]], pids: list[int], scale: float) -> list[Row]:
    """All figures of one side, in one round."""
    return asyncio.run(_figures(side, [(host, port) for host, port in contacts], pids, scale))


@dataclass
class Asker:
    """The next of `KEYS`, asked or told."""

    ask: Callable[[], Any]
    tell: Callable[[], None] | None = None
    settle: Callable[[], Any] | None = None
    """Wait until the nodes have taken what was told."""
    place: Callable[[int], None] | None = None
    """Place that many keys."""


async def _figures(name: str, contacts: list[tuple[str, int]], pids: list[int], scale: float) -> list[Row]:
    opened: Callable[..., AbstractAsyncContextManager[Asker]] = _OPENED[name]
    times = max(200, int(ASKS * scale))
    async with opened(contacts) as side:
        await in_flight(side.ask, 10, WARM_UP)
        rows = await _latency(side, times // 4)
        for width in (100,) if name == "floor" else (100, 1000):  # a thousand need more credit than there is at first
            served = sum(map(cpu_of, pids))
            seconds, used = await in_flight(side.ask, width, times)
            served = sum(map(cpu_of, pids)) - served
            rows.append((f"asks a second, {width:,} in flight", "1/s", times / seconds))
            rows.append((f"CPU per ask, {width:,} in flight", "µs", used / times * 1e6))
            if width == 100:
                rows.append(("CPU of the nodes per ask, 100 in flight", "µs", served / times * 1e6))
        if side.tell is not None:
            rows.append(await _telling(side, max(1_000, int(TELLS * scale))))
        if side.place is not None:
            started = time.process_time()
            side.place(PLACED)
            rows.append((f"{PLACED:,} keys placed, CPU", "ms", (time.process_time() - started) * 1e3))
    if name != "floor":
        rows.append(await _entering(opened, contacts))
    return rows


async def _latency(side: Asker, times: int) -> list[Row]:
    taken = []
    used = cpu()
    for _ in range(times):
        started = time.perf_counter()
        await side.ask()
        taken.append(time.perf_counter() - started)
    used = cpu() - used
    return [
        ("ask p50, 1 in flight", "µs", statistics.median(taken) * 1e6),
        ("ask p99, 1 in flight", "µs", statistics.quantiles(taken, n=100)[98] * 1e6),
        ("CPU per ask, 1 in flight", "µs", used / times * 1e6),
    ]


async def _telling(side: Asker, times: int) -> Row:
    assert side.tell is not None
    assert side.settle is not None
    used = cpu()
    for number in range(times):
        side.tell()
        if number % TELL_ROUND == 0:
            await asyncio.sleep(0)
    await side.settle()
    return "CPU per tell", "µs", (cpu() - used) / times * 1e6


async def _entering(opened: Callable[..., AbstractAsyncContextManager[Asker]], contacts: list[tuple[str, int]]) -> Row:
    taken = []
    for _ in range(ENTERED):
        started = time.perf_counter()
        async with opened(contacts, warm=False):
            taken.append(time.perf_counter() - started)
    return "entering to the first table, median", "ms", statistics.median(taken) * 1e3


# --- sides --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _ours(contacts: list[tuple[str, int]], *, warm: bool = True) -> AsyncIterator[Asker]:
    from casty_notebook import VirtualClient
    from tests.backends.virtual.messages import Add, Get

    async with VirtualClient(contact_points=contacts, cluster_name="shop") as client:
        await client.wait_for_members()
        targets = [f"{COUNTER}/{key}" for key in KEYS]
        asked, told = itertools.cycle(targets), itertools.cycle(targets)
        if warm:
            await asyncio.gather(*(client.ask(target, Get, force=True) for target in targets))
            while COUNTER not in (client.members.types if client.members is not None else ()):
                await asyncio.sleep(0.05)

        async def settle() -> None:
            await asyncio.gather(*(client.ask(target, Get, timeout=60) for target in targets))

        def place(count: int) -> None:
            placed = client.place_many(COUNTER, (f"user-{number}" for number in range(count)))
            assert len(placed) == count

        yield Asker(lambda: client.ask(next(asked), Get, timeout=60), lambda: client.tell(next(told), Add(1)), settle, place)


@asynccontextmanager
async def _official(contacts: list[tuple[str, int]], *, warm: bool = True) -> AsyncIterator[Asker]:
    sys.path.insert(0, str(NODESIDE))
    import casty  # type: ignore[import-not-found,unused-ignore]
    from shop.actors import Add, Get, counter  # type: ignore[import-not-found,unused-ignore]

    async with casty.Client(seeds=tuple(f"{host}:{port}" for host, port in contacts), name="shop") as client:
        while not client.members:
            await asyncio.sleep(0)
        # Kept, as a user's loop may: each new one sends a message of its own.
        refs = [client.ref(counter, key) for key in KEYS] if warm else []
        asked, told = itertools.cycle(refs), itertools.cycle(refs)

        async def settle() -> None:
            await asyncio.gather(*(ref.ask(Get()) for ref in refs))

        yield Asker(lambda: next(asked).ask(Get()), lambda: next(told).tell(Add(1)), settle)


class _Floor(asyncio.Protocol):
    """Writes ready frames, gives credit and counts replies: what any asyncio client must at least do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.waiting: list[asyncio.Future[None]] = []
        self.greeted = asyncio.Event()
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        buffer, at, read = self._buffer + data, 0, 0
        while len(buffer) - at >= 12:
            kind, size = buffer[at + 1], int.from_bytes(buffer[at + 8 : at + 12])
            if kind:
                at += 12
                continue
            if len(buffer) - at < 12 + size:
                break
            self._count(buffer, at + 12, at + 12 + size)
            at, read = at + 12 + size, read + size
        self._buffer = buffer[at:]
        if read:
            self.transport.write(b"\2\1\0\0\0\0\0\3" + read.to_bytes(4))

    def _count(self, buffer: bytes, at: int, end: int) -> None:
        """The messages of a frame, all of them whole as these are."""
        while at < end:
            if self.greeted.is_set():
                self.waiting.pop().set_result(None)
            self.greeted.set()
            at += 4 + int.from_bytes(buffer[at : at + 4])


@asynccontextmanager
async def _floor(contacts: list[tuple[str, int]], *, warm: bool = True) -> AsyncIterator[Asker]:
    from casty_notebook import VirtualClient
    from casty_notebook.backends.virtual.codec.protocol import ACTORS, encode_deliver
    from casty_notebook.backends.virtual.codec.values import ReplyTo, write_message
    from casty_notebook.backends.virtual.wire.frames import encode_data
    from casty_notebook.backends.virtual.wire.hello import Hello
    from tests.backends.virtual.messages import Get

    def framed(stream: int, service: bytes, body: bytes) -> bytes:
        message = bytes((len(service),)) + service + body
        return encode_data(stream, len(message).to_bytes(4) + message)

    async with VirtualClient(contact_points=contacts, cluster_name="shop") as client:
        await client.wait_for_members()
        owners = [client.place(f"{COUNTER}/{key}").owner for key in KEYS]
    me, loop, links = bytes(16), asyncio.get_running_loop(), {}
    for contact in contacts:
        transport, protocol = await loop.create_connection(_Floor, *contact)
        transport.write(framed(1, b"hello", Hello("shop", me).encode()))
        await protocol.greeted.wait()
        links[contact] = protocol
    # Ready but for the number of the ask, which is in each twice.
    number, numbers = 1 << 62, itertools.count(1 << 62)
    body = write_message(Get(), ReplyTo(me, number))
    frames = itertools.cycle([
        (links[owner.host, owner.port],
         framed(3, ACTORS, encode_deliver(me, COUNTER, key, body, number)).split(number.to_bytes(8)))
        for key, owner in zip(KEYS, owners, strict=True) if owner is not None
    ])  # fmt: skip

    async def ask() -> None:
        link, parts = next(frames)
        future = loop.create_future()
        link.waiting.append(future)
        link.transport.write(next(numbers).to_bytes(8).join(parts))
        await future

    yield Asker(ask)
    for link in links.values():
        link.transport.close()


_OPENED: dict[str, Callable[..., AbstractAsyncContextManager[Asker]]] = {"floor": _floor, "ours": _ours, "official": _official}
