"""Real nodes of casty 0.30 in processes of their own, to be killed, frozen and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_ports
from tests.versions.environments import VIRTUAL, interpreters

__all__ = ["RELEASES", "VirtualCluster"]

RELEASES = VIRTUAL
NODESIDE = Path(__file__).parent / "nodeside"


class VirtualCluster:
    """`nodes` nodes on loopback; the first starts without seeds (it never becomes ready otherwise), the others join it."""

    def __init__(self, nodes: int = 3, release: str = RELEASES[-1], tls_folder: Path | None = None,
        path: Path | None = None,
    ) -> None:  # fmt: skip
        self.ports = free_ports(nodes)
        self._python = interpreters([release])[release]
        self._tls_folder = tls_folder
        self._path = os.pathsep.join(map(str, [NODESIDE, *([path] if path is not None else [])]))
        self._processes: dict[int, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        try:
            for place, port in enumerate(self.ports):
                self.start(port, self.ports[:place])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for port in list(self._processes):
            self.kill(port)

    @property
    def contacts(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", port) for port in self.ports]

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values()]

    def start(self, port: int, seeds: list[int]) -> None:
        """Start a node, and wait until it says that it is a member."""
        environment = os.environ | {"PYTHONPATH": self._path}
        if self._tls_folder is not None:
            environment["TLS_FOLDER"] = str(self._tls_folder)
        process = self._processes[port] = subprocess.Popen(
            [str(self._python), "-u", str(NODESIDE / "node.py"), str(port), *map(str, seeds)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip() == "up", f"the node at {port} did not start"

    def run(self, script: str, *arguments: str) -> str:
        """Run a script of `nodeside` with this cluster's casty and the port of a node, and return what it printed."""
        done = subprocess.run(
            [str(self._python), str(NODESIDE / script), str(self.ports[0]), *arguments],
            env=os.environ | {"PYTHONPATH": str(NODESIDE)}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def restart(self, port: int) -> None:
        """Start a killed node on its port again."""
        self.start(port, [other for other in self.ports if other != port and other in self._processes])

    def kill(self, port: int) -> None:
        process = self._processes.pop(port)
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def stop(self, port: int) -> None:
        """Let a node leave in order."""
        process = self._processes[port]
        assert process.stdin is not None
        process.stdin.close()
        process.wait(15)
        self.kill(port)

    def freeze(self, port: int) -> None:
        self._processes[port].send_signal(signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        self._processes[port].send_signal(signal.SIGCONT)
