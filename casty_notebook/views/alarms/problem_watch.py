"""Looks at a connection's problems once a second, on a thread of its own: the loop has no time for finding them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from casty_notebook.errors import CastyNotebookError
from casty_notebook.logs import room_logger
from casty_notebook.topology.appearing import Appearing
from casty_notebook.topology.problems import Problem

__all__ = ["ProblemWatch"]

log = room_logger(__name__)

LOOK_EVERY = 1.0


class Looked(Protocol):
    """What is looked at: an open connection."""

    name: str

    @property
    def closed(self) -> bool: ...
    def current_problems(self) -> tuple[Problem, ...]: ...


class ProblemWatch:
    """looking --stop | the connection closes--> stopped.

    Parameters
    ----------
    told
        Called on the thread with all problems and those that have just appeared, at the first look and whenever there are
        other ones.
    ended
        Called on the thread when nothing more will be told.
    """

    def __init__(
        self, cluster: Looked, told: Callable[[Sequence[Problem], Sequence[Problem]], object], ended: Callable[[], object]
    ) -> None:
        self._cluster = cluster
        self._told = told
        self._ended = ended
        self._stop = threading.Event()
        threading.Thread(target=self._run, name=f"casty-notebook problems of {cluster.name}", daemon=True).start()

    def stop(self) -> None:
        """Look no more. Idempotent; from any thread."""
        self._stop.set()

    def _run(self) -> None:
        appearing, shown = Appearing(), None
        try:
            while not self._stop.is_set() and not self._cluster.closed:
                found = self._cluster.current_problems()
                new = appearing.note(found, monotonic())
                keys = [(each.kind, each.subject, each.severity) for each in found]
                if keys != shown:
                    shown = keys
                    self._told(found, new)
                self._stop.wait(LOOK_EVERY)
        except CastyNotebookError:
            pass  # it was closed a moment ago
        except Exception:
            log.exception("problems of %s are no longer looked for", self._cluster.name)
        self._ended()
