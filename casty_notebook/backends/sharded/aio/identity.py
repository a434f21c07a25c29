"""Identities: what a client presents in its handshakes and puts into reply addresses (PROTOCOL section 3.5)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from casty_notebook.address import NodeAddress, check_host, check_port

__all__ = ["Names", "chosen_identity", "mint_identity"]

_AT_ONCE = 256
"""Names drawn at a time."""


def mint_identity() -> NodeAddress:
    """A fresh identity of 40 random bits that no node can have and that fails to dial at once.

    An administratively scoped multicast address: connecting TCP to it ends in microseconds with an OSError, without
    a packet and without a DNS query. A host name here can stop a whole cluster where DNS is slow (PROTOCOL section 3.4).
    """
    bits = secrets.randbits(24)
    return NodeAddress(f"239.{bits >> 16}.{bits >> 8 & 255}.{bits & 255}", 1 + secrets.randbelow(65_535))


class Names:
    """Names of 128 random bits each, in hexadecimal, drawn 256 at a time since each draw is a call of the system.

    The path that a reply is addressed to ends in such a name. A node learns the names of the asks it was given and cannot guess
    any other, so that it cannot answer what another node was asked.
    """

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def __call__(self) -> str:
        if not self._drawn:
            drawn = secrets.token_hex(16 * _AT_ONCE)
            self._drawn = [drawn[at : at + 32] for at in range(0, len(drawn), 32)]
        return self._drawn.pop()


def chosen_identity(
    client_host: str | None, client_port: int, advertised_host: str | None, advertised_port: int | None
) -> tuple[Callable[[], NodeAddress], bool]:
    """What the four constructor arguments mean: a way to mint identities, and whether it always gives the same one.

    With a port the identity is fixed, exactly as given. Without one (0, "assign it") it is minted: a chosen host is
    kept with random ports, the plain default 127.0.0.1 is not, since the official client's constant
    ``("127.0.0.1", 0)`` makes any two clients on a cluster evict each other (PROTOCOL section 3.3).
    """
    host = advertised_host or client_host
    port = advertised_port or client_port
    if host is not None:
        check_host(host)
    check_port(port)
    if port:
        fixed = NodeAddress(host or "127.0.0.1", port)
        return (lambda: fixed), True
    if host is None or host in ("127.0.0.1", "localhost"):
        return mint_identity, False
    return (lambda: NodeAddress(host, mint_identity().port)), False
