"""How to tell casty's other generations: what to say to a peer that does not answer the handshake, and who answers what.

The protocol of 0.15 to 0.21 has a version before it and two after it (PROTOCOL section 1.4). Those after it hang up at the
sight of our handshake, but answer words of their own at once; what is said here asks for nothing and joins nothing.
"""

from __future__ import annotations

__all__ = ["HELLO_030", "HTTP_REQUEST", "MAX_ANSWER", "PING_022", "SILENT_014", "explain_generation"]

MAX_ANSWER = 512
"""Bytes of an answer that are looked at; all that tells the generations apart is in the first hundred."""

_HEADER = 12
PING_022 = bytes.fromhex("01 02 0000 00000000 00000008") + b"whoareyo"
"""A ping of 0.22: u8 version 1, u8 type, u16 flags, u32 stream, u32 length. Answered in kind, before any hello."""

_NOBODY = "casty-notebook asks who is there"
"""The name of no cluster: a hello with it is refused, and the refusal tells whose it is."""


def _text(value: str) -> bytes:
    return b"\xd9" + bytes([len(value)]) + value.encode()


def _number(value: int) -> bytes:
    return b"\xce" + value.to_bytes(4)


def _hello() -> bytes:
    # Seven fields in msgpack: cluster, address, 16 bytes of identity, codecs, three limits (its own defaults).
    limits = _number(262_144) + _number(4_194_304) + _number(262_144)
    fields = b"\x97" + _text(_NOBODY) + _text("239.0.0.1:1") + b"\xc4\x10" + bytes(16) + b"\x90" + limits
    body = b"\x05hello" + fields
    message = len(body).to_bytes(4) + body
    return bytes.fromhex("02 00 0000 00000001") + len(message).to_bytes(4) + message


HELLO_030 = _hello()
"""A hello of 0.30 from a cluster that does not exist: the same header, version 2, then u32 length and the message."""

HTTP_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
"""For servers that wait for a line of text before they say who they are."""

_SUPPORTED = "this client speaks with 0.15 to 0.21"
_NEWER = f"{_SUPPORTED}. Look into this cluster with the client of its own version, or run its nodes with casty<0.22"
SILENT_014 = (
    "it takes the handshake and says nothing, as nodes of casty 0.14 and older do, which know none: "
    f"{_SUPPORTED}. Upgrade the nodes, or see that the port is a casty node's"
)
"""Said of a peer that reads, since it closes when we do, and never answers."""


def explain_generation(answer: bytes) -> str | None:
    r"""Say which generation of casty gave `answer` to its own words; None if none did.

    Examples
    --------
    >>> explain_generation(bytes.fromhex("01 02 0002 00000000 00000008"))[:31]
    'a node of casty 0.22 answers th'
    >>> explain_generation(b"HTTP/1.1 400 Bad Request") is None
    True
    """
    if len(answer) < _HEADER or answer[1] > 3 or answer[4:7] != b"\0\0\0":
        return None
    if answer[0] == 1:
        return f"a node of casty 0.22 answers there (or of a release up to 0.29), which has another protocol: {_NEWER}"
    if answer[0] == 2:
        return f"a node of casty 0.30 or newer answers there, which has another protocol: {_NEWER}"
    return None
