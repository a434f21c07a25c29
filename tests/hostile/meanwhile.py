"""An honest cluster is asked while another one attacks: who waits, and for how long."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from typing import Any

from casty_notebook import Cluster
from casty_notebook.demo import messages
from casty_notebook.errors import CastyNotebookError
from casty_notebook.loops.background import background_loop
from tests.hostile.__main__ import Meter
from tests.hostile.test_stall import BUSY, STALL

__all__ = ["Attack", "answered_meanwhile", "asked_honestly"]

WITHIN = 1.0
"""Seconds in which the honest cluster is answered, half of all times at least; every time within `STALL`, for a busy machine
may keep any process waiting."""


class Attack:
    """One ask of the attacker, in a thread of its own; what came of it is not looked at before it is over."""

    def __init__(self, victim: Cluster, target: str, message: Any) -> None:
        self._outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(victim, target, message))
        self._thread.start()

    def _run(self, victim: Cluster, target: str, message: Any) -> None:
        try:
            self._outcome = victim.ask(target, message, timeout=30.0)
        except CastyNotebookError as error:
            self._outcome = error

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> Any:
        """The reply, or the error."""
        self._thread.join()
        return self._outcome


def asked_honestly(cluster: Cluster) -> Any:
    """Ask a cluster of the demo, or a fake one of its kind."""
    return cluster.ask("counter/alice", messages.GetCount, timeout=STALL)


def answered_meanwhile(honest: Cluster, attack: Attack) -> None:
    """The honest cluster is asked until the attack is over, and ten times at least."""
    taken: list[float] = []
    gc.collect()  # What earlier tests have left would be collected on the loop, as its own work.
    meter = background_loop().run(_meter())
    try:
        while not attack.over or len(taken) < 10:
            started = time.monotonic()
            asked_honestly(honest)
            taken.append(time.monotonic() - started)
            time.sleep(0.01)
    finally:
        attack.wait()
        background_loop().soon(meter.stop)
    assert statistics.median(taken) < WITHIN
    assert max(taken) < STALL
    assert meter.busiest < BUSY, f"{meter.busiest:.3f} s of the loop in one go"


async def _meter() -> Meter:
    return Meter()
