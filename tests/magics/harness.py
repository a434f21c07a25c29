"""A real shell, a real kernel and a real terminal, as tests talk to them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

WAIT = 30.0
"""Seconds within which a kernel does whatever it is asked."""


class Shell:
    """A real shell, with what a cell printed and raised at hand."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.ip = shell
        self.out = ""
        self.err = ""

    def run(self, cell: str) -> Any:
        """Run a cell that must succeed; return what it shows."""
        result = self.attempt(cell)
        result.raise_error()
        return result.result

    def attempt(self, cell: str) -> ExecutionResult:
        with capture_output(display=False) as captured:
            result: ExecutionResult = self.ip.run_cell(cell)
        self.out, self.err = captured.stdout, captured.stderr
        return result

    def __getitem__(self, name: str) -> Any:
        return self.ip.user_ns[name]


class Kernel:
    """A real kernel in a process of its own."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, cell: str) -> str:
        """Send a cell without waiting; return the id of its request."""
        request: str = self.client.execute(cell)
        return request

    def output_of(self, request: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What a cell shows, message by message, until it ends."""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            yield message["msg_type"], message["content"]

    def reply_to(self, request: str) -> dict[str, Any]:
        while True:
            message = self.client.get_shell_msg(timeout=WAIT)
            if message["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = message["content"]
                return content

    def run(self, cell: str) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
        """Run a cell; return the reply and all that it showed."""
        request = self.start(cell)
        return self.reply_to(request), list(self.output_of(request))

    def value(self, expression: str) -> Any:
        """The value of an expression in the kernel, by way of JSON."""
        reply, shown = self.run(f"import json; print(json.dumps({expression}))")
        assert reply["status"] == "ok", reply
        return json.loads("".join(content["text"] for kind, content in shown if kind == "stream"))


class Terminal:
    """Terminal IPython in a process and a terminal of its own: what somebody sees who types line after line."""

    def __init__(self, home: Path, term: str = "dumb") -> None:
        self._typed = 0
        flags = ["--simple-prompt", "--no-banner", "--colors=NoColor", "--no-confirm-exit"]
        self.process = pexpect.spawn(
            sys.executable, ["-m", "IPython", *flags], cwd=str(Path(__file__).parents[2]), encoding="utf-8", timeout=WAIT,
            env={"HOME": str(home), "IPYTHONDIR": str(home), "TERM": term, "PATH": "/usr/bin:/bin"}, dimensions=(50, 240),
        )  # fmt: skip
        self.shown()

    def shown(self) -> str:
        """What came before the next prompt."""
        self._typed += 1
        self.process.expect_exact(f"In [{self._typed}]: ")
        return str(self.process.before)

    def type(self, line: str) -> str:
        self.process.sendline(line)
        return self.shown()

    def close(self) -> None:
        self.process.sendline("%unload_ext casty_notebook")
        self.process.sendline("exit")
        self.process.expect(pexpect.EOF)
        self.process.close(force=True)
