"""Node programs of the tests' own, each in the environment of its casty; ended by the end of their stdin."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casty_notebook.address import NodeAddress
from tests.support.ports import free_port

__all__ = ["run_node"]


@contextmanager
def run_node(python: Path, program: str, *arguments: str, folder: Path | None = None) -> Iterator[NodeAddress]:
    """Run `program`, which listens at 127.0.0.1 and the port in its first argument and prints a line when it does so.

    `folder` is where only this process looks for modules.
    """
    port = free_port()
    process = subprocess.Popen(
        [str(python), "-c", program, str(port), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env=os.environ | {"PYTHONPATH": str(folder or "")},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = ""
        while "up" not in (line := process.stdout.readline()).split():
            said += line
            assert line, f"the node ended before it was up:\n{said}"
        yield NodeAddress("127.0.0.1", port)
    finally:
        process.stdin.close()
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
