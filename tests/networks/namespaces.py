"""A network of its own on this machine: nodes at 10.0.1.10 and 10.0.1.11, and one way to them, over a bastion.

::

    client 192.168.50.2 --- 192.168.50.1 bastion 10.0.1.1 --+-- 10.0.1.10 node-1
                                      (routes nothing)      +-- 10.0.1.11 node-2

Each box is a network namespace without a route to anywhere else, so nothing can leave the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from casty_notebook import NodeAddress
from tests.networks.bastion import need
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PREFIX = "casty-nb"
INNER, OUTER = "10.0.1", "192.168.50"
NODES = (NodeAddress(f"{INNER}.10", 25520), NodeAddress(f"{INNER}.11", 25520))
BASTION = f"{OUTER}.1"


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


def namespaces() -> list[str]:
    return [line.split()[0] for line in ip("netns", "list").splitlines() if line.startswith(f"{PREFIX}-")]


def remove(name: str) -> None:
    """End every process in a namespace, then the namespace; its links go with it."""
    with contextlib.suppress(subprocess.CalledProcessError):
        for pid in ip("netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("netns", "del", name)


def remove_stale() -> None:
    """Namespaces of a run that was killed before it could clean up; their names carry its process id."""
    for name in namespaces():
        if not Path(f"/proc/{name.split('-')[2]}").exists():
            remove(name)


class Network:
    """Made on entering, gone on leaving, with everything that runs in it."""

    def __init__(self, folder: Path, *, label: str = "") -> None:
        need(os.geteuid() == 0, "root, for network namespaces,")
        need(shutil.which("ip"), "iproute2")
        self._folder = folder
        self._boxes = {name: f"{PREFIX}-{os.getpid()}-{label}{name}" for name in ("client", "bastion", "node-1", "node-2")}
        self._processes: list[subprocess.Popen[Any]] = []

    def within(self, box: str) -> tuple[str, ...]:
        """What a command has to begin with to run in that box."""
        return ("ip", "netns", "exec", self._boxes[box])

    def __enter__(self) -> Self:
        remove_stale()
        try:
            try:
                for name in self._boxes.values():
                    ip("netns", "add", name)
            except subprocess.CalledProcessError as error:
                need(False, f"the right to make network namespaces ({error.stderr.strip()})")
            self._wire()
            for number in (1, 2):
                self.start_node(number)
            wait_until(lambda: all(self._sees_both(number) for number in (1, 2)), 20.0, "the nodes do not meet")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        for name in self._boxes.values():
            remove(name)
        for process in self._processes:
            process.kill()
            process.wait(5)
            if process.stdin is not None:
                process.stdin.close()

    # --- cables ----------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        boxes = self._boxes
        for name in boxes.values():
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", boxes["bastion"], "link", "add", "inside", "type", "bridge")
        self._cable("client", f"{OUTER}.2/24", "outside")
        ip("-n", boxes["bastion"], "addr", "add", f"{BASTION}/24", "dev", "outside")
        for number, node in enumerate(NODES, 1):
            self._cable(f"node-{number}", f"{node.host}/24", f"to-node-{number}")
            ip("-n", boxes["bastion"], "link", "set", f"to-node-{number}", "master", "inside")
        ip("-n", boxes["bastion"], "addr", "add", f"{INNER}.1/24", "dev", "inside")
        ip("-n", boxes["bastion"], "link", "set", "inside", "up")
        subprocess.run([*self.within("bastion"), "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"], check=True)

    def _cable(self, box: str, address: str, end: str) -> None:
        """From a box to the bastion, where its end is called `end`."""
        here, there = self._boxes[box], self._boxes["bastion"]
        ip("link", "add", "eth0", "netns", here, "type", "veth", "peer", "name", end, "netns", there)
        ip("-n", here, "addr", "add", address, "dev", "eth0")
        ip("-n", here, "link", "set", "eth0", "up")
        ip("-n", there, "link", "set", end, "up")

    def unplug(self, number: int) -> None:
        """Take a node's cable out: what is sent there from now on is lost."""
        ip("-n", self._boxes["bastion"], "link", "set", f"to-node-{number}", "down")

    def plug_in(self, number: int) -> None:
        ip("-n", self._boxes["bastion"], "link", "set", f"to-node-{number}", "up")

    # --- nodes and clients -----------------------------------------------------------------------------------------

    def start_node(self, number: int) -> None:
        here, other = NODES[number - 1], NODES[2 - number]
        command = [sys.executable, "-m", "casty_notebook.demo.node", "--name", f"node-{number}", "--system", "my-cluster"]
        command += ["--host", here.host, "--port", str(here.port), "--payment"]
        if number > 1:  # who dials a deaf seed tries again only after five seconds
            command += ["--seed", str(other)]
        with self._log(number).open("wb") as log:
            self._run_in(f"node-{number}", command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        wait_until(lambda: self._said(number, "ready"), 10.0, "a node does not listen")

    def _log(self, number: int) -> Path:
        return self._folder / f"node-{number}.log"

    def _said(self, number: int, event: str) -> list[dict[str, Any]]:
        lines = self._log(number).read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [said for said in events if said["event"] == event]

    def _sees_both(self, number: int) -> bool:
        views = self._said(number, "view")
        return bool(views) and len(views[-1]["up"]) == len(views[-1]["services"]) == 2

    def _run_in(self, box: str, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([*self.within(box), *command], env=environment, cwd=ROOT, **options)
        self._processes.append(process)
        return process

    def start_client(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Run something where the client lives; it ends with the network at the latest."""
        return self._run_in("client", command, stdin=subprocess.DEVNULL, **options)

    def explore(self, **task: Any) -> dict[str, Any]:
        """Run `tests.networks.explorer` where the client lives; return what it found."""
        command = [sys.executable, "-m", "tests.networks.explorer", json.dumps(task, default=str)]
        process = self.start_client(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        found: dict[str, Any] = json.loads(out)
        return found
