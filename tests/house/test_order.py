"""The house is kept in order: functions that fit a screen, no traces of a machine, one version."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import casty_notebook
from tests.house.source import PACKAGE, ROOT, files, tree

FUNCTION_LINES = 60

# Written in pieces, so that this file does not find itself.
TRACES = [
    re.compile(text)
    for text in (
        r"/wo" r"rk/", r"/ro" r"ot/", r"/ho" r"me/\w", r"/Us" r"ers/\w", r"C:\\Us" r"ers", r"/op" r"t/\w",
        r"pypi\.org/si" r"mple", r"files\.pytho" r"nhosted", r"artifac" r"tory", r"--(extra-)?inde" r"x-url",
        r"--find-li" r"nks",
    )
]  # fmt: skip


def kept_files() -> list[Path]:
    """What git keeps, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines"
        for file in files()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []


def test_there_is_no_drawer_for_everything() -> None:
    assert [str(f) for f in files() if f.stem in {"utils", "util", "helpers", "misc", "common"}] == []


def test_every_room_says_what_lives_there_and_where_to_start() -> None:
    rooms = [folder for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()]
    silent = [
        room.name for room in rooms if "start" not in (ast.get_docstring(tree(room / "__init__.py")) or "").lower()
    ]
    assert silent == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for file in kept_files():
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{file.relative_to(ROOT)}: {match[0]}" for trace in TRACES for match in trace.finditer(text)]
    assert found == []


def test_no_lock_file_with_registry_names_is_kept() -> None:
    assert [f.name for f in kept_files() if f.name in {"uv.lock", "pylock.toml", "poetry.lock"}] == []


def test_the_version_is_one_and_types_are_shipped() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in described["project"]
    assert described["tool"]["hatch"]["version"]["path"] == "casty_notebook/__init__.py"
    assert metadata.version("casty-notebook") == casty_notebook.__version__, "./dev setup installs it anew"
    assert (PACKAGE / "py.typed").exists()


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = {re.split(r"==", line)[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    wanted = {
        re.match(r"[\w-]+", requirement)[0]  # type: ignore[index]
        for group in [project["dependencies"], *project["optional-dependencies"].values()]
        for requirement in group
    }
    assert wanted - pinned == set()


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    assert [line for line in block.splitlines() if line.startswith('  "') and "#" not in line] == []
