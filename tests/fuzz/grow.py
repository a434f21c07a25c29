"""Inputs from the grammar alone, which needs no fuzzer: ``python -m tests.fuzz.grow FOLDER INPUTS SEED``."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from tests.fuzz import grammar, seeds
from tests.fuzz.watch import Watch


def main() -> int:
    folder, inputs, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.nice(19)
    watch, recordings, rng = Watch(folder), seeds.recordings(), random.Random(seed)
    for _ in range(inputs):
        watch(grammar.grown(rng, recordings))
    watch.save()
    return 1 if list((folder / "found").iterdir()) else 0


if __name__ == "__main__":
    sys.exit(main())
