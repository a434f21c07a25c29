"""The README's first five minutes, pasted as they stand: their comments are part of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from casty_notebook.magics import demos
from tests.magics.harness import WAIT, Shell

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
    terminal = pexpect.spawn(
        sys.executable, ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", "--no-confirm-exit"],
        env={"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path), "TERM": "dumb", "PATH": "/usr/bin:/bin"}, encoding="utf-8",
        timeout=WAIT, dimensions=(50, 200), cwd=str(README.parent),
    )  # fmt: skip
    try:
        for number, (typed, shown) in enumerate(first_five_minutes(), 1):
            terminal.expect_exact(f"In [{number}]: ")
            terminal.sendline(typed)
            if re.fullmatch(r"\d+", shown):
                terminal.expect_exact(f"Out[{number}]: {shown}")
        terminal.expect_exact(f"In [{number + 1}]: ")
        assert "Error" not in terminal.before
        terminal.sendline("%unload_ext casty_notebook")
        terminal.expect_exact(f"In [{number + 2}]: ")
        terminal.sendline("exit")
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close(force=True)
