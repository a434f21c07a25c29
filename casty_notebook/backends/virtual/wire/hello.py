"""The hello, and the two ways in which it is answered (VIRTUAL section 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgpack

from casty_notebook.address import NodeAddress
from casty_notebook.errors import InvalidAddress, ProtocolError

__all__ = ["Hello", "Limits", "Refusal", "decode_ack", "decode_reject"]

_CLUSTER = re.compile(r'cluster "(.*)" is not "(.*)"', re.DOTALL)
_LIMITS = re.compile(r"limits \(frame, message, window\) \[[0-9, ]+\] are not \[([0-9]{1,12}), ([0-9]{1,12}), ([0-9]{1,12})\]")
_MOST_REASON = 1_000
"""Characters of a reason that are read; a node's own are below two hundred."""
_LEAST = 1024
"""Bytes of the smallest frame limit that is adopted from a node: a hello fits into one such frame."""
_MOST = 64 * 1024 * 1024
"""Bytes of the largest limit that is adopted from a node. A node's default is 4 MiB; it accepts up to 2 GiB itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one cluster has agreed on, in bytes; all its nodes and clients have the same."""

    frame: int = 256 * 1024
    message: int = 4 * 1024 * 1024
    window: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client says first."""

    cluster: str
    incarnation: bytes
    limits: Limits = Limits()

    def encode(self) -> bytes:
        """The body of the ``hello``: no address, since a client listens on none, and no compression."""
        limits = self.limits
        body: bytes = msgpack.packb(
            [self.cluster, None, self.incarnation, [], limits.frame, limits.message, limits.window]
        )
        return body


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node refused a hello. It says what it would have accepted.

    Attributes
    ----------
    reason
        In the node's words.
    cluster
        The cluster's real name, if ours was wrong.
    limits
        The cluster's real limits, if ours were.
    """

    reason: str
    cluster: str | None = None
    limits: Limits | None = None


def decode_ack(body: bytes) -> tuple[NodeAddress, bytes]:
    """Address and incarnation of the node that answers.

    Raises
    ------
    ProtocolError
        If it is no answer of casty 0.30, or chooses a compression that was not offered.
    """
    fields = _fields(body, 3, "hello-ack")
    address, incarnation, codec = fields
    if not isinstance(address, str) or not isinstance(incarnation, bytes) or len(incarnation) != 16 or codec is not None:
        raise ProtocolError(f"a hello-ack came with {str(fields)[:120]}")
    try:
        return NodeAddress.parse(address), incarnation
    except InvalidAddress as error:
        raise ProtocolError(f"a hello-ack came from no address: {str(error)[:200]}") from None


def decode_reject(body: bytes) -> Refusal:
    """What a node has against a hello.

    Raises
    ------
    ProtocolError
        If it is no answer of casty 0.30.

    Examples
    --------
    >>> decode_reject(msgpack.packb(['cluster "bank" is not "shop"'])).cluster
    'shop'
    """
    (reason,) = _fields(body, 1, "hello-reject")
    if not isinstance(reason, str):
        raise ProtocolError(f"a hello-reject came with {str(reason)[:120]}")
    if len(reason) > _MOST_REASON:
        return Refusal(f"{reason[:_MOST_REASON]}…")
    if match := _CLUSTER.fullmatch(reason):
        return Refusal(reason, cluster=match[2])
    if match := _LIMITS.fullmatch(reason):
        frame, message, window = map(int, match.groups())
        if _LEAST <= frame <= message <= _MOST and frame <= window <= _MOST:
            return Refusal(reason, limits=Limits(frame, message, window))
    return Refusal(reason)


def _fields(body: bytes, count: int, what: str) -> list[Any]:
    try:
        fields = msgpack.unpackb(body, max_array_len=8, max_map_len=0, max_ext_len=0)
    except Exception as error:
        raise ProtocolError(f"a {what} came that is not msgpack: {error}") from None
    if not isinstance(fields, list) or len(fields) != count:
        raise ProtocolError(f"a {what} came with {str(fields)[:120]} instead of {count} fields")
    return fields
