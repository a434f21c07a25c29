"""An event loop inside of a running one, where asyncio itself allows none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loop_inside"]


@contextmanager
def loop_inside() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that can run inside of the one that is running, as nest-asyncio lets one."""
    outer = asyncio.get_running_loop()
    inner = asyncio.new_event_loop()
    asyncio._set_running_loop(None)
    try:
        yield inner
    finally:
        asyncio._set_running_loop(outer)
        inner.close()
