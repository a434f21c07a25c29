"""``./dev bench``: rounds of every side in turn, medians, ratios, JSON."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.knowing import measure_knowing

SIDES = ("floor", "ours", "cluster", "peer")


def _side_in_a_process(name: str, port: int, scale: float) -> dict[str, float]:
    """A fresh process each: nobody pays for another's imports, threads or garbage."""
    code = (
        "import json, sys; from casty_notebook import NodeAddress; from tests.benchmarks.asking import measure_side; "
        "print(json.dumps(measure_side(sys.argv[1], NodeAddress('127.0.0.1', int(sys.argv[2])), float(sys.argv[3]))))"
    )
    command = [sys.executable, "-c", code, name, str(port), str(scale)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _asking(rounds: int, scale: float) -> dict[str, dict[str, float]]:
    sides = [name for name in SIDES if name != "peer" or importlib.util.find_spec("casty") is not None]
    collected: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in sides}
    command = [sys.executable, "-m", "tests.benchmarks.raw_node"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        port = int(node.stdout.readline())
        for number in range(rounds):
            for name in sides:
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
                for figure, value in _side_in_a_process(name, port, scale).items():
                    collected[name][figure].append(value)
    return {name: {figure: statistics.median(v) for figure, v in figures.items()} for name, figures in collected.items()}


def _table(medians: dict[str, dict[str, float]]) -> list[str]:
    lines = [f"{'':34}" + "".join(f"{name:>12}" for name in medians) + f"{'ours/floor':>12}{'peer/ours':>11}"]
    for figure in medians["ours"]:
        values = [medians[name].get(figure) for name in medians]
        cells = "".join(f"{value:12.1f}" if value is not None else f"{'':12}" for value in values)
        ours, floor, peer = (medians.get(name, {}).get(figure) for name in ("ours", "floor", "peer"))
        ratio = f"{ours / floor:12.2f}" if ours and floor else f"{'':12}"
        against = f"{peer / ours:11.2f}" if ours and peer else ""
        lines.append(f"{figure:34}{cells}{ratio}{against}")
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all sides in turn (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of asks")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    casty = importlib.metadata.version("casty") if importlib.util.find_spec("casty") is not None else "not installed"
    machine = f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, casty {casty}"
    asking = _asking(options.rounds, options.scale)
    knowing = measure_knowing(options.rounds)
    print(f"\n{machine}; medians of {options.rounds} rounds\n")
    print("Against a raw node that answers at once")
    print("\n".join(_table(asking)))
    print("\nWithout a network")
    for figure, value in knowing.items():
        print(f"{figure:72}{value:10.2f}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine, "asking": asking, "knowing": knowing}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
