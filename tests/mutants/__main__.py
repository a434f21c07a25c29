"""Breaks the pure rooms, one small fault at a time, and lists the faults that no test of that room notices.

``./dev mutants [N] [SEED]``: the faults of ``by_hand.toml``, and a sample of N (100) of all others, in a copy of the checkout.
What ``equivalent.toml`` explains is no fault, and does not count.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.faults import Fault, Mutant, by_hand, explanations, mutants
from tests.mutants.running import Rooms

ROOT = Path(__file__).parents[2]
ROOMS = {
    "casty_notebook/backends/breaker.py": "tests/backends/sharded/session",
    "casty_notebook/backends/sharded/session": "tests/backends/sharded/session",
    "casty_notebook/backends/sharded/wire": "tests/backends/sharded/wire",
    "casty_notebook/backends/virtual/session": "tests/backends/virtual/session",
    "casty_notebook/backends/virtual/wire": "tests/backends/virtual/wire",
    "casty_notebook/topology": "tests/topology",
}
"""Pure code, and the tests that must notice."""
UNNEEDED = shutil.ignore_patterns(".*", "__pycache__", "_artifacts", "_build", "node_modules")


def tests_of(place: str) -> tuple[str, str]:
    """Return the tests of a file's room: its folder of tests, and the examples in its own docstrings."""
    return next((tests, room) for room, tests in ROOMS.items() if Path(place).is_relative_to(room))


def everything(root: Path) -> list[Mutant]:
    """Every fault of every room."""
    files = [file for room in ROOMS for file in ([root / room] if room.endswith(".py") else sorted((root / room).glob("*.py")))]
    return [mutant for file in files for mutant in mutants(root, str(file.relative_to(root)))]


def survivors(faults: Sequence[Fault], rooms: Rooms, checkout: Path) -> list[Fault]:
    """Try each; say those that nobody notices as they are found."""
    alive = []
    for done, fault in enumerate(faults, 1):
        target, kept = checkout / fault.place, checkout / "kept"
        # With its time, so that its byte code counts again once it is back.
        shutil.copy2(target, kept)
        target.write_text(fault.text(checkout), "utf-8")
        if not rooms.notice(tests_of(fault.place)):
            alive.append(fault)
            print(fault, flush=True)
        shutil.move(kept, target)
        if done % 10 == 0:
            print(f"{done} of {len(faults)} tried, {len(alive)} survived", file=sys.stderr, flush=True)
    return alive


def main(count: int = 100, seed: int = 1) -> int:
    """Run a sample; the exit code says whether all were noticed."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        shutil.copytree(ROOT, checkout, ignore=UNNEEDED)
        explained = explanations()
        known = everything(checkout)
        gone = explained.keys() - {mutant.name for mutant in known}
        if gone:
            print(f"no such code any more, take it out of equivalent.toml: {sorted(gone)}", file=sys.stderr)
            return 2
        real = [mutant for mutant in known if mutant.name not in explained]
        # Drawn one by one, so that what is changed somewhere leaves the others of the sample what they are.
        drawn = sorted(real, key=lambda mutant: random.Random(f"{seed} {mutant.name}").random())
        faults: list[Fault] = [*by_hand(), *drawn[:count]]
        rooms = Rooms(checkout)
        failing = [tests for tests in sorted({tests_of(fault.place) for fault in faults}) if not rooms.pass_as_they_are(tests)]
        if failing:  # every fault would count as noticed
            print(f"without any fault these do not pass: {failing}", file=sys.stderr)
            return 2
        alive = survivors(faults, rooms, checkout)
    print(
        f"{len(faults) - len(alive)} of {len(faults)} noticed: {len(by_hand())} made by hand, the others of the {len(real)} that "
        f"there are (seed {seed}); {len(known) - len(real)} more are explained"
    )
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
