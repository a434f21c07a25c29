"""A way to wait until something is there, for coroutines of one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Bell"]


class Bell:
    """Whoever brings something rings; whoever waits looks then. Lives on one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.ring = self._event.set

    async def until(self, ready: Callable[[], bool], timeout: float | None) -> None:
        """Wait until `ready` says so, looking whenever the bell rings; `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not ready():
                self._event.clear()
                await self._event.wait()
