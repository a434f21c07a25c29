"""``python -m tests.fuzz --inputs N``: the fuzzer in rounds, each a process of bounded memory; reports what it ran."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz import seeds
from tests.fuzz.grammar import LONGEST

ROUND = 1_000_000
MEMORY_MB = 1024
HANG_SECONDS = 25
HERE = Path(__file__).parent


def main() -> int:
    options = _options()
    folder: Path = options.folder
    corpus, dictionary = folder / "corpus", folder / "dictionary"
    folder.mkdir(parents=True, exist_ok=True)
    count = seeds.write_seeds(corpus)
    for kept in sorted((HERE / "kept").glob("*")):
        (corpus / f"kept-{kept.name}").write_bytes(kept.read_bytes())
    seeds.write_dictionary(dictionary)
    os.nice(19)
    print(f"{count} seeds; corpus, findings and count are in {folder}", flush=True)
    done, started = 0, time.monotonic()
    while done < options.inputs:
        done += _round(folder, min(ROUND, options.inputs - done))
        minutes = (time.monotonic() - started) / 60
        print(f"{done:,} inputs in {minutes:.1f} minutes; findings: {len(_findings(folder))}", flush=True)
    for finding in _findings(folder):
        print(finding)
    return 1 if _findings(folder) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=HERE.parent / "_artifacts" / "fuzz")
    return parser.parse_args()


def _round(folder: Path, runs: int) -> int:
    """Run so many inputs, or fewer if one ends the process; returns how many."""
    counter = folder / "count"
    counter.write_text("0")
    flags = [
        f"-runs={runs}", f"-max_len={LONGEST}", f"-dict={folder / 'dictionary'}", f"-artifact_prefix={folder / 'found'}/",
        f"-rss_limit_mb={MEMORY_MB}", f"-timeout={HANG_SECONDS}", "-print_final_stats=1", "-verbosity=0", "-reload=0",
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.fuzz.fuzz_all", str(folder), *flags, str(folder / "corpus")]
    with (folder / "log").open("ab") as log:
        subprocess.run(command, stdout=log, stderr=log, check=False)
    count = int(counter.read_text())
    if count == 0:
        raise SystemExit(f"the fuzzer does not run; see {folder / 'log'} (is atheris installed?)")
    return count


def _findings(folder: Path) -> list[Path]:
    return sorted((folder / "found").glob("*"))


if __name__ == "__main__":
    sys.exit(main())
