"""``./dev bench``: rounds of every group and every side in turn, medians, ratios, the table of goals, JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from casty_notebook.errors import CastyNotebookError
from tests.benchmarks import groups
from tests.benchmarks.calibration import Calm
from tests.benchmarks.figures import Figure, Results
from tests.benchmarks.goals import goals_as_json
from tests.benchmarks.machine import machine, versions
from tests.benchmarks.processes import BenchmarkFailed
from tests.benchmarks.report import report

__all__ = ["main"]

TRIES = 2
"""Of one round of one group."""

type Group = Callable[[float], Iterable[Figure]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    known = groups.load()
    options = _parse(arguments, list(known))
    if options.show is not None:
        print(report(json.loads(options.show.read_text("utf-8"))))
        return 0
    results, calm, failed = Results(), Calm(), 0
    chosen = options.only or list(known)
    for number in range(options.rounds):
        for group in chosen:
            started = time.monotonic()
            try:
                said = _measure(known[group], group, options.scale, results, calm, keep_all=options.keep_all)
            except (BenchmarkFailed, CastyNotebookError) as error:
                failed += 1
                said = f"failed: {error}"
            _say(f"round {number + 1} of {options.rounds}: {group}, {time.monotonic() - started:.1f} s, {said}")
    run = _run(results, calm, options.rounds, options.scale)
    if options.json is not None:
        options.json.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(report(run))
    return 1 if failed else 0


def _measure(group: Group, name: str, scale: float, results: Results, calm: Calm, *, keep_all: bool = False) -> str:
    """One round, once more if the machine was not calm; what was measured while it was not is thrown away."""
    for _ in range(TRIES):
        before = calm.clock()
        figures = list(group(scale))
        if calm.was_calm(name, before, calm.clock()) or keep_all:
            for figure in figures:
                results.add(figure)
            return "kept"
    return "thrown away: the machine was busy with something else"


def _parse(arguments: Sequence[str] | None, known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of everything in turn (default 5)")
    parser.add_argument("--keep-all", action="store_true", help="keep rounds in which the machine changed its speed, too")
    parser.add_argument("--only", nargs="+", metavar="GROUP", choices=known, help=f"of {', '.join(known)}")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual amount of work, for a quick look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure of every round there")
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing, print the tables of such a file")
    return parser.parse_args(arguments)


def _run(results: Results, calm: Calm, rounds: int, scale: float) -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(), "machine": machine(), "versions": versions(),
        "rounds": rounds, "scale": scale, "calibration": calm.as_json(), "goals": goals_as_json(results),
        "figures": results.as_json(),
    }  # fmt: skip


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
