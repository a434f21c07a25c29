"""Runs scripts in interpreters of their own, to test what would spoil the interpreter that runs the tests."""

from __future__ import annotations

import subprocess
import sys
import textwrap

__all__ = ["CONNECTED", "after_connecting", "run_script"]

WITHIN = 40
"""Seconds for a script that takes about one. Only a script that hangs, as some faults make it do for ever, takes longer."""

CONNECTED = """
import os, sys
import casty_notebook
from casty_notebook import errors
from casty_notebook.demo.messages import GetCount, Increment

uri = sys.argv[1]

def connected(name):
    return casty_notebook.connect(uri, shards={"counter": 100}, name=name)
"""
"""How the scripts begin that are given a cluster's URI."""


def run_script(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a script, which must end by itself."""
    command = [sys.executable, "-W", "ignore", "-c", script, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)


def after_connecting(script: str) -> str:
    """The script behind `CONNECTED`."""
    return CONNECTED + textwrap.dedent(script)
