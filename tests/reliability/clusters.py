"""A demo cluster for one scenario, started and stopped in a thread, so that the scenario's loop does not block."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.demo import DemoCluster

__all__ = ["cluster", "listens_at", "moment"]


@asynccontextmanager
async def cluster(nodes: int, **options: Any) -> AsyncIterator[DemoCluster]:
    """A started cluster that is gone afterwards."""
    demo = DemoCluster(nodes, **options)
    try:
        await asyncio.to_thread(demo.start)
        yield demo
    finally:
        await asyncio.to_thread(demo.stop)


async def moment(condition: Callable[[], bool], timeout: float) -> float | None:
    """The loop's time when `condition` first holds, or None if it did not within `timeout`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not condition():
        if loop.time() > deadline:
            return None
        await asyncio.sleep(0.005)
    return loop.time()


def listens_at(address: NodeAddress) -> bool:
    """Does anybody listen there? A refused connection on loopback says no at once."""
    with socket.socket() as probe:
        probe.settimeout(0.05)
        return probe.connect_ex(address) == 0
