"""A real sshd with throw-away keys, and the ``ssh -N -L`` of everyday life."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import pytest

from casty_notebook.net.ssh_config import SSH
from tests.support.ports import free_port
from tests.support.waiting import wait_until

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
USER = getpass.getuser()


def need(available: object, what: str) -> None:
    """Skip where something is missing; a build server has to have it (``tests/support/skips.py``)."""
    if not available:
        pytest.skip(f"{what} is not here")


class Bastion:
    """stopped --start--> listening --stop--> stopped; the keys stay the same."""

    def __init__(
        self, folder: Path, *, host: str = "127.0.0.1", port: int | None = None, options: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        need(SSHD and shutil.which("ssh-keygen"), "openssh-server")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = host
        self.port = port or free_port()
        self._prefix = prefix
        self._sshd: subprocess.Popen[bytes] | None = None
        for name in ("host_key", "user_key"):
            make_key(folder / name)
        (folder / "authorized_keys").write_bytes((folder / "user_key.pub").read_bytes())
        (folder / "known_hosts").write_text(f"[{host}]:{self.port} {(folder / 'host_key.pub').read_text()}")
        (folder / "ssh_config").write_text("")
        self._configure(options or {})

    def _configure(self, options: Mapping[str, str]) -> None:
        settings = {
            "Port": str(self.port), "ListenAddress": self.host, "HostKey": str(self.folder / "host_key"),
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"), "PidFile": "none", "UsePAM": "no",
            "StrictModes": "no", "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password", "AllowTcpForwarding": "yes", "UseDNS": "no", **options,
        }  # fmt: skip
        (self.folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))

    @property
    def destination(self) -> str:
        return f"{USER}@{self.host}:{self.port}"

    def ssh(self, **changed: object) -> SSH:
        """How to log in, without anything of the machine's own user."""
        facts: dict[str, object] = {
            "client_keys": [self.folder / "user_key"], "known_hosts": self.folder / "known_hosts",
            "config": self.folder / "ssh_config", "agent": False,
        }  # fmt: skip
        return SSH(self.destination, **{**facts, **changed})  # type: ignore[arg-type]

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd locks its unprivileged half in
        assert SSHD is not None
        command = [*self._prefix, SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "sshd.log").open("ab") as log:
            self._sshd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._listens, 5.0, f"sshd does not listen: {(self.folder / 'sshd.log').read_text()}")

    def _listens(self) -> bool:
        assert self._sshd is not None
        if self._prefix:  # in another namespace: its log says so
            return f"Server listening on {self.host} port {self.port}" in (self.folder / "sshd.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 0.2) as probe:
            return probe.recv(4) == b"SSH-"
        return False

    def _processes(self) -> list[psutil.Process]:
        if self._sshd is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            master = psutil.Process(self._sshd.pid)
            return [master, *master.children(recursive=True)]
        return []

    def stop(self) -> None:
        """End it and every session in it, at once, as a machine that is switched off."""
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._sshd is not None:
            self._sshd.wait(5)
            self._sshd = None
        wait_until(lambda: all(map(_is_gone, processes)), 5.0)

    def signal(self, number: signal.Signals) -> None:
        for process in self._processes():
            process.send_signal(number)

    @property
    def sessions(self) -> int:
        """SSH connections that are logged in."""
        return len([c for c in psutil.net_connections("tcp4") if c.laddr == (self.host, self.port) and c.status == "ESTABLISHED"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _is_gone(process: psutil.Process) -> bool:
    # A session whose sshd was killed belongs to pid 1, which in a container may take its time to collect it.
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def make_key(path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, stdin=subprocess.DEVNULL
    )


def tunnel_command(bastion: Bastion, forwards: Mapping[int, tuple[str, int]]) -> list[str]:
    """``ssh -N -L PORT:HOST:PORT …`` through the bastion, again without anything of the machine's own user."""
    command = ["ssh", "-N", "-F", str(bastion.folder / "ssh_config"), "-i", str(bastion.folder / "user_key")]
    for option in (
        "BatchMode=yes", "ExitOnForwardFailure=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={bastion.folder / 'known_hosts'}",
    ):  # fmt: skip
        command += ["-o", option]
    for port, (host, there) in forwards.items():
        command += ["-L", f"127.0.0.1:{port}:{host}:{there}"]
    return [*command, "-p", str(bastion.port), f"{USER}@{bastion.host}"]


@contextlib.contextmanager
def tunnels(bastion: Bastion, forwards: Mapping[int, tuple[str, int]]) -> Iterator[subprocess.Popen[bytes]]:
    ssh = subprocess.Popen(tunnel_command(bastion, forwards), stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: all(listens(port) for port in forwards), 5.0, "ssh -L does not listen")
        yield ssh
    finally:
        ssh.terminate()
        ssh.wait(5)


def listens(port: int) -> bool:
    """Whether anybody listens there, without connecting (which would go through a tunnel to a node)."""
    return any(c.laddr and c.laddr.port == port and c.status == "LISTEN" for c in psutil.net_connections("tcp4"))
