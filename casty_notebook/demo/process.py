"""One node's process as the launcher sees it: started, listened to, signalled, reaped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from casty_notebook.address import NodeAddress
from casty_notebook.errors import MisuseError

__all__ = ["DemoNode", "NodeView", "end_together"]

LOG_LINES = 500
LINE_LENGTH = 4096
"""Bounds of what is kept of a node's log."""

BOOT = """\
import sys
folder, root = sys.argv.pop(1), sys.argv.pop(1)
if folder: sys.path.insert(0, folder)
sys.path.append(root)
from casty_notebook.demo.{module} import main
sys.exit(main())
"""
"""The folder with the nodes' casty, if they need one, comes first on the path. This package comes last, so that another
interpreter (``python=``) finds its own casty before the one beside this package; ``-m`` would put this package first."""

STOP_TIMEOUT = 2.0
"""Seconds for nodes to end by themselves before they are killed."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """Whom a node sees, by its own gossip."""

    up: frozenset[NodeAddress] = frozenset()
    unreachable: frozenset[NodeAddress] = frozenset()
    services: frozenset[NodeAddress] = frozenset()


class DemoNode:
    """ended --start--> starting --ready--> up --freeze--> frozen --thaw--> up; any --exit--> ended.

    A node has a process of its own, in a process group of its own: Ctrl-C in a terminal or an interrupted kernel does
    not reach it. When its launcher is gone its stdin ends, and so does it. If it is frozen then, the system continues
    it with SIGHUP, since its group has become an orphan (POSIX.1, section 3.264).
    """

    def __init__(self, name: str, address: NodeAddress, *, bell: threading.Condition) -> None:
        self.name = name
        self.address = address
        self.failure: tuple[str, str] | None = None
        self.ready = False
        self.frozen = False
        self.view = NodeView()
        self.casty_version: str | None = None
        self._bell = bell
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._log: deque[str] = deque(maxlen=LOG_LINES)

    def __repr__(self) -> str:
        return f"<DemoNode {self.name} at {self.address}: {self.state}>"

    @property
    def pid(self) -> int | None:
        """The process id; the last one if the node has ended, None if it never ran."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """The process runs, though perhaps frozen."""
        return self._process is not None and self._process.poll() is None

    @property
    def state(self) -> str:
        """``ended``, ``starting``, ``up`` or ``frozen``."""
        if not self.alive:
            return "ended"
        if self.frozen:
            return "frozen"
        return "up" if self.ready else "starting"

    def log_tail(self, lines: int = 50) -> str:
        """The end of what the node logged; at most the last 500 lines are kept."""
        return "\n".join(list(self._log)[-lines:])

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self, python: str, module: str, folder: Path | None, arguments: Sequence[str]) -> None:
        """Start the process; it loads casty, from `folder` if there is one, then waits for `go`."""
        self.failure, self.ready, self.frozen, self.view = None, False, False, NodeView()
        root = Path(__file__).resolve().parents[2]
        command = [python, "-P", "-c", BOOT.format(module=module), str(folder or ""), str(root), "--wait", "--name", self.name]
        command += ["--host", self.address.host, "--port", str(self.address.port), *arguments]
        environment = {key: value for key, value in os.environ.items() if key != "__PYVENV_LAUNCHER__"}
        environment["PYTHONUNBUFFERED"] = "1"
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                env=environment,
                **_own_group(),
            )
        except OSError as error:
            raise MisuseError(f"cannot run {python}: {error.strerror}; give python= an executable") from error
        self._reader = threading.Thread(
            target=self._read, args=(self._process, self._process.stdout), name=f"demo-{self.name}", daemon=True
        )
        self._reader.start()

    def go(self) -> None:
        """Let the loaded process join the cluster."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # it has ended, which `_read` notices
                self._process.stdin.write("go\n")
                self._process.stdin.flush()

    def _read(self, process: subprocess.Popen[str], stdout: TextIO) -> None:
        """Follow the process to its end, on a thread of its own, and reap it: no zombie is left, whoever killed it."""
        with stdout:
            for line in iter(lambda: stdout.readline(LINE_LENGTH), ""):
                if line.startswith('{"event": '):
                    self._note(json.loads(line))
                else:
                    self._log.append(line.rstrip())
        process.wait()
        with self._bell:
            self._bell.notify_all()

    def _note(self, event: dict[str, Any]) -> None:
        with self._bell:
            match event["event"]:
                case "ready":
                    self.ready, self.casty_version = True, event["casty"]
                case "failed":
                    self.failure = (event["kind"], event["reason"])
                case "view":
                    self.view = NodeView(*(_addresses(event[key]) for key in ("up", "unreachable", "services")))
            self._bell.notify_all()

    # --- signals ----------------------------------------------------------------------------------------------------

    def freeze(self) -> None:
        """SIGSTOP: the process stands still, its connections stay open and silent."""
        self._signal("SIGSTOP")
        self.frozen = True
        if self.pid is not None and hasattr(os, "waitid"):  # not on macOS before Python 3.13
            # Wait until it has stopped, as it must not answer after this call. WNOWAIT leaves reaping to `_read`.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """SIGCONT: the end of `freeze`."""
        self._signal("SIGCONT")
        self.frozen = False

    def kill(self) -> None:
        """SIGKILL; the process has no last word. Returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self.wait(None)

    def ask_to_end(self) -> None:
        """SIGTERM and the end of stdin, also for a frozen process. Returns at once."""
        if self._process is None:
            return
        if self.frozen and self.alive:
            self.thaw()
        self._process.terminate()
        self._close_stdin(self._process)

    def wait(self, timeout: float | None) -> bool:
        """Wait for the process to end and its last lines to be read. Returns False if it has not ended by then."""
        if self._process is None or self._reader is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._close_stdin(self._process)
        self._reader.join()
        self.frozen = False
        return True

    @staticmethod
    def _close_stdin(process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()

    def _signal(self, name: str) -> None:
        number = getattr(signal, name, None)
        if number is None:
            raise MisuseError(f"this system has no {name}: nodes cannot be frozen here, only killed")
        if self._process is None or not self.alive:
            raise MisuseError(f"{self.name} has ended; restart it first")
        self._process.send_signal(number)


def end_together(nodes: Sequence[DemoNode]) -> None:
    """End processes: all are asked first, then killed if they do not listen. Returns when they are gone."""
    for node in nodes:
        node.ask_to_end()
    deadline = time.monotonic() + STOP_TIMEOUT
    for node in nodes:
        if not node.wait(max(0.0, deadline - time.monotonic())):
            node.kill()


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


def _addresses(texts: list[str]) -> frozenset[NodeAddress]:
    return frozenset(map(NodeAddress.parse, texts))
