"""The front end's pure modules under node, each with a test file of its own: ``static/NAME.test.mjs``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from casty_notebook.views.live import static_files

TESTS = Path(__file__).parent / "static"
MODULES = Path(static_files.__file__).parent / "static"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="no node (Debian: apt-get install nodejs)")
@pytest.mark.parametrize("name", [path.name for path in sorted(TESTS.glob("*.test.mjs"))])
def test_a_module_passes_its_tests_under_node(name: str, tmp_path: Path) -> None:
    shutil.copytree(MODULES, tmp_path / "modules")
    (tmp_path / "modules" / "package.json").write_text('{"type": "module"}')  # A browser takes them for modules by itself.
    shutil.copytree(TESTS, tmp_path / "tests")
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--test", str(tmp_path / "tests" / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
