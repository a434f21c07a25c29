"""Breaks the sessions' code, one small fault at a time, and lists the faults that no test of that room notices.

``./dev mutants [N] [SEED]``: a sample of N (150) over the pure session rooms of both backends, in a copy of the checkout.
"""

from __future__ import annotations

import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = {
    "casty_notebook/backends/sharded/session": "tests/backends/sharded/session",
    "casty_notebook/backends/virtual/session": "tests/backends/virtual/session",
}
"""Pure code, and the tests that must notice."""

TIME_LIMIT = 120.0
"""Seconds for a room's tests, which take 15 on a quiet machine; who takes longer is in a loop without end, and noticed."""

SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault: the node with that number in its file's walk, and what is done to it."""

    file: Path
    number: int
    line: int
    what: str


def mutants(file: Path) -> Iterator[Mutant]:
    """Every fault that can be put into a file."""
    for number, node in enumerate(ast.walk(ast.parse(file.read_text("utf-8")))):
        what = fault_of(node)
        if what:
            yield Mutant(file, number, node.lineno, what)  # type: ignore[attr-defined]


def fault_of(node: ast.AST) -> str:
    """Name the fault that fits a node; none if nothing does."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in SWAPPED:
            return f"{type(operator).__name__} -> {SWAPPED[type(operator)].__name__}"
        case ast.Expr(value=ast.Call()):
            return "call dropped"
        case ast.If() | ast.While() | ast.IfExp():
            return "condition negated"
        case ast.Constant(value=bool(value)):
            return f"{value} -> {not value}"
        case ast.Constant(value=int(value)):
            return f"{value} -> {value + 1}"
        case ast.BoolOp(op=ast.And()):
            return "and -> or"
        case ast.BoolOp(op=ast.Or()):
            return "or -> and"
        case _:
            return ""


def source_of(mutant: Mutant) -> str:
    """Return the file's text with the fault in it."""
    tree = ast.parse(mutant.file.read_text("utf-8"))
    chosen = next(node for number, node in enumerate(ast.walk(tree)) if number == mutant.number)

    class Breaking(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return broken(node) if node is chosen else self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Breaking().visit(tree)))


def broken(node: ast.AST) -> ast.AST:
    """Return the node with its fault."""
    node = copy.deepcopy(node)
    match node:
        case ast.Compare(ops=[operator]):
            node.ops = [SWAPPED[type(operator)]()]
        case ast.Expr():
            return ast.Pass()
        case ast.If() | ast.While() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value)):
            node.value = value + 1
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return node


def pass_in(checkout: Path, room: str) -> bool:
    """Whether a room's tests pass in that checkout, within the time limit."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", ROOMS[room]]
    try:
        return not subprocess.run(command, cwd=checkout, capture_output=True, timeout=TIME_LIMIT, check=False).returncode
    except subprocess.TimeoutExpired:
        return False


def survives(mutant: Mutant, checkout: Path) -> bool:
    """Whether the room's tests pass in spite of it."""
    place = mutant.file.relative_to(ROOT)
    target = checkout / place
    target.write_text(source_of(mutant), "utf-8")
    try:
        return pass_in(checkout, next(room for room in ROOMS if place.is_relative_to(room)))
    finally:
        shutil.copy(mutant.file, target)


def main(count: int = 150, seed: int = 1) -> int:
    """Run a sample; the exit code says whether all were noticed."""
    everything = [mutant for room in ROOMS for file in sorted((ROOT / room).glob("*.py")) for mutant in mutants(file)]
    sample = random.Random(seed).sample(everything, min(count, len(everything)))
    alive = 0
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "__pycache__", "_artifacts", "_build"))
        failing = [tests for room, tests in ROOMS.items() if not pass_in(checkout, room)]
        if failing:  # every mutant would count as noticed
            print(f"without any fault these do not pass: {', '.join(failing)}", file=sys.stderr)
            return 2
        for done, mutant in enumerate(sample, 1):
            if survives(mutant, checkout):
                alive += 1
                print(f"{mutant.file.relative_to(ROOT)}:{mutant.line}: {mutant.what}", flush=True)
            if done % 10 == 0:
                print(f"{done} of {len(sample)} tried, {alive} survived", file=sys.stderr, flush=True)
    print(f"{len(sample) - alive} of {len(sample)} noticed, of {len(everything)} that there are (seed {seed})")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
