"""``python -m tests.hostile --table [NAME…]``: for how long each worst payload keeps the loop, and what memory it takes.

Each is sent to a real client, in a process of its own, by a node in another; a task on the client's loop that does nothing but
wake every few milliseconds says for how long it could not, and the memory is that of the client alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil

from casty_notebook import ClusterClient, ShardEnvelope, VirtualClient
from casty_notebook.demo import messages
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import UndecodableMessage
from tests.backends.virtual.fake_node import TYPE
from tests.backends.virtual.messages import Get
from tests.hostile.attacker import attacker
from tests.hostile.memory import peak_memory
from tests.hostile.virtual.attacker import attacker as virtual_attacker
from tests.hostile.virtual.work import CLASSES, VALUES
from tests.hostile.work import GENERATORS, SIZES

LONGEST = 0.3
"""Seconds that no payload may keep the loop."""
TICK = 0.002
VIRTUAL = "0.30: "
"""What the names of values of clusters of 0.30 begin with."""
EVERY = (*GENERATORS, *(f"{VIRTUAL}{name}" for name in VALUES))
LONGEST_MESSAGE = (4 << 20) - 4096
"""Bytes of a value in the longest message of such a cluster."""


class Meter:
    """Wakes all the time, and knows for how long it could not (`longest`), and how much of that was the loop's own work
    (`busiest`, processor time), which another process cannot make longer.
    """

    def __init__(self) -> None:
        self.longest = self.busiest = 0.0
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        before, worked = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(TICK)
            now, work = time.perf_counter(), time.thread_time()
            self.longest, self.busiest = max(self.longest, now - before - TICK), max(self.busiest, work - worked)
            before, worked = now, work

    def stop(self) -> None:
        self._task.cancel()


type Ask = Callable[[str], Awaitable[Any]]
"""Asks the attacker for what it is called."""


@asynccontextmanager
async def _sharded(name: str, size: int) -> AsyncIterator[tuple[Ask, str]]:
    serializer, compression, _ = GENERATORS[name]
    with attacker(serializer, compression) as address:
        async with ClusterClient(
            contact_points=[address], system_name="demo", messages=[messages], serializer=serializer, compression=compression
        ) as client:
            counter = client.entity_ref("counter", 100)

            def ask(entity: str) -> Awaitable[Any]:
                return client.ask(counter, lambda reply_to: ShardEnvelope(entity, GetCount(reply_to)), timeout=60)

            yield ask, f"{name}:{size}"


@asynccontextmanager
async def _virtual(name: str, size: int) -> AsyncIterator[tuple[Ask, str]]:
    with virtual_attacker() as address:
        async with VirtualClient(contact_points=[address], cluster_name="shop", messages=CLASSES) as client:

            def ask(key: str) -> Awaitable[Any]:
                return client.ask(f"{TYPE}/{key}", Get, timeout=60)

            yield ask, f"{name}:{min(size, LONGEST_MESSAGE)}"


async def measure(name: str, size: int) -> tuple[float, float, float, str]:
    """Longest stall, seconds until the answer, megabytes by which the process grew, what became of it."""
    virtual = name.startswith(VIRTUAL)
    async with _virtual(name.removeprefix(VIRTUAL), size) if virtual else _sharded(name, size) as (ask, attack):
        await ask("alice")
        before, meter, started = psutil.Process().memory_info().rss, Meter(), time.perf_counter()
        await asyncio.sleep(3 * TICK)
        try:
            outcome = f"read: {type(await ask(attack)).__name__}"
        except UndecodableMessage as error:
            outcome = f"refused: {str(error).partition('refused')[2][:100] or str(error)[-100:]}"
        taken = time.perf_counter() - started
        await asyncio.sleep(3 * TICK)
        meter.stop()
        return meter.longest, taken, (peak_memory() - before) / 2**20, outcome


def in_a_process(name: str, size: str) -> tuple[float, float, float, str]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile", name, size]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{name}, {size}: {done.stderr[-2000:]}")
    stall, taken, grown, outcome = json.loads(done.stdout.splitlines()[-1])
    return stall, taken, grown, outcome


def _table(names: list[str]) -> int:
    worst = 0.0
    print(f"  {'payload':46} {'size':>6} {'stall':>8} {'answer':>8} {'memory':>9}")
    for name in names or EVERY:
        for size in SIZES:
            stall, taken, grown, outcome = in_a_process(name, size)
            worst = max(worst, stall)
            mark = " " if stall <= LONGEST else "!"
            figures = f"{stall * 1000:5.0f} ms {taken:6.2f} s {grown:5.0f} MiB"
            print(f"{mark} {name:46} {size:>6} {figures}  {outcome[:90]}", flush=True)
    print(f"longest stall {worst * 1000:.0f} ms; allowed {LONGEST * 1000:.0f} ms")
    return 1 if worst > LONGEST else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--table", *names]:
            sys.exit(_table(names))
        case [name, size]:
            print(json.dumps(asyncio.run(measure(name, SIZES[size]))))
