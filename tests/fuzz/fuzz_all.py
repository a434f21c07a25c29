"""One run of the fuzzer: ``python -m tests.fuzz.fuzz_all FOLDER [libFuzzer's flags]``; `tests.fuzz` starts it.

A fault does not end the run. Its input is kept in ``FOLDER/found`` under what it did and where, once; inputs are
counted in ``FOLDER/count``. Every other input is not changed but grown from the grammar, with the fuzzer's own seed.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["casty_notebook"]):
    from tests.fuzz import grammar, seeds
    from tests.fuzz.watch import Watch


def main() -> None:
    watch, recordings = Watch(Path(sys.argv[1])), seeds.recordings()
    runs = next((int(flag.removeprefix("-runs=")) for flag in sys.argv if flag.startswith("-runs=")), 0)

    def one(data: bytes) -> None:
        watch(data)
        if watch.count == runs:
            watch.save()  # libFuzzer ends the process without a word to Python

    def change(data: bytes, most: int, seed: int) -> bytes:
        if seed & 1:
            return bytes(grammar.grown(random.Random(seed), recordings)[:most])
        changed: bytes = atheris.Mutate(data, most)
        return changed

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
