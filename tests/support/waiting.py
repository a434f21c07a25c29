"""Wait on conditions with a deadline, never for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

__all__ = ["wait_until", "wait_until_async"]

PAUSE = 0.01


def wait_until[T](condition: Callable[[], T | None], timeout: float = 10.0, message: str = "") -> T:
    """Return the first true value of `condition`, or fail with `message` and the last value seen."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{message or 'condition not met'} (waited {timeout:g} s; last value: {value!r})")
        time.sleep(PAUSE)


async def wait_until_async[T](
    condition: Callable[[], T | Awaitable[T | None] | None], timeout: float = 10.0, message: str = ""
) -> T:
    """Do the same without blocking the loop; `condition` may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{message or 'condition not met'} (waited {timeout:g} s; last value: {value!r})")
        await asyncio.sleep(PAUSE)
