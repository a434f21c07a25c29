"""The handshake: each side states an address as JSON, the client first (PROTOCOL section 1.2)."""

from __future__ import annotations

import json
from typing import Any

from casty_notebook.address import NodeAddress, check_host, check_port
from casty_notebook.backends.sharded.wire.frames import HANDSHAKE, encode_frame
from casty_notebook.errors import ProtocolError
from casty_notebook.recognition import explain_first_bytes

__all__ = ["MAX_HANDSHAKE", "decode_handshake", "encode_handshake"]

MAX_HANDSHAKE = 4096
"""Longest handshake body read. An honest one has about 40 bytes; a host name has at most 253."""
_MAX_HOST = 255


def encode_handshake(identity: NodeAddress) -> bytes:
    r"""Build the whole handshake frame that presents `identity`.

    Raises
    ------
    InvalidAddress
        If host or port is one of those that end a node's transport (PROTOCOL section 9).

    Examples
    --------
    >>> encode_handshake(NodeAddress("239.1.2.3", 77))
    b'\x00\x00\x00"\x00{"host": "239.1.2.3", "port": 77}'
    """
    host, port = check_host(identity[0]), check_port(identity[1])
    return encode_frame(HANDSHAKE, json.dumps({"host": host, "port": port}).encode())


def decode_handshake(body: bytes) -> NodeAddress:
    """Read the body of a handshake frame: the peer's own address.

    As lenient as nodes are (extra keys, a port in quotes), but bounded. A host is not checked for being dialable:
    whoever dials it does that.

    Raises
    ------
    ProtocolError
        If the body is not the JSON object of PROTOCOL section 1.2.
    """
    if len(body) > MAX_HANDSHAKE:
        raise ProtocolError(f"a handshake of {len(body):,} bytes; at most {MAX_HANDSHAKE:,} are read")
    try:
        value: Any = json.loads(body.decode())
    except (ValueError, RecursionError):
        hint = explain_first_bytes(body)
        raise ProtocolError(f"the handshake is not JSON but {body[:60]!r}" + (f": {hint}" if hint else "")) from None
    if not isinstance(value, dict):
        raise ProtocolError(f"the handshake is not a JSON object but {body[:60]!r}")
    return NodeAddress(_host(value.get("host")), _port(value.get("port")))


def _host(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_HOST or not value.isprintable():
        raise ProtocolError(f"the handshake's host is {str(value)[:60]!r}; expected a host name or an address")
    return value


def _port(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 5:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise ProtocolError(f"the handshake's port is {str(value)[:20]!r}; expected 0 to 65535")
    return value


