"""What stays behind: memory after asks that timed out, and after an hour's worth of snapshots.

Memory is what Python's allocator traces, and beside it what the process holds, whose heap has gaps.

The hour is simulated: the pure session and its history are given the time as a number. Every one of its four snapshots a second
differs from the one before, so that the history reaches its bound of records (after 21 minutes) within it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.official import official_python
from tests.benchmarks.processes import held, run_fresh
from tests.benchmarks.raw_node import SYSTEM, RawNode

GROUP = "lasting"
ASKS = 10_000
TIMEOUT = 0.05
IN_FLIGHT = 500
HOUR, EVERY = 3600, 0.25
WARM = {True: 1_000, False: 10_000}
"""Asks before anything is counted, by whether Python traces: the heap of a process takes about so many to reach its size."""


def measure(scale: float) -> Iterator[Figure]:
    """One round: each client twice, since tracing changes what the process holds; then the hour."""
    asks = max(IN_FLIGHT, round(ASKS * scale) // IN_FLIGHT * IN_FLIGHT)
    with held(f"{__name__}:silent_node") as (_, port):
        for side, python in (("ours", None), ("official", official_python())):
            for traced, what in ((True, ""), (False, ", resident")):
                grown = run_fresh(f"{__name__}:time_out", side, int(port), asks, traced, python=python)
                name = f"memory per 10,000 timed-out asks{what}"
                yield Figure(GROUP, name, "raw node", side, "MB", grown * 10_000 / asks)
    for name, value in run_fresh(f"{__name__}:hour", max(60, round(HOUR * scale))).items():
        yield Figure(GROUP, f"an hour of snapshots, all changed: {name}", "", "ours", "MB", value)


# --- asks that time out --------------------------------------------------------------------------------------------


class SilentNode(RawNode):
    """Sends its topology, and pongs; never answers an ask."""

    def _answer(self, body: bytes) -> bytes | None:
        answers = not self._greeted or b"/_cluster/_topology" in body[:200] or b"/_receptionist" in body[:200]
        return super()._answer(body) if answers else None


def silent_node() -> None:
    """Print the port; end with stdin."""
    from casty_notebook.address import ActorAddress, NodeAddress
    from casty_notebook.backends.sharded.aio.wire_classes import build_registry
    from casty_notebook.backends.sharded.codec.codec import Codec
    from tests.benchmarks.raw_node import one_node_snapshot

    async def serve() -> None:
        codec = Codec(build_registry(lambda uri: ActorAddress.parse(uri)))  # type: ignore[arg-type,return-value]
        here: list[NodeAddress] = []
        server = await asyncio.get_running_loop().create_server(
            lambda: SilentNode(here[0], codec, codec.encode(one_node_snapshot(here[0])), None), "127.0.0.1", 0
        )
        here.append(NodeAddress(*server.sockets[0].getsockname()[:2]))
        print(here[0].port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(serve())


async def _time_out(ask: Callable[[], Coroutine[Any, Any, Any]], times: int) -> None:
    for _ in range(times // IN_FLIGHT):
        outcomes = await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)), return_exceptions=True)
        assert all(isinstance(outcome, TimeoutError) for outcome in outcomes), outcomes[0]
        del outcomes
    # One alone: a session keeps the effects of the last event until the next, and with them a whole batch of errors.
    await asyncio.gather(ask(), return_exceptions=True)
    await asyncio.sleep(0.5)  # whatever ends a little later than its ask


async def _grown(ask: Callable[[], Coroutine[Any, Any, Any]], times: int, *, traced: bool) -> float:
    """MB that `times` asks leave behind, beyond what the ones before left."""
    from tests.benchmarks.measuring import resident

    def held_now() -> float:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / 1e6 if traced else resident()

    if traced:
        tracemalloc.start()
    await _time_out(ask, min(WARM[traced], times))
    before = held_now()
    await _time_out(ask, times)
    return held_now() - before


async def _ours(port: int, times: int, *, traced: bool) -> float:
    from casty_notebook import ClusterClient, ShardEnvelope
    from casty_notebook.demo.messages import GetCount

    async with ClusterClient(contact_points=[("127.0.0.1", port)], system_name=SYSTEM) as client:
        await client.wait_for_topology()
        counter = client.entity_ref("counter", 100)
        grown = await _grown(
            lambda: client.ask(counter, lambda r: ShardEnvelope("user-42", GetCount(r)), timeout=TIMEOUT), times, traced=traced
        )
        assert client.counters["timed_out"] == min(WARM[traced], times) // IN_FLIGHT * IN_FLIGHT + times + 2
        return grown


async def _official(port: int, times: int, *, traced: bool) -> float:
    import casty

    from casty_notebook.demo.messages import GetCount

    logging.getLogger("casty").setLevel(logging.CRITICAL)
    async with casty.ClusterClient(contact_points=[("127.0.0.1", port)], system_name=SYSTEM) as client:
        counter = client.entity_ref("counter", num_shards=100)
        return await _grown(
            lambda: client.ask(counter, lambda r: casty.ShardEnvelope("user-42", GetCount(r)), timeout=TIMEOUT),
            times, traced=traced,
        )  # fmt: skip


def time_out(side: str, port: int, times: int, traced: bool) -> float:
    """Run one side."""
    run = _ours if side == "ours" else _official
    return asyncio.run(run(port, times, traced=traced))


# --- an hour of snapshots ------------------------------------------------------------------------------------------


def hour(seconds: int) -> dict[str, float]:
    """MB grown from a sixth of the time (ten minutes of the hour) and from its half to its end; what the history holds."""
    from tests.benchmarks.following import Following
    from tests.benchmarks.measuring import resident

    following = Following()
    held_at: dict[int, float] = {}
    marks = {seconds // 6, seconds // 2, seconds}
    for second in range(1, seconds + 1):
        for _ in range(round(1 / EVERY)):
            following.step(EVERY)
        if second % 60 == 0:
            following.look()
        if second in marks:
            held_at[second] = resident()
    assert following.session.counters["snapshots"] >= seconds / EVERY
    end = held_at[seconds]
    return {
        "growth from minute 10 to 60": end - held_at[seconds // 6],
        "growth from minute 30 to 60": end - held_at[seconds // 2],
        "held by the history at the end, by its own count": following.history.size / 1e6,
    }
