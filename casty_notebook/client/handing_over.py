"""Tells of any thread to the background loop, without a round trip between the threads for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from casty_notebook.backends.contract import AnyTarget, Backend
from casty_notebook.loops.background import BackgroundLoop

__all__ = ["HandOver"]

MOST = 256
"""Tells that may lie between the threads. Further ones wait for the loop, as all would without this class: an endless queue
would only hide that the nodes, or the loop, do not keep up."""


class HandOver:
    """empty --offer--> scheduled --the loop comes by--> empty. In the order in which they were offered.

    The message is written on the thread that tells, so what is wrong with it is raised there: it cannot be sent, the client is
    closed. Where only the loop can say whether a tell is refused, `offer` returns False, and the caller waits for the loop
    instead: for targets that must be looked up, and while a node does not keep up.
    """

    def __init__(self, loop: BackgroundLoop, backend: Backend) -> None:
        self._loop = loop
        self._backend = backend
        self._waiting: deque[Any] = deque()
        self._scheduled = False

    def offer(self, target: AnyTarget, told: Any) -> bool:
        """Take a tell, unless it needs somebody who waits for what becomes of it."""
        waiting = self._waiting
        if len(waiting) >= MOST or self._loop.here or self._loop.gone:
            return False
        prepared = self._backend.prepare_tell(target, told)
        if prepared is None:
            return False
        waiting.append(prepared)
        if not self._scheduled:
            # Another thread may do the same at this moment. Then `_take_all` is called twice, and finds nothing the second time.
            self._scheduled = True
            self._loop.call(self._take_all)
        return True

    def _take_all(self) -> None:
        self._scheduled = False
        take: Callable[[Any], None] = self._backend.tell_prepared
        while self._waiting:
            take(self._waiting.popleft())
