"""Completion as a shell asks for it: by environment variables, the answer in a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete", reason="extra completion: ./dev setup installs it")


def completed(line: str, answer: Path) -> list[str]:
    environment = {
        **os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9",
    }  # fmt: skip
    command = [sys.executable, "-m", "casty_notebook.cli.main"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return [word.strip() for word in answer.read_text().split("\n")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("casty-notebook prob", ["problems"]),
        ("casty-notebook record --ov", ["--overwrite"]),
        ("casty-notebook watch --every-", ["--every-answer"]),
    ],
)
def test_commands_and_flags_are_completed(tmp_path: Path, line: str, words: list[str]) -> None:
    assert completed(line, tmp_path / "answer") == words
