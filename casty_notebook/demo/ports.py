"""Where the demo's nodes may listen."""

from __future__ import annotations

import random
import socket

from casty_notebook.errors import ClusterError

__all__ = ["free_port"]

PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections (from 32,768 on Linux, 49,152 elsewhere): a node that
redials a dead one would otherwise take, or even connect to itself at, the port that the dead one shall restart on."""

TRIES = 200


def free_port(host: str = "127.0.0.1") -> int:
    """Find a port that nothing listens on just now, outside the range of outgoing connections.

    Raises
    ------
    ClusterError
        If none of 200 is free, or `host` is not an address of this machine.
    """
    reason = ""
    for port in random.sample(PORTS, TRIES):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = str(error)
                continue
            return port
    raise ClusterError(f"none of {TRIES} ports tried on {host} can be listened on: {reason}")
