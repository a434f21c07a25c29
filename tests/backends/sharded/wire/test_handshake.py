"""Handshakes: what is presented can harm no node, what is read is bounded, and strangers are recognised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.wire import FrameReader, decode_handshake, encode_handshake
from casty_notebook.errors import InvalidAddress, ProtocolError
from casty_notebook.recognition import explain_first_bytes
from tests.support.golden import HANDSHAKES, Vector


@pytest.mark.parametrize("vector", HANDSHAKES, ids=lambda v: v.file)
def test_golden_handshakes_are_read_and_written_alike(vector: Vector) -> None:
    [(_, body)] = FrameReader().receive(vector.frame)
    address = decode_handshake(body)
    assert address == (vector.facts["decoded"]["host"], vector.facts["decoded"]["port"])
    assert encode_handshake(NodeAddress(*address)) == vector.frame


@pytest.mark.parametrize(
    "identity",
    [
        (None, 1), (1, 1), ([], 1), ({}, 1), ("", 1), ("a..b", 1), ("a" * 64, 1), ("a\0b", 1), ("a:b", 1), ("ø.ex", 1),
        ("a/b", 1), ("1.2.3.4", 65536), ("1.2.3.4", -1), ("1.2.3.4", "77"), ("1.2.3.4", None),
        ("1.2.3.4", True), ("1.2.3.4", 1.5),
    ],
)  # fmt: skip
def test_what_ends_a_node_cannot_be_presented(identity: tuple[object, object]) -> None:
    with pytest.raises(InvalidAddress):
        encode_handshake(NodeAddress(*identity))  # type: ignore[arg-type]


@given(st.one_of(st.text(max_size=80), st.none(), st.integers()), st.one_of(st.integers(), st.text(max_size=6), st.none()))
def test_whatever_is_presented_is_within_the_rules_of_the_protocol(host: object, port: object) -> None:
    try:
        frame = encode_handshake(NodeAddress(host, port))  # type: ignore[arg-type]
    except InvalidAddress:
        return
    sent = json.loads(frame[5:])
    assert sent == {"host": host, "port": port}
    assert isinstance(host, str)
    assert isinstance(port, int)
    assert 0 <= port <= 65535
    assert host.isascii()
    assert all(0 < len(label) <= 63 for label in host.split("."))
    assert "\0" not in host
    assert ":" not in host


def test_a_port_in_quotes_and_extra_keys_are_read_as_nodes_read_them() -> None:
    assert decode_handshake(b' {"port": "77", "host": "n", "more": [1]} ') == ("n", 77)


def test_a_host_that_is_not_ascii_is_read() -> None:
    assert decode_handshake('{"host": "nøde-c.example", "port": 300}'.encode()) == ("nøde-c.example", 300)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"{}", b'{"host": "a"}', b'{"port": 1}', b'{"host": null, "port": 1}', b"\xff\xfe",
        b'{"host": 5, "port": 1}', b'{"host": [], "port": 1}', b'{"host": "a", "port": 1.5}',
        b'{"host": "", "port": 1}',
        b'{"host": "a", "port": true}', b'{"host": "a", "port": 65536}', b'{"host": "a", "port": -1}',
        b'{"host": "a\\u0000", "port": 1}', b'{"host": "' + b"a" * 300 + b'", "port": 1}', b"[" * 4000,
        b'{"host": "a", "port": ' + b"9" * 4000 + b"}", b" " * 5000,
    ],
)  # fmt: skip
def test_a_bad_handshake_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_handshake(body)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda value: st.lists(value) | st.dictionaries(st.sampled_from(["host", "port", "x"]), value),
)


@settings(max_examples=300)
@given(st.binary(max_size=80) | trees.map(lambda tree: json.dumps(tree).encode()))
def test_any_handshake_gives_an_address_or_a_protocol_error(body: bytes) -> None:
    try:
        address = decode_handshake(body)
    except ProtocolError:
        return
    assert isinstance(address.host, str)
    assert 0 <= address.port <= 65535


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (bytes.fromhex("15 03 01 00 02 02 46"), "TLS"),
        (bytes.fromhex("16 03 01 02 00"), "TLS"),
        (bytes.fromhex("01 03 00 00 00 00 00 00 00 00 00 16"), "0.22"),
        (bytes.fromhex("00 00 01 00 00 00 00 b0") + b'{"target"', "0.14"),
        (b"-ERR unknown command\r\n", "Redis"),
        (b"<html>", "web"),
        (b"+OK ready\r\n", "text protocol"),
    ],
)
def test_strangers_are_recognised(data: bytes, word: str) -> None:
    explanation = explain_first_bytes(data)
    assert explanation is not None
    assert word in explanation


@pytest.mark.parametrize("vector", HANDSHAKES, ids=lambda v: v.file)
def test_a_node_is_no_stranger(vector: Vector) -> None:
    assert explain_first_bytes(vector.frame) is None


@given(st.binary(max_size=30))
def test_explaining_never_fails(data: bytes) -> None:
    explain_first_bytes(data)
