"""What casty's other generations say to words of their own, as nodes of 0.22.1 and 0.30.2 answered them."""

from __future__ import annotations

import msgpack
import pytest

from casty_notebook.recognition import HELLO_030, PING_022, explain_first_bytes, explain_generation

PONG = bytes.fromhex("01020002 00000000 00000008") + PING_022[12:]
REJECT = bytes.fromhex("02010000 00000001 0000005c 02000000") + b"\0\0\0\x01\0\0\0\x4c"


def test_a_pong_is_casty_0_22() -> None:
    said = explain_generation(PONG)
    assert said is not None
    assert said.startswith("a node of casty 0.22 answers there")
    assert said.endswith("or run its nodes with casty<0.22")


def test_a_refused_hello_is_casty_0_30() -> None:
    said = explain_generation(REJECT)
    assert said is not None
    assert said.startswith("a node of casty 0.30 answers there")


def test_the_goodbye_that_0_22_sends_to_the_silent_counts_as_well() -> None:
    assert explain_generation(bytes.fromhex("01030000 00000000 00000016") + b"\x82") is not None


@pytest.mark.parametrize(
    "answer",
    [b"", PONG[:11], b"HTTP/1.1 400 Bad Request", bytes.fromhex("00000025 00") + b'{"host": "127.0.0.1"}',
     b"\x01\x02" + b"x" * 20, b"\x03" + PONG[1:], b"\x16\x03\x03\x00\x7a" + bytes(20)],
)  # fmt: skip
def test_anything_else_is_no_generation_of_casty(answer: bytes) -> None:
    assert explain_generation(answer) is None


def test_a_first_byte_of_0_22_is_recognised_where_it_answers_us() -> None:
    assert "0.22" in (explain_first_bytes(PONG) or "")


def test_the_hello_is_a_whole_message_that_names_a_cluster_nobody_has() -> None:
    assert int.from_bytes(HELLO_030[8:12]) == len(HELLO_030) - 12
    assert int.from_bytes(HELLO_030[12:16]) == len(HELLO_030) - 16
    assert HELLO_030[16:22] == b"\x05hello"
    cluster, address, identity, codecs, *limits = msgpack.unpackb(HELLO_030[22:])
    assert " " in cluster
    assert address.startswith("239.")
    assert (len(identity), codecs, len(limits)) == (16, [], 3)
