"""Runs inputs, counts them, keeps those that do harm: a fault, or more time or memory than their bytes are worth."""

from __future__ import annotations

import hashlib
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from types import ModuleType

from casty_notebook.settings import Settings
from tests.fuzz import targets

__all__ = ["Watch"]

SLOW, SLOW_PER_BYTE = 0.5, 8e-6
"""Seconds of processor time: for any input, and for each of its bytes. By count it is an eighth of that (see `codec.budget`)."""
GROWTH, GROWTH_PER_BYTE = 100 * 1024, 2 / 1024
"""KiB that the process may not grow by in one input, and for each of its bytes."""
SAVED_EVERY = 2000
KEPT_OF_A_KIND = 3


class Watch:
    """Call it with inputs. `count`: how many there were; `folder`: where faults and the count are written.

    Parameters
    ----------
    parsers
        The module whose `run` takes the inputs and whose `TARGETS` they choose from.
    """

    def __init__(self, folder: Path, parsers: ModuleType = targets) -> None:
        self._parsers = parsers
        self._found = folder / "found"
        self._found.mkdir(parents=True, exist_ok=True)
        self._count_file = folder / "count"
        self._kinds: Counter[str] = Counter()
        self._peak = _peak()
        self.count = 0

    def __call__(self, data: bytes) -> None:
        self.count += 1
        started = time.process_time()
        try:
            self._parsers.run(data)
        except Exception as error:
            self._keep(f"{type(error).__name__}-{_place(error)}", data, error)
        taken = time.process_time() - started
        if taken > self._patience(data):
            self._keep(f"slow-{self._name(data)}", data, f"{taken:.2f} s for {len(data):,} bytes")
        peak = _peak()
        if peak > self._peak:
            if peak - self._peak > GROWTH + GROWTH_PER_BYTE * len(data) and self.count > 1:
                self._keep(f"memory-{self._name(data)}", data, f"{(peak - self._peak) / 1024:.0f} MB for {len(data):,} bytes")
            self._peak = peak
        if self.count % SAVED_EVERY == 0:
            self.save()

    def save(self) -> None:
        self._count_file.write_text(str(self.count))

    def _keep(self, kind: str, data: bytes, what: object) -> None:
        self._kinds[kind] += 1
        if self._kinds[kind] <= KEPT_OF_A_KIND:
            path = self._found / f"{kind}-{hashlib.sha256(data).hexdigest()[:8]}"
            path.write_bytes(data)
            print(f"FOUND {path.name}: {what!r:.300}", file=sys.stdout, flush=True)


    def _patience(self, data: bytes) -> float:
        """A recording is compressed: what it becomes may cost as much as any payload, in the thread of whoever loads it."""
        return 2 * Settings().max_work if self._name(data) == "recorded" else SLOW + SLOW_PER_BYTE * len(data)

    def _name(self, data: bytes) -> str:
        parsers: tuple[targets.Target, ...] = self._parsers.TARGETS
        return parsers[data[0] % len(parsers)].parse.__name__


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).stem}-{frame.lineno}"
