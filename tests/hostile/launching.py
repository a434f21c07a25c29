"""Attackers as processes of their own: what is late meanwhile is so by the victim's fault."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from casty_notebook.address import NodeAddress

__all__ = ["attacking"]


@contextmanager
def attacking(module: str, *arguments: str) -> Iterator[NodeAddress]:
    """Run a module that prints its port and ends with its stdin; its address, which nobody is to attack."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield NodeAddress("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.stdout.close()
