"""What a client may write to a node, checked byte by byte and without any code of the client's (PROTOCOL section 9)."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["check_handshake", "check_host_and_port", "check_stream", "check_uris"]

_URI = re.compile(rb"casty://[^\x00-\x1f\"]*|casty://[^\"]*", re.DOTALL)
_REMOTE = re.compile(r"casty://([^@/]+)@([^:]+):([0-9]+)/(.+)", re.DOTALL)
_MEMBERSHIP = re.compile(rb"JoinRequest|JoinAccepted|Gossip|Heartbeat|RegisterRegion|MemberStatus")


def check_host_and_port(host: Any, port: Any) -> None:
    """Whatever is not so ends the whole transport of the node that uses it."""
    assert type(host) is str, f"a host is {host!r}"
    assert type(port) is int, f"a port is {port!r}"
    assert 0 <= port <= 65535, f"a port is {port}"
    assert "\0" not in host, "a host contains NUL"
    assert host.isascii(), f"a host is not ASCII: {host!r}"
    assert ":" not in host
    for label in host.split("."):
        assert 0 < len(label) <= 63, f"a host has a label of {len(label)} characters: {host!r}"


def check_handshake(body: bytes) -> None:
    """An object with a host and a port."""
    stated = json.loads(body.decode())
    assert type(stated) is dict
    check_host_and_port(stated["host"], stated["port"])


def check_uris(uris: list[str]) -> None:
    """Every URI a node could dial."""
    for uri in uris:
        remote = _REMOTE.match(uri)
        if remote is not None:
            assert len(remote[3]) < 10, f"a port of {len(remote[3])} digits"
            check_host_and_port(remote[2], int(remote[3]))


def check_envelope(body: bytes, uris: list[str]) -> None:
    """A header with three strings, a target that parses, and no ref in the payload that would do harm."""
    size = int.from_bytes(body[:4])
    header = json.loads(body[4 : 4 + size].decode())
    assert {"target", "sender", "type_hint"} <= header.keys()
    assert all(type(header[key]) is str for key in ("target", "sender", "type_hint"))
    assert _REMOTE.fullmatch(header["target"]), f"the target {header['target']!r} does not parse"
    check_uris([header["target"], *uris])
    if "/_cluster/_topology" in header["target"]:
        assert not _MEMBERSHIP.search(body[4 + size :]), "membership traffic"


def check_stream(data: bytes, uris_of: Any) -> int:
    """All that one connection carried; returns how many frames. `uris_of` finds the refs in a payload."""
    at = count = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        assert size > 0, "a frame of length 0"
        body = data[at + 5 : at + 4 + size]
        assert len(body) == size - 1, "a frame is cut short although the connection was closed in peace"
        if count == 0:
            assert data[at + 4] == 0, "the first frame is no handshake"
            check_handshake(body)
        else:
            assert data[at + 4] == 1, f"a later frame has type {data[at + 4]}"
            header = int.from_bytes(body[:4])
            check_envelope(body, uris_of(body[4 + header :]))
        at += 4 + size
        count += 1
    return count
