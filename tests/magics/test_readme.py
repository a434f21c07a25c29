"""The README's first five minutes, pasted as they stand: their comments are part of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from casty_notebook.magics import demos
from tests.magics.harness import Shell, Terminal

pytestmark = pytest.mark.timeout(120)

README = Path(__file__).parents[2] / "README.md"
ONLY_LINES = re.compile(r"In \[(\d+)\]: (.*)")


def first_five_minutes() -> Iterator[tuple[str, str]]:
    """Each line that is typed there, and what it shows."""
    block = README.read_text().split("## The first five minutes", 1)[1].split("```python", 1)[1].split("```", 1)[0]
    typed = list(ONLY_LINES.finditer(block))
    for found, following in zip(typed, [*typed[1:], None], strict=True):
        shown = block[found.end() : following.start() if following else None]
        yield found[2], re.sub(r"\A\s*Out\[\d+\]:\s*", "", shown).strip()


def test_every_line_of_the_first_five_minutes_does_what_the_readme_says(bare_shell: Shell) -> None:
    lines = list(first_five_minutes())
    assert sum("  # " in typed for typed, _ in lines) > 4, "the comments are pasted, too"
    for typed, shown in lines:
        value = " ".join(repr(bare_shell.run(typed)).split())
        # Ports, times, widths and which instance answers differ; how each result begins does not.
        beginning = re.split(r"\W", " ".join(shown.split()).replace("(", " "), maxsplit=1)[0]
        assert value.startswith(beginning), (typed, value)
    assert demos.running("demo") is not None


def test_they_can_be_typed_into_terminal_ipython(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    try:
        for number, (typed, shown) in enumerate(first_five_minutes(), 1):
            printed = terminal.type(typed)
            assert "Error" not in printed
            if re.fullmatch(r"\d+", shown):
                assert f"Out[{number}]: {shown}" in printed
    finally:
        terminal.close()
