"""What Binder will do: make the environment, run postBuild in a checkout, open the first notebook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.notebooks.running import NOTEBOOKS

BINDER = ROOT / "binder"
FIRST = "01_connect.ipynb"

EXECUTE = """
import sys, nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, kernel_name=NATIVE_KERNEL_NAME, timeout=120, store_widget_state=False).execute()
print(*(output["data"]["text/plain"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output))
"""


def test_the_environment_has_a_python_that_we_run_on_and_pip() -> None:
    text = (BINDER / "environment.yml").read_text("utf-8")
    wanted = re.search(r"- python=3\.(\d+)$", text, re.MULTILINE)
    assert wanted is not None
    assert int(wanted[1]) >= 12
    assert re.search(r"- pip$", text, re.MULTILINE), "postBuild installs by it"


def test_post_build_is_executable_and_installs_what_the_notebooks_use() -> None:
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    extras = re.search(r"\.\[([\w,]+)\]", script.read_text("utf-8"))
    assert extras is not None
    assert {"demo", "lab", "plot"} <= set(extras[1].split(","))
    assert (NOTEBOOKS / FIRST).is_file(), "the link leads there"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("CASTY_NOTEBOOK_BINDER" not in os.environ, reason="takes minutes: set CASTY_NOTEBOOK_BINDER=1")
def test_the_first_notebook_runs_in_the_environment_that_post_build_makes(tmp_path: Path) -> None:
    """The script itself, in a copy of what git keeps, in an empty environment. conda's Python is stood in for by ours."""
    checkout = tmp_path / "checkout"
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    environ = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "JUPYTER_PLATFORM_DIRS": "1"}
    environ.pop("PYTHONPATH", None)
    built = subprocess.run([checkout / "binder" / "postBuild"], cwd=checkout, env=environ, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]

    ran = subprocess.run(
        [python, "-c", EXECUTE, checkout / "notebooks" / FIRST], cwd=checkout / "notebooks", env=environ,
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "3 reachable from here" in ran.stdout
    assert "PaymentReceipt(number=1, amount=100" in ran.stdout
    sys.stdout.write(ran.stdout)
