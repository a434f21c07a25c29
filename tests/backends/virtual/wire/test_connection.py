"""Frames, messages, credit and hellos as bytes; a pair of machines stands for the two sides."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.backends.virtual.wire import Accepted, Connection, Hello, Limits, Message, Rejected
from casty_notebook.backends.virtual.wire.frames import HEADER, FrameReader, FrameType, encode_data, encode_window
from casty_notebook.errors import ProtocolError

NODE = msgpack.packb(["10.0.1.10:25520", bytes(16), None])
SMALL = Limits(frame=1024, message=4096, window=2048)


def framed(service: bytes, body: bytes) -> bytes:
    return (1 + len(service) + len(body)).to_bytes(4) + bytes([len(service)]) + service + body


def ack() -> bytes:
    return encode_data(1, framed(b"hello-ack", NODE))


def opened(limits: Limits = SMALL, max_queued: int = 1 << 20) -> Connection:
    connection = Connection(Hello("shop", bytes(16), limits), max_queued)
    connection.data_to_send()
    connection.receive(ack())
    connection.data_to_send()
    return connection


def sent(data: bytes) -> list[tuple[int, int, int, bytes]]:
    return FrameReader(1 << 30).receive(data)


def test_a_hello_says_what_was_read_off_the_wire() -> None:
    connection = Connection(Hello("shop", bytes(range(16)), Limits()), 1)
    assert connection.data_to_send() == bytes.fromhex(
        "0200 0000 00000001 00000033 0000002f 05 68656c6c6f 97 a473686f70 c0 c410 000102030405060708090a0b0c0d0e0f 90"
        "ce00040000 ce00400000 ce00040000".replace(" ", "")
    )


def test_a_hello_is_accepted_and_its_bytes_are_credited() -> None:
    connection = Connection(Hello("shop", bytes(16)), 1)
    connection.data_to_send()
    assert connection.receive(ack()) == [Accepted(("10.0.1.10", 25520), bytes(16))]  # type: ignore[arg-type]
    assert connection.open
    assert connection.data_to_send() == encode_window(1, len(ack()) - HEADER.size)


@pytest.mark.parametrize(
    ("reason", "cluster", "limits"),
    [
        ('cluster "ours" is not "shop"', "shop", None),
        ('cluster "a" is not "b" is not "c"', "c", None),
        ("limits (frame, message, window) [1, 2, 3] are not [262144, 8388608, 262144]", None, Limits(262144, 8388608, 262144)),
        ("limits (frame, message, window) [1, 2, 3] are not [1, 8388608, 262144]", None, None),
        ("limits (frame, message, window) [1, 2, 3] are not [262144, 99999999999, 262144]", None, None),
        ("no", None, None),
    ],
)
def test_a_refusal_says_what_would_have_been_accepted(reason: str, cluster: str | None, limits: Limits | None) -> None:
    connection = Connection(Hello("ours", bytes(16)), 1)
    body = framed(b"hello-reject", msgpack.packb([reason]))
    (event,) = connection.receive(encode_data(1, body) + HEADER.pack(2, FrameType.GOODBYE, 0, 0, 0))
    assert isinstance(event, Rejected)
    assert (event.refusal.reason, event.refusal.cluster, event.refusal.limits) == (reason, cluster, limits)
    assert connection.closed


@given(st.lists(st.binary(max_size=4000), max_size=6), st.data())
def test_messages_come_whole_however_the_bytes_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    connection, stream = opened(), b"".join(framed(b"replies", body) for body in bodies)
    frames, wire = [], b""
    while stream:
        size = data.draw(st.integers(1, 1024))
        frames.append(stream[:size])
        wire += encode_data(3, stream[:size])
        stream = stream[size:]
    events, credit = [], 0
    while wire:
        size = data.draw(st.integers(1, 3000))
        events += connection.receive(wire[:size])
        credit += sum(n for kind, stream, n, _ in sent(connection.data_to_send()) if kind == FrameType.WINDOW and stream == 3)
        wire = wire[size:]
    assert events == [Message(b"replies", body) for body in bodies]
    assert credit == sum(map(len, frames))


@given(st.lists(st.binary(max_size=4000), max_size=12), st.lists(st.integers(0, 5000), max_size=40))
def test_no_byte_is_sent_without_credit_and_none_is_lost(bodies: list[bytes], given_credit: list[int]) -> None:
    connection, allowed, written = opened(), SMALL.window, b""

    def take() -> None:
        nonlocal written
        frames = sent(connection.data_to_send())
        assert all(kind == FrameType.DATA and stream == 3 and n <= SMALL.frame for kind, stream, n, _ in frames)
        written += b"".join(body for *_, body in frames)

    for body in bodies:
        assert connection.send(b"actors", body)
        take()
        assert len(written) <= allowed
    for credit in [*given_credit, 100_000]:
        connection.receive(encode_window(3, credit))
        allowed += credit
        take()
        assert len(written) <= allowed
    assert written == b"".join(framed(b"actors", body) for body in bodies)
    assert connection.queued == 0


def test_a_message_that_is_longer_than_all_credit_waits_and_then_comes_whole() -> None:
    connection, body = opened(), bytes(range(250)) * 16
    assert connection.send(b"actors", body)
    frames = sent(connection.data_to_send())
    assert [n for *_, n, _ in frames] == [1024, 1024]
    connection.receive(encode_window(3, 5000))
    frames += sent(connection.data_to_send())
    assert b"".join(part for *_, part in frames) == framed(b"actors", body)
    assert connection.unsent == 0


def test_what_waits_for_credit_is_bounded() -> None:
    connection = opened(max_queued=5000)
    taken = [connection.send(b"actors", bytes(1000)) for _ in range(20)]
    # 2,048 bytes leave at once, and 5,000 may wait.
    assert taken == sorted(taken, reverse=True)
    assert 2 < sum(taken) < 9
    with pytest.raises(ValueError, match="limit for one message is 4,096"):
        connection.send(b"actors", bytes(4097))


def test_a_ping_is_answered() -> None:
    connection = opened()
    assert connection.receive(HEADER.pack(2, FrameType.PING, 0, 0, 0)) == []
    assert connection.data_to_send() == HEADER.pack(2, FrameType.PONG, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request", "no casty at all"),
        (bytes.fromhex("15 0303 0002 0232") + bytes(12), "with TLS"),
        (HEADER.pack(1, 0, 0, 1, 0), "frames of version 1 came"),
        (HEADER.pack(2, 5, 0, 1, 0), "type 5"),
        (HEADER.pack(2, 0, 1, 1, 0), "flags 1"),
        (HEADER.pack(2, 0, 0, 3, 1025), "1,025 bytes came where 1,024"),
        (encode_data(3, (1 << 20).to_bytes(4)), "a message of 1,048,576 bytes"),
        (encode_data(3, (1).to_bytes(4) + b"\0"), "without the name of its service"),
        (encode_data(3, (2).to_bytes(4) + b"\x05a"), "without the name of its service"),
        (b"".join(encode_data(stream, b"\0") for stream in range(20)), "more than 8 streams"),
        (encode_data(1, framed(b"hello-ack", NODE)), "on the stream of the hello"),
    ],
)
def test_bytes_outside_the_protocol_are_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        opened().receive(data)


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    for connection in (opened(), Connection(Hello("shop", bytes(16)), 1)):
        try:
            connection.receive(data)
        except ProtocolError:
            continue
