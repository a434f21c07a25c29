"""One run of the fuzzer: ``python -m tests.fuzz.fuzz_all FOLDER [libFuzzer's flags]``; `tests.fuzz` starts it.

A fault does not end the run. Its input is kept in ``FOLDER/found`` under what it did and where, once; inputs are
counted in ``FOLDER/count``.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["casty_notebook"]):
    from tests.fuzz import targets

SLOW = 0.5
"""Seconds of processor time that no input of a few kilobytes may take."""
GROWTH = 80 * 1024
"""KiB that the process may not grow by in one input."""
SAVED_EVERY = 2000
KEPT_OF_A_KIND = 3


class Watch:
    """Runs inputs, counts them, keeps those that do harm."""

    def __init__(self, folder: Path) -> None:
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
            targets.run(data)
        except Exception as error:
            self._keep(f"{type(error).__name__}-{_place(error)}", data, error)
        taken = time.process_time() - started
        if taken > SLOW:
            self._keep(f"slow-{_name(data)}", data, f"{taken:.2f} s")
        peak = _peak()
        if peak > self._peak:
            if peak - self._peak > GROWTH and self.count > 1:
                self._keep(f"memory-{_name(data)}", data, f"{(peak - self._peak) / 1024:.0f} MB")
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
            print(f"FOUND {path.name}: {what!r:.300}", flush=True)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _name(data: bytes) -> str:
    return targets.TARGETS[data[0] % len(targets.TARGETS)].parse.__name__


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).stem}-{frame.lineno}"


def main() -> None:
    watch = Watch(Path(sys.argv[1]))
    runs = next((int(flag.removeprefix("-runs=")) for flag in sys.argv if flag.startswith("-runs=")), 0)

    def one(data: bytes) -> None:
        watch(data)
        if watch.count == runs:
            watch.save()  # libFuzzer ends the process without a word to Python

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
