"""One client from its first import to its first answer. Imports nothing that a user's own script would not, so that the time
from the start of the process is one that a user sees.
"""

from __future__ import annotations

import time
from typing import Any

__all__ = ["measure_side"]

SHARDS = 100
ENTITY = "user-0"
RETRY = 0.1
"""An ask that the official client lost before its first snapshot is made again after so long; short, so as to be fair."""

type Moments = tuple[float, float | None, float]
"""Entered, first snapshot, first answer."""


def measure_side(
    side: str, system: str, contacts: list[tuple[str, int]], process_started: float
) -> list[tuple[str, str, float]]:
    """The moments of one side."""
    entered, snapshot, answered = _SIDES[side](system, [(host, port) for host, port in contacts])
    rows = [
        ("client entered to first answer", "ms", (answered - entered) * 1e3),
        ("process started to first answer", "ms", (answered - process_started) * 1e3),
    ]
    if snapshot is not None:  # the official client tells nobody of its snapshots
        rows.append(("client entered to first snapshot", "ms", (snapshot - entered) * 1e3))
        rows.append(("process started to first snapshot", "ms", (snapshot - process_started) * 1e3))
    return rows


def _ours(system: str, contacts: list[tuple[str, int]]) -> Moments:
    import asyncio

    from casty_notebook import ClusterClient, ShardEnvelope
    from casty_notebook.demo.messages import GetCount

    async def run() -> Moments:
        entered = time.monotonic()
        async with ClusterClient(contact_points=contacts, system_name=system) as client:
            await client.wait_for_topology()
            snapshot = time.monotonic()
            await client.ask(client.entity_ref("counter", SHARDS), lambda r: ShardEnvelope(ENTITY, GetCount(r)))
            return entered, snapshot, time.monotonic()

    return asyncio.run(run())


def _cell(system: str, contacts: list[tuple[str, int]]) -> Moments:
    from casty_notebook import connect
    from casty_notebook.demo.messages import GetCount

    entered = time.monotonic()
    uri = f"casty://{system}@" + ",".join(f"{host}:{port}" for host, port in contacts)
    with connect(uri, shards={"counter": SHARDS}, name="bench") as cluster:
        snapshot = time.monotonic()
        cluster.ask(f"counter/{ENTITY}", GetCount)
        return entered, snapshot, time.monotonic()


def _official(system: str, contacts: list[tuple[str, int]]) -> Moments:
    import asyncio

    import casty

    from casty_notebook.demo.messages import GetCount

    async def run() -> Moments:
        entered = time.monotonic()
        async with casty.ClusterClient(contact_points=contacts, system_name=system) as client:
            counter = client.entity_ref("counter", num_shards=SHARDS)
            while True:
                try:
                    ask: Any = client.ask(counter, lambda r: casty.ShardEnvelope(ENTITY, GetCount(r)), timeout=RETRY)
                    await ask
                    return entered, None, time.monotonic()
                except TimeoutError:
                    continue

    return asyncio.run(run())


_SIDES = {"ours": _ours, "Cluster": _cell, "official": _official}
