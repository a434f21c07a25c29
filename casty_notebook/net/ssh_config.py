"""How to log in at a bastion: what ``ssh=`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casty_notebook.errors import MisuseError

__all__ = ["SSH"]


@dataclass(frozen=True)
class SSH:
    """How to log in at a bastion. What is not given is as for the ``ssh`` command: ``~/.ssh/config``, keys, agent.

    Parameters
    ----------
    destination
        ``[user@]host[:port]``; the host may be one of ``~/.ssh/config``, ``ProxyJump`` included.
    client_keys
        Files of private keys to offer, instead of the usual ones.
    known_hosts
        File of trusted host keys, instead of ``~/.ssh/known_hosts``. Host keys are always verified.
    config
        OpenSSH client configuration, instead of ``~/.ssh/config``.
    agent
        Ask the ssh-agent for keys.
    passphrase
        Of the private keys. Never shown.
    password
        Of the user at the bastion. Never shown.

    Examples
    --------
    >>> SSH("ops@bastion.example:2222").parts
    ('ops', 'bastion.example', 2222)
    >>> SSH("ops@bastion.example", password="hunter2")
    SSH(destination='ops@bastion.example', client_keys=(), known_hosts=None, config=None, agent=True)
    """

    destination: str
    client_keys: Sequence[str | Path] = ()
    known_hosts: str | Path | None = None
    config: str | Path | None = None
    agent: bool = True
    passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.parts  # noqa: B018 - a wrong destination is an error now, not on the loop
        if isinstance(self.client_keys, str | Path):
            object.__setattr__(self, "client_keys", (self.client_keys,))

    @property
    def parts(self) -> tuple[str | None, str, int | None]:
        """User, host and port; None where the configuration decides.

        Raises
        ------
        MisuseError
            If `destination` is not ``[user@]host[:port]``.
        """
        wrong = f"{self.destination!r} is no SSH destination; write [USER@]HOST[:PORT], for example ops@bastion.example"
        if not isinstance(self.destination, str) or not self.destination.isprintable():
            raise MisuseError(wrong)
        user, at, place = self.destination.rpartition("@")
        if ":" in user:
            # Not repeated: this text goes to screens, logs and notebooks that are shared.
            raise MisuseError(
                "ssh= takes no password inside the destination, where it would be shown; "
                "write [USER@]HOST[:PORT] and pass SSH('USER@HOST', password=…), or use a key"
            )
        if place.startswith("["):
            host, bracket, rest = place[1:].partition("]")
            colon, port = rest[:1], rest[1:]
        else:
            host, colon, port = place.partition(":")
            bracket = "]"
        named = bool(host) and bool(user) == bool(at) and " " not in place and not host.startswith("-")
        numbered = port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65_536
        if not (named and bracket and colon in ("", ":") and (numbered if colon else not port)):
            raise MisuseError(wrong)
        return user or None, host, int(port) if colon else None

    def options(self) -> dict[str, Any]:
        """Arguments for ``asyncssh.connect``; only what differs from its defaults, which are those of OpenSSH.

        Raises
        ------
        MisuseError
            If a file is missing; names it.
        """
        files = [*self.client_keys, *(path for path in (self.known_hosts, self.config) if path is not None)]
        for path in files:
            if not Path(path).expanduser().is_file():
                raise MisuseError(f"there is no file {str(path)!r}, which ssh= names")
        user, host, port = self.parts
        options: dict[str, Any] = {"host": host}
        given = {"username": user, "port": port, "passphrase": self.passphrase, "password": self.password}
        options |= {name: value for name, value in given.items() if value is not None}
        if self.client_keys:
            options["client_keys"] = [str(Path(path).expanduser()) for path in self.client_keys]
        if self.known_hosts is not None:
            options["known_hosts"] = str(Path(self.known_hosts).expanduser())
        if self.config is not None:
            options["config"] = [str(Path(self.config).expanduser())]
        if not self.agent:
            options["agent_path"] = None
        return options
