"""Refs on the wire are URIs, checked before they leave: some of them end a node (PROTOCOL section 9)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.errors import InvalidAddress, UnsendableMessage

__all__ = ["casty_ref_uri", "check_uri", "is_castys"]

_SCHEME = "casty://"


def is_castys(cls: type) -> bool:
    """Whether the class is one of casty's own, known by its module; casty itself is never imported.

    Examples
    --------
    >>> is_castys(int)
    False
    """
    module = getattr(cls, "__module__", None)
    return isinstance(module, str) and (module == "casty" or module.startswith("casty."))


def casty_ref_uri(obj: object) -> str | None:
    """Return the URI of one of casty's own refs (of a user who has casty installed), None for anything else.

    Those of every version have an ``address`` with system, path, host and port (``casty.ref.ActorRef`` in 0.15,
    ``casty.remote.ref.RemoteActorRef`` from 0.16).
    """
    if not is_castys(type(obj)):
        return None
    address: Any = getattr(obj, "address", None)
    if address is None or not is_castys(type(address)) or not isinstance(getattr(address, "path", None), str):
        return None
    node = None if address.host is None or address.port is None else NodeAddress(address.host, address.port)
    return ActorAddress(address.system, address.path, node).uri


def check_uri(uri: str) -> str:
    """Return `uri` if a node can be given it inside a message.

    Raises
    ------
    UnsendableMessage
        If it does not parse (PROTOCOL section 2.1) or names a host or port that would end the transport of the node
        that dials it (section 9).

    Examples
    --------
    >>> check_uri("casty://shop-client@239.1.2.3:7/_ask/0f")
    'casty://shop-client@239.1.2.3:7/_ask/0f'
    """
    slash = uri.find("/", len(_SCHEME))
    if not 0 < slash < len(uri) - 1:
        raise UnsendableMessage(f"{uri[:120]!r} is not the address of an actor; expected casty://SYSTEM@HOST:PORT/PATH")
    _check_authority(uri[: slash + 1])
    return uri


@lru_cache(maxsize=1024)
def _check_authority(prefix: str) -> None:
    # One ask has one path but thousands share the identity before it; only the latter can do harm.
    try:
        ActorAddress.parse(prefix + "x")
    except InvalidAddress as error:
        raise UnsendableMessage(f"a ref to {prefix[:120]!r} cannot be sent: {error}") from None
