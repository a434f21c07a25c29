"""The receiving end of `pushing`: one client in this process, its CPU, its loop's stalls and its memory.

Imported in the official client's environment too, which has casty and nothing else; so each side imports its own.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.pushing import VERSIONS
from tests.benchmarks.raw_node import SYSTEM

__all__ = ["receive"]

BEAT = 0.002
DEADLINE = 30.0
REST = 0.01


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory(*, reset: bool = False) -> float:
    """MB at the highest since the last reset; where the system cannot reset, since the process began."""
    if reset:
        with suppress(OSError), Path("/proc/self/clear_refs").open("w") as file:
            file.write("5")
    with suppress(OSError), Path("/proc/self/status").open() as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass
class Receiver:
    """What is asked of each client: the epoch it has adopted, how many pushes it counted; `news` is set at each change."""

    epoch: Callable[[], int | None]
    received: Callable[[], int]
    news: asyncio.Event

    async def has_adopted(self, version: int) -> None:
        """Wait for a version, without polling, which would cost CPU of its own; then let all be done that follows it."""
        async with asyncio.timeout(DEADLINE):
            while self.epoch() != version:
                self.news.clear()
                await self.news.wait()
        await asyncio.sleep(REST)


class Heartbeat:
    """The longest time that the loop it runs on kept it waiting beyond its turn."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._beat()

    def _beat(self) -> None:
        now = self._loop.time()
        self.longest = max(self.longest, now - self._due)
        self._due = now + BEAT
        self._timer = self._loop.call_at(self._due, self._beat)

    def stop(self) -> float:
        self._timer.cancel()
        return max(self.longest, self._loop.time() - self._due)


# --- the three clients ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def _ours(port: int, shards: int) -> AsyncIterator[Receiver]:
    from casty_notebook import ClusterClient

    news = asyncio.Event()
    async with ClusterClient(contact_points=[("127.0.0.1", port)], system_name=SYSTEM) as client:
        client.on_snapshot(lambda _snapshot: news.set())
        await client.wait_for_topology()
        client.entity_ref("type-0", shards)
        yield Receiver(
            lambda: client.topology.allocation_epoch if client.topology is not None else None,
            lambda: client.counters["snapshots"], news,
        )  # fmt: skip


@asynccontextmanager
async def _cluster(port: int, shards: int) -> AsyncIterator[Receiver]:
    """On the background loop, like everything of a `Cluster`: only `connect` and `close` block another thread."""
    from casty_notebook import connect

    news = asyncio.Event()
    cluster = await asyncio.to_thread(
        connect, f"casty://{SYSTEM}@127.0.0.1:{port}", shards={"type-0": shards}, name="bench", serializer="pickle"
    )
    cluster.client.on_snapshot(lambda _snapshot: news.set())
    yield Receiver(
        lambda: cluster.recent_moments[-1].snapshot.allocation_epoch,  # what its history has taken in
        lambda: cluster.client.counters["snapshots"], news,
    )  # fmt: skip
    await asyncio.to_thread(cluster.close)


@asynccontextmanager
async def _official(port: int, shards: int) -> AsyncIterator[Receiver]:
    import casty

    for name in ("casty", "casty.topology_subscriber"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    news, count = asyncio.Event(), 0

    class Counting(casty.ClusterClient):  # type: ignore[misc]
        def _on_topology_update(self, snapshot: Any) -> None:
            nonlocal count
            count += 1
            super()._on_topology_update(snapshot)
            news.set()

    async with Counting(contact_points=[("127.0.0.1", port)], system_name=SYSTEM) as client:
        client.entity_ref("type-0", num_shards=shards)
        yield Receiver(
            lambda: client._last_snapshot.allocation_epoch if client._last_snapshot is not None else None,
            lambda: count, news,
        )  # fmt: skip


CLIENTS = {"ours": _ours, "Cluster": _cluster, "official": _official}


# --- what is measured ----------------------------------------------------------------------------------------------


class Control:
    """The way to order pushes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shape: str) -> None:
        self._reader, self._writer, self._shape = reader, writer, shape

    async def push(self, version: int) -> None:
        self._writer.write(f"{self._shape} {version}\n".encode())
        await self._reader.readline()

    def close(self) -> None:
        self._writer.close()


async def _each_adopted(control: Control, client: Receiver, versions: range) -> None:
    """The next when the last one is adopted: all are read, none is passed over for a newer one."""
    for version in versions:
        await control.push(version)
        await client.has_adopted(version)


async def _changed(control: Control, client: Receiver) -> dict[str, float]:
    """CPU and memory first, then the stalls of the loop: a heartbeat costs CPU of its own."""
    gc.collect()
    before, count, used = peak_memory(reset=True), client.received(), cpu()
    await _each_adopted(control, client, range(1, VERSIONS))
    used, peak = cpu() - used, peak_memory()
    assert client.received() - count == VERSIONS - 1
    heartbeat = Heartbeat()
    await _each_adopted(control, client, range(VERSIONS // 2))
    return {
        "changed: CPU per snapshot": used / (VERSIONS - 1) * 1e3, "changed: longest stall": heartbeat.stop() * 1e3,
        "changed: peak memory": peak - before,
    }  # fmt: skip


async def _unchanged(control: Control, client: Receiver, times: int) -> tuple[float, float]:
    """(CPU seconds, seconds) of the last version pushed again and again, ten a second."""
    loop = asyncio.get_running_loop()
    count, used, started = client.received(), cpu(), loop.time()
    for number in range(times):
        await control.push(VERSIONS - 1)
        await asyncio.sleep(max(0.0, started + 0.1 * (number + 1) - loop.time()))
    async with asyncio.timeout(DEADLINE):
        while client.received() - count < times:  # a client that cannot keep up
            await asyncio.sleep(REST)
    assert client.received() - count == times
    return cpu() - used, loop.time() - started


async def _repeated(control: Control, client: Receiver, times: int) -> dict[str, float]:
    await _each_adopted(control, client, range(VERSIONS - 1, VERSIONS))
    used, taken = await _unchanged(control, client, times)
    heartbeat = Heartbeat()
    await _unchanged(control, client, 2)
    return {
        "unchanged: CPU per snapshot": used / times * 1e3, "unchanged: share at 10 a second": used / taken,
        "unchanged: longest stall": heartbeat.stop() * 1e3,
    }  # fmt: skip


async def _receive(side: str, port: int, control_port: int, shape: str, shards: int, times: int) -> dict[str, float]:
    control = Control(*await asyncio.open_connection("127.0.0.1", control_port), shape)
    await control.push(0)
    async with CLIENTS[side](port, shards) as client:
        await client.has_adopted(0)
        await asyncio.sleep(0.3)  # the links to all members are opened meanwhile, which is no part of a snapshot
        figures = {**await _changed(control, client), **await _repeated(control, client, times)}
    control.close()
    return figures


def receive(*arguments: Any) -> dict[str, float]:
    """Run `_receive`, on the background loop where that is the client's own."""
    if arguments[0] == "Cluster":
        from casty_notebook.loops.background import background_loop

        return background_loop().submit(_receive(*arguments)).result()
    return asyncio.run(_receive(*arguments))
