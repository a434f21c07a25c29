"""How to tell casty's other generations: what to say to a peer that does not answer the handshake, and who answers what.

The protocol of 0.15 to 0.21 has a version before it and two after it (PROTOCOL section 1.4). Those after it hang up at the
sight of our handshake, but answer words of their own at once; what is said here asks for nothing and joins nothing.
"""

from __future__ import annotations

__all__ = [
    "HELLO_030",
    "HTTP_REQUEST",
    "MAX_ANSWER",
    "PING_022",
    "SILENT_014",
    "explain_first_bytes",
    "explain_generation",
    "is_virtual",
]

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


def is_virtual(answer: bytes) -> bool:
    r"""Whether a node of casty 0.30 gave `answer` to its hello.

    Examples
    --------
    >>> is_virtual(bytes.fromhex("02 00 0000 00000001 00000047")), is_virtual(b"HTTP/1.1 400 Bad Request")
    (True, False)
    """
    return len(answer) >= _HEADER and answer[0] == 2 and answer[1] <= 4 and answer[4:7] == b"\0\0\0"


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
        return (
            "a node of casty 0.30 answers there, which has another protocol: connect() and %casty_connect speak it, "
            "in asyncio VirtualClient does; ClusterClient is for 0.15 to 0.21"
        )
    return None


_STRANGERS = (
    (b"HTTP/", "an HTTP server answers there"),
    (b"SSH-", "an SSH server answers there; to tunnel through it, forward a local port to the node"),
    (b"\x15\x03", "a TLS alert: the node speaks TLS; pass tls=, or the certificate was refused"),
    (b"\x16\x03", "a TLS handshake: the peer speaks TLS as a client does"),
    (b"220 ", "a mail or FTP server answers there"),
    (b"-ERR", "a Redis server answers there"),
    (b"-NOAUTH", "a Redis server answers there"),
    (b"RFB ", "a VNC server answers there"),
    (b"AMQP", "an AMQP broker answers there"),
    (b"<", "a web server answers there"),
)


def explain_first_bytes(data: bytes) -> str | None:
    """Say who answers, when the first bytes are not those of a casty 0.15–0.21 node; None if they could be.

    Examples
    --------
    >>> explain_first_bytes(b"SSH-2.0-OpenSSH_9.2")
    'an SSH server answers there; to tunnel through it, forward a local port to the node'
    >>> explain_first_bytes(bytes.fromhex("00 00 00 25 00 7b")) is None
    True
    """
    for prefix, what in _STRANGERS:
        if data.startswith(prefix):
            return what
    if data[:1] == b"\x01":
        return "a node of casty 0.22 or newer answers there, which speaks another protocol; 0.15 to 0.21 are supported"
    if len(data) >= 9 and data[:1] == b"\x00" and data[4:5] == b"\x00" and data[8:9] == b"{":
        return "a node of casty 0.14 or older answers there, which knows no handshake; 0.15 to 0.21 are supported"
    if len(data) >= 4 and data[:4].isascii() and data[:4].decode().isprintable():
        return "a text protocol answers there, not a casty node"
    return None
