"""The benchmarks run and count right; what they measure is nobody's test."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import groups
from tests.benchmarks.__main__ import _measure
from tests.benchmarks.calibration import Calm, calibrate
from tests.benchmarks.figures import Figure, Results, cost_ratio
from tests.benchmarks.goals import GOALS, Goal, judge
from tests.benchmarks.machine import machine, versions
from tests.benchmarks.processes import ROOT, BenchmarkFailed, cpu_of, held, run_fresh
from tests.benchmarks.report import report

ASKS = "asks a second, 100 in flight"
P50 = "ask p50, 1 in flight"


def results(*figures: tuple[str, str, str, float]) -> Results:
    """Figures of the asking group against the raw node: name, side, unit, value."""
    made = Results()
    for name, side, unit, value in figures:
        made.add(Figure("asking", name, "raw node", side, unit, value))
    return made


def verdicts(measured: Results) -> dict[str, bool | None]:
    return {verdict.goal.text: verdict.reached for verdict in judge(measured) if verdict.reached is not None}


def test_a_figure_is_the_median_of_its_rounds() -> None:
    measured = results((P50, "ours", "µs", 9.0), (P50, "ours", "µs", 1.0), (P50, "ours", "µs", 2.0))
    assert measured.median("asking", P50, "ours", "raw node") == 2.0
    assert measured.median("asking", P50, "ours", "1 node") is None


def test_a_cost_reaches_its_goal_by_its_ratio_to_the_floor() -> None:
    measured = results((P50, "floor", "µs", 100), (P50, "ours", "µs", 124), (P50, "Cluster", "µs", 201))
    assert verdicts(measured) == {
        "ask, one in flight, p50: ≤ 1.25 × floor": True, "the same through Cluster: ≤ 2 × floor": False,
    }  # fmt: skip


def test_of_rates_the_ratios_are_the_other_way_round() -> None:
    measured = results((ASKS, "floor", "1/s", 60_000), (ASKS, "ours", "1/s", 24_001), (ASKS, "official", "1/s", 1_700))
    assert verdicts(measured) == {"asks a second, 100 in flight: ≥ floor ÷ 2.5": True, "the same: ≥ 15 × official": False}


def test_a_goal_without_its_figures_says_that_it_was_not_measured() -> None:
    run = {
        "date": "2026-01-01", "machine": {"cores": 2, "architecture": "x", "cpu": "y", "os": "z"}, "versions": {"python": "3"},
        "rounds": 1, "scale": 1.0, "figures": results((P50, "ours", "µs", 120.0)).as_json(),
    }  # fmt: skip
    goals = report(run).partition("\nGoals\n")[2]
    assert goals.count("not measured") == len(GOALS)
    assert "python -m tests.reliability" in goals


def test_figures_survive_their_json() -> None:
    measured = results((P50, "floor", "µs", 100.0), (P50, "ours", "µs", 149.0), (P50, "ours", "µs", 150.0))
    assert Results.from_json(json.loads(json.dumps(measured.as_json()))) == measured


def test_a_round_in_which_the_machine_changed_its_speed_is_measured_again_and_thrown_away() -> None:
    times = iter([1.0, 1.2, 1.0, 1.05, 1.0, 1.2, 1.0, 0.8])
    calm = Calm(clock=lambda: next(times))
    measured = Results()
    rounds = iter([1.0, 2.0, 3.0, 4.0])

    def group(_scale: float) -> list[Figure]:
        return [Figure("asking", P50, "raw node", "ours", "µs", next(rounds))]

    assert _measure(group, "asking", 1.0, measured, calm) == "kept"
    assert _measure(group, "asking", 1.0, measured, calm).startswith("thrown away")
    assert measured.values("asking", P50, "ours", "raw node") == [2.0]
    assert calm.as_json()["rounds"] == {"asking": {"kept": 1, "tried": 4}}
    assert 0 < calibrate() < 1


def test_a_failing_process_is_reported_with_what_it_said() -> None:
    with pytest.raises(BenchmarkFailed, match="not-a-number"):
        run_fresh("builtins:float", "not-a-number")
    with pytest.raises(BenchmarkFailed, match="did not end within"):
        run_fresh("time:sleep", 60, timeout=0.3)


def test_the_cpu_of_another_process_only_grows() -> None:
    with held("tests.benchmarks.raw_node:main") as (node, _):
        first = cpu_of(node.pid)
        assert 0 < first <= cpu_of(node.pid)


def test_a_tiny_run_measures_and_writes_its_json(tmp_path: Path) -> None:
    """One group from end to end: the raw node and every side in processes of their own."""
    written = tmp_path / "run.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--rounds", "1", "--keep-all", "--scale", "0.02", "--only", "fan-out"]
    command += ["--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    run = json.loads(written.read_text("utf-8"))
    assert {figure["side"] for figure in run["figures"]} >= {"floor", "ours", "Cluster", "official"}
    assert all(len(figure["rounds"]) == run["rounds"] == 1 for figure in run["figures"])
    assert "fan-out, against raw node" in done.stdout


def test_nothing_in_a_run_says_whose_machine_it_was() -> None:
    said = json.dumps([machine(), versions()])
    assert str(ROOT) not in said
    assert f'"{platform.node()}"' not in said


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.text)
def test_every_goal_names_a_group_that_is_measured(goal: Goal) -> None:
    assert goal.group.replace("-", "_") in groups.MODULES


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    assert cost_ratio([10.0, 30.0, 50.0], [10.0, 10.0, 50.0], "µs") == 1.0
    assert cost_ratio([10.0], [20.0], "1/s") == 2.0
    assert cost_ratio([10.0, 30.0], [10.0], "µs") == 2.0, "a round failed on one side: medians will do"
    assert cost_ratio([], [10.0], "µs") is None
    assert cost_ratio([10.0], [], "1/s") is None
    assert cost_ratio([10.0], [0.0], "µs") is None
