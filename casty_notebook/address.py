"""Addresses: a node's ``(host, port)``, an actor's ``casty://`` URI, and the URI of a whole cluster for `connect`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from casty_notebook.errors import InvalidAddress
from casty_notebook.printable import printable

__all__ = ["ActorAddress", "ClusterURI", "NodeAddress", "check_host", "check_port"]

_REMOTE = re.compile(r"casty://([^@/]+)@([^:]+):([0-9]+)/(.+)", re.DOTALL)
_LOCAL = re.compile(r"casty://([^@/]+)/(.+)", re.DOTALL)
_MAX_LABEL = 63
_MAX_PORT = 65535
_MAX_URI = 65_536


class NodeAddress(NamedTuple):
    """Where a node says it is. A tuple, so plain ``(host, port)`` pairs compare, sort and hash alike.

    Examples
    --------
    >>> NodeAddress("10.0.1.10", 25520) == ("10.0.1.10", 25520)
    True
    >>> print(NodeAddress.parse("10.0.1.10:25520"))
    10.0.1.10:25520
    """

    host: str
    port: int

    def __str__(self) -> str:
        return printable(f"{self.host}:{self.port}")

    @classmethod
    def parse(cls, text: str) -> NodeAddress:
        """Read ``host:port``.

        Raises
        ------
        InvalidAddress
            If the text has no port or either part cannot be sent (see `check_host`, `check_port`).
        """
        host, colon, port = text.strip().rpartition(":")
        if not colon or not port.isascii() or not port.isdecimal():
            raise InvalidAddress(f"{text!r} is not HOST:PORT; write for example 10.0.1.10:25520")
        return cls(check_host(host), check_port(int(port[:8])))


def check_host(host: str) -> str:
    """Return `host` if a node can be given it, else raise.

    A host outside these rules inside a reply address ends the transport of the node that tries to use it
    (PROTOCOL section 9), so nothing here is a matter of taste.

    Raises
    ------
    InvalidAddress
        Empty, not ASCII, with ``:``, ``/``, ``@``, space or control characters, an empty label, or a label over 63.
    """
    if not isinstance(host, str):
        raise InvalidAddress(f"a host must be a string, not {type(host).__name__}")
    labels = host.split(".")
    bad = (
        not host.isascii()
        or any(ch in host for ch in ":/@")
        or any(ord(ch) <= 32 or ord(ch) == 127 for ch in host)
        or not all(0 < len(label) <= _MAX_LABEL for label in labels)
        or len(host) > 253
    )
    if bad:
        raise InvalidAddress(
            f"{host[:80]!r} cannot be a host: use ASCII labels of 1 to {_MAX_LABEL} characters joined by dots, "
            "without ':', '/', '@' or spaces (the wire has no form for IPv6 literals)"
        )
    return host


def check_port(port: int) -> int:
    """Return `port` if it is 0 to 65535, else raise `InvalidAddress`."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= _MAX_PORT:
        raise InvalidAddress(f"{port!r} is not a port; allowed are 0 to {_MAX_PORT}")
    return port


@dataclass(frozen=True, slots=True)
class ActorAddress:
    """An actor's place: system, path and, for a remote one, node. Prints as and parses from a ``casty://`` URI.

    The grammar is that of PROTOCOL section 2.1: no percent-encoding, exactly one leading slash in the path.

    Examples
    --------
    >>> a = ActorAddress.parse("casty://shop@10.0.1.10:25520/payments")
    >>> a.path, a.node
    ('/payments', NodeAddress(host='10.0.1.10', port=25520))
    >>> a.uri
    'casty://shop@10.0.1.10:25520/payments'
    """

    system: str
    path: str
    node: NodeAddress | None = None

    @property
    def uri(self) -> str:
        path = self.path.lstrip("/")
        if self.node is None:
            return f"casty://{self.system}/{path}"
        return f"casty://{self.system}@{self.node.host}:{self.node.port}/{path}"

    def __str__(self) -> str:
        return printable(self.uri)

    @classmethod
    def parse(cls, uri: str) -> ActorAddress:
        """Read a URI.

        Raises
        ------
        InvalidAddress
            If the text is not a ``casty://`` URI, or its host or port could not be dialled safely.
        """
        if len(uri) > _MAX_URI:
            raise InvalidAddress(f"a casty:// URI of {len(uri)} characters; at most {_MAX_URI} are accepted")
        if match := _REMOTE.fullmatch(uri):
            system, host, port, path = match.groups()
            if len(port) > 8:
                raise InvalidAddress(f"{port[:20]}… is not a port; allowed are 0 to {_MAX_PORT}")
            return cls(system, "/" + path.lstrip("/"), NodeAddress(check_host(host), check_port(int(port))))
        if match := _LOCAL.fullmatch(uri):
            return cls(match[1], "/" + match[2].lstrip("/"))
        raise InvalidAddress(f"{uri[:120]!r} is not an actor's address; expected casty://SYSTEM@HOST:PORT/PATH")


@dataclass(frozen=True, slots=True)
class ClusterURI:
    """A cluster as `connect` takes it: system name and contact points.

    Examples
    --------
    >>> ClusterURI.parse("casty://my-cluster@10.0.1.10:25520,10.0.1.11:25520").contacts
    (NodeAddress(host='10.0.1.10', port=25520), NodeAddress(host='10.0.1.11', port=25520))
    """

    system: str
    contacts: tuple[NodeAddress, ...]

    def __str__(self) -> str:
        return f"casty://{self.system}@{','.join(map(str, self.contacts))}"

    @classmethod
    def parse(cls, text: str) -> ClusterURI:
        """Read ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``.

        Raises
        ------
        InvalidAddress
            Says which part is wrong and shows the form.
        """
        form = "expected casty://SYSTEM@HOST:PORT[,HOST:PORT…], for example casty://my-cluster@10.0.1.10:25520"
        scheme, sep, rest = text.strip().partition("://")
        if not sep or scheme != "casty":
            raise InvalidAddress(f"{text!r} does not start with casty://; {form}")
        system, at, points = rest.partition("@")
        if not at or not system or "/" in system:
            raise InvalidAddress(f"{text!r} names no system before '@'; {form}")
        points = points.rstrip("/")
        if not points or "/" in points:
            raise InvalidAddress(f"{text!r} names no contact point, or a path after it; {form}")
        return cls(system, tuple(dict.fromkeys(NodeAddress.parse(point) for point in points.split(","))))
