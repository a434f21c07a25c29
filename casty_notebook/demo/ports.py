"""Where the demo's nodes may listen."""

from __future__ import annotations

import random
import socket

from casty_notebook.errors import ClusterError

__all__ = ["free_port", "free_ports"]

PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections (from 32,768 on Linux, 49,152 elsewhere). Otherwise a node that
redials a dead one might get the dead one's port for that, or even connect to itself there, and so prevent a restart."""

TRIES = 200
STEP = 1000
"""Ports above the highest one in which those of added nodes are looked for."""


def free_ports(count: int, host: str = "127.0.0.1", above: int = 0) -> list[int]:
    """Find ports that nothing listens on just now, in ascending order.

    Parameters
    ----------
    count
        How many.
    host
        Where they shall be listened on.
    above
        Only ports above this one, if there is room above it.

    Raises
    ------
    ClusterError
        If of 200 tried not enough are free, or `host` is not an address of this machine.
    """
    # The first ones leave room above them for those that are added later, and each of these for the next.
    choice = PORTS[above + 1 - PORTS.start :][:STEP] if above >= PORTS.start else PORTS[: -4 * STEP]
    if len(choice) < TRIES:
        choice = PORTS
    found: list[int] = []
    reason = ""
    for port in random.sample(choice, TRIES):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = f": {error}"
                continue
        found.append(port)
        if len(found) == count:
            return sorted(found)
    raise ClusterError(f"found {len(found)} of {count} ports to listen on at {host}{reason}")


def free_port(host: str = "127.0.0.1") -> int:
    """Find one port, as `free_ports` does."""
    return free_ports(1, host)[0]
