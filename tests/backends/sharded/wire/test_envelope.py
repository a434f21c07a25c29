"""Envelopes: the header is what it says, bounded, and fast or slow parsing give the same result."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.backends.sharded.wire import (
    EnvelopeHeader,
    FrameReader,
    decode_envelope,
    encode_envelope,
    sender_system,
    target_path,
)
from casty_notebook.errors import MisuseError, ProtocolError
from tests.support.golden import MESSAGES, Vector


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v.file)
def test_golden_envelopes_are_read_and_written_alike(vector: Vector) -> None:
    [(_, body)] = FrameReader().receive(vector.frame)
    envelope = decode_envelope(body)
    assert {
        "target": envelope.target,
        "sender": envelope.sender,
        "type_hint": envelope.type_hint,
    } == vector.facts["header"]
    assert envelope.payload == vector.payload
    again = encode_envelope(envelope.target, envelope.sender, envelope.type_hint, envelope.payload)
    assert again == vector.frame


@given(st.text(), st.text(), st.text(), st.binary(max_size=50))
def test_what_is_written_is_read_back(target: str, sender: str, hint: str, payload: bytes) -> None:
    frame = EnvelopeHeader(target, sender, hint).frame(payload)
    assert int.from_bytes(frame[:4]) == len(frame) - 4
    envelope = decode_envelope(frame[5:])
    assert (envelope.target, envelope.sender, envelope.type_hint, envelope.payload) == (target, sender, hint, payload)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_the_fast_and_the_general_parser_agree(target: str, sender: str, hint: str) -> None:
    values = {"target": target, "sender": sender, "type_hint": hint}
    plain = json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")
    general = b" " + plain
    results = []
    for text in (plain, general):
        try:
            envelope = decode_envelope(len(text).to_bytes(4) + text)
            results.append((envelope.target, envelope.sender, envelope.type_hint))
        except ProtocolError:
            results.append(("refused", "", ""))
    assert results[0] == results[1]


def test_extra_keys_and_another_order_are_read() -> None:
    text = b'{"x": 1, "type_hint": "h", "sender": "", "target": "t"}'
    envelope = decode_envelope(len(text).to_bytes(4) + text + b"p")
    assert (envelope.target, envelope.sender, envelope.type_hint, envelope.payload) == ("t", "", "h", b"p")


HEADER = b'{"target": "t", "sender": "s", "type_hint": "h"}'


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\0\0", b"\0\0\0\x05", b"\xff\xff\xff\xff" + HEADER, (len(HEADER) + 1).to_bytes(4) + HEADER,
        b"\0\0\0\x02[]", b"\0\0\0\x02{}", b"\0\0\0\x01{", b"\0\0\0\x00", b"\0\0\0\x02\xff\xff",
        (31).to_bytes(4) + b'{"target": 1, "sender": "s", "t',
        b"\0\0\x0f\xa0" + b"[" * 4000,
        (49).to_bytes(4) + b'{"target": "\xff", "sender": "s", "type_hint": "h"}',
    ],
)  # fmt: skip
def test_a_bad_envelope_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_envelope(body)


@pytest.mark.parametrize("missing", ["target", "sender", "type_hint"])
def test_a_missing_key_is_named(missing: str) -> None:
    values = {"target": "t", "sender": "s", "type_hint": "h"}
    del values[missing]
    text = json.dumps(values).encode()
    with pytest.raises(ProtocolError, match=missing):
        decode_envelope(len(text).to_bytes(4) + text)


def test_a_header_beyond_the_bound_is_refused_both_ways() -> None:
    frame = encode_envelope("t" * 300, "", "", b"")
    with pytest.raises(ProtocolError, match="max_header"):
        decode_envelope(frame[5:], max_header=100)
    with pytest.raises(MisuseError, match="max_header"):
        EnvelopeHeader("t" * 300, "", "", max_header=100)


def test_a_frame_beyond_the_bound_is_not_built() -> None:
    with pytest.raises(MisuseError, match="max_frame"):
        encode_envelope("t", "s", "h", bytes(100), max_frame=100)


def test_a_frame_as_long_as_the_bound_is_built() -> None:
    frame = encode_envelope("t", "s", "h", bytes(100))
    length = len(frame) - 4  # The length itself is not counted in it.
    assert encode_envelope("t", "s", "h", bytes(100), max_frame=length) == frame
    with pytest.raises(MisuseError, match="max_frame"):
        encode_envelope("t", "s", "h", bytes(100), max_frame=length - 1)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_envelope_or_a_protocol_error(body: bytes) -> None:
    with suppress(ProtocolError):
        decode_envelope(body)


@given(st.sampled_from(MESSAGES), st.data())
def test_a_damaged_golden_envelope_gives_an_envelope_or_a_protocol_error(vector: Vector, data: st.DataObject) -> None:
    body = bytearray(vector.frame[5:400])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ProtocolError):
        decode_envelope(bytes(body))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("casty://s@h:1/a", "/a"),
        ("casty://s@h:1///a/b", "/a/b"),
        ("casty://s/a", "/a"),
        ("casty://shop-client@239.1.2.3:7/_ask/0f", "/_ask/0f"),
    ],
)
def test_the_path_of_a_target_has_one_leading_slash(target: str, path: str) -> None:
    assert target_path(target) == path


@pytest.mark.parametrize("target", ["", "http://a/b", "casty://", "casty:///a", "casty://s@h:1", "casty://s@h:1/"])
def test_a_target_without_a_path_is_a_protocol_error(target: str) -> None:
    with pytest.raises(ProtocolError, match="casty://SYSTEM"):
        target_path(target)


@pytest.mark.parametrize(
    ("sender", "system"),
    [
        ("casty://my-cluster@10.0.1.10:25520/", "my-cluster"),
        ("", None),
        ("x", None),
        ("casty://a/b@c", None),
        ("casty://@h", None),
    ],
)
def test_the_system_is_read_from_a_sender_where_there_is_one(sender: str, system: str | None) -> None:
    assert sender_system(sender) == system
