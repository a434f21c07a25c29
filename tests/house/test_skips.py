"""On a build server nothing is left out but what is listed, with the reason why it may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a build server may lack what it lacks")

HOOKS = "from tests.conftest import pytest_make_collect_report, pytest_runtest_makereport\n"
WHOLE_FILE = "import pytest\npytest.importorskip('no_such_module')\n"
TESTS = """
import pytest

def test_listed(): pytest.skip("no Python 3.99 on this machine")

@pytest.mark.skipif(True, reason="the moon is full")
def test_unlisted(): pass
"""


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_skip_that_is_not_listed_fails_on_a_build_server_and_nowhere_else(tmp_path: Path, ci: str) -> None:
    for name, text in {"conftest.py": HOOKS, "test_whole.py": WHOLE_FILE, "test_it.py": TESTS}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").touch()
    quite_alone = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--continue-on-collection-errors"], cwd=tmp_path,
        env=quite_alone, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert ("1 skipped, 2 errors in" if ci else "3 skipped in") in done.stdout.splitlines()[-1], done.stdout
    for reason in ("could not import 'no_such_module'", "the moon is full"):
        assert (f"skipped, where everything is to run (tests/support/skips.py): {reason}" in done.stdout) is (ci == "true")
