"""``./dev lab`` ends with all that it started: the server, its kernels and the clusters in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.house.source import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell script")

# What somebody's first cell does, without a browser: a start-up file of the kernel.
CELL = "get_ipython().run_line_magic('load_ext', 'casty_notebook')\nget_ipython().run_line_magic('casty_connect', '--demo')\n"


NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def checkout(folder: Path) -> Path:
    """Nothing but ./dev and two tutorials, with this Python as its environment, and nothing to install."""
    shutil.copy(ROOT / "dev", folder / "dev")
    for name, text in (
        ("pyproject.toml", ""), ("constraints.txt", ""), ("bin/uv", "#!/bin/sh\n"),
        (".venv/bin/python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'),
        ("ipython/profile_default/startup/cell.py", CELL),
        ("notebooks/01_connect.ipynb", NOTEBOOK), ("notebooks/02_topology.ipynb", NOTEBOOK),
        (".dev/lab/notebooks/02_topology.ipynb", "what I did yesterday"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def nodes_below(lab: psutil.Process) -> list[psutil.Process]:
    found = []
    for each in lab.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # It has ended meanwhile.
            if any("casty_notebook" in word and "demo" in word for word in each.cmdline()):
                found.append(each)
    return found


def starts_a_kernel(port: int) -> bool:
    kernels = urllib.request.Request(f"http://127.0.0.1:{port}/api/kernels", b"{}", {"Authorization": "token t"})
    try:
        urllib.request.urlopen(kernels, timeout=20).close()
    except ConnectionRefusedError:
        return False
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return False
        raise
    return True


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_nothing_that_the_lab_started_outlives_it(tmp_path: Path, end: signal.Signals) -> None:
    folder, port = checkout(tmp_path), free_port()
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), "PYTHON": "",
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    command = [
        str(folder / "dev"), "lab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=t",
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        lab = psutil.Popen(command, env=environment, stdout=log, stderr=log)
    started: list[psutil.Process] = []
    try:
        wait_until(lambda: starts_a_kernel(port), 30, "no server that starts a kernel")
        wait_until(lambda: len(nodes_below(lab)) == 3, 30, "no kernel with three nodes")
        started = lab.children(recursive=True)
        # Work is done on copies, and what was done is kept.
        assert (folder / ".dev/lab/notebooks/01_connect.ipynb").read_text() == NOTEBOOK
        assert (folder / ".dev/lab/notebooks/02_topology.ipynb").read_text() == "what I did yesterday"
        lab.send_signal(end)
        lab.wait(20)
        assert psutil.wait_procs(started, timeout=15)[1] == []
    finally:
        for each in [*started, *(lab.children(recursive=True) if lab.is_running() else ()), lab]:
            if each.is_running():
                each.kill()
        lab.wait(5)
