"""Bytes outside the protocol or without end: refused by name, or owed a bounded answer, and nothing that is held grows."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import msgpack
import pytest

from casty_notebook.backends.virtual.wire import Accepted, Connection, Hello, Leaving, Limits, Rejected
from casty_notebook.backends.virtual.wire.frames import HEADER, FrameReader, FrameType, encode_data, encode_window
from casty_notebook.errors import ProtocolError
from tests.backends.virtual.wire.test_connection import NODE, framed, opened
from tests.hostile.test_work import PATIENCE

LIMITS = Limits()
PING, GOODBYE = HEADER.pack(2, FrameType.PING, 0, 0, 0), HEADER.pack(2, FrameType.GOODBYE, 0, 0, 0)
READ = 256 * 1024
"""Bytes that a link reads at most before others have their turn."""


def greeting() -> Connection:
    return Connection(Hello("shop", bytes(16)), 1 << 20)


def filled(unit: bytes, size: int = READ) -> bytes:
    return unit * (size // len(unit))


FLOODS = {
    "pings": PING,
    "goodbyes": GOODBYE,
    "windows": encode_window(3, 0xFFFF_FFFF),
    "windows of streams that nobody opened": encode_window(77, 1),
    "empty frames": encode_data(3, b""),
    "messages of one byte": encode_data(3, framed(b"a", b"")),
    "one byte in each frame": encode_data(3, b"\0"),
    "pongs": HEADER.pack(2, FrameType.PONG, 0, 0, 0),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_small_frames_is_answered_by_no_more_than_a_few(flood: str) -> None:
    connection, data = opened(LIMITS), filled(FLOODS[flood])
    started, events = time.thread_time(), 0
    with suppress(ProtocolError):
        for _ in range(4):
            events += sum(type(event) is Leaving for event in connection.receive(data))
    assert time.thread_time() - started < PATIENCE
    assert events <= 1
    # A window for each stream and one pong.
    assert len(connection.data_to_send()) <= 9 * HEADER.size + HEADER.size


def test_credit_without_end_lets_no_more_leave_than_there_is() -> None:
    connection = opened(LIMITS)
    for _ in range(100):
        assert connection.send(b"actors", bytes(5_000))
    connection.receive(filled(encode_window(3, 0xFFFF_FFFF)))
    frames = FrameReader(1 << 20).receive(connection.data_to_send())
    sent = sum(size for kind, _, size, _ in frames if kind == FrameType.DATA)
    assert sent == 100 * len(framed(b"actors", bytes(5_000)))
    assert connection.queued == 0


def test_a_byte_of_credit_at_a_time_costs_one_frame_each() -> None:
    connection = opened(Limits(frame=1024, message=100_000, window=1024))
    assert connection.send(b"actors", bytes(50_000))
    connection.data_to_send()
    connection.receive(encode_window(3, 1) * 1_000)
    assert len(connection.data_to_send()) <= 1_000 * (HEADER.size + 1)


def held_after(data: Callable[[Connection], object]) -> int:
    connection = opened(LIMITS)
    tracemalloc.start()
    try:
        with suppress(ProtocolError):
            data(connection)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_messages_that_do_not_end_are_held_once_however_many_streams_they_lie_on() -> None:
    piece = bytes(200_000)

    def attack(connection: Connection) -> None:
        for stream in range(3, 17, 2):
            connection.receive(encode_data(stream, LIMITS.message.to_bytes(4)))
        for _ in range(20):
            for stream in range(3, 17, 2):
                connection.receive(encode_data(stream, piece))

    # One whole message and a frame, and what a growing buffer is larger than its content.
    assert held_after(attack) < 1.5 * (LIMITS.message + 2 * LIMITS.frame)


def test_streams_that_do_not_end_are_refused_by_name() -> None:
    connection = opened(LIMITS)
    beginnings = [encode_data(stream, LIMITS.message.to_bytes(4)) for stream in range(3, 17, 2)]
    more = [encode_data(stream, bytes(200_000)) for _ in range(20) for stream in range(3, 17, 2)]
    with pytest.raises(ProtocolError, match="messages that do not end came on 8 streams"):
        connection.receive(b"".join((*beginnings, *more)))


def test_a_frame_that_does_not_end_is_held_up_to_its_limit() -> None:
    head = HEADER.pack(2, 0, 0, 3, LIMITS.frame)
    assert held_after(lambda connection: [connection.receive(each) for each in (head, *[bytes(1_000)] * 250)]) < 2 * LIMITS.frame


# --- hellos ------------------------------------------------------------------------------------------------------------


def reject(reason: object) -> bytes:
    return encode_data(1, framed(b"hello-reject", msgpack.packb([reason])))


REASONS = {
    "quotes without end": 'cluster "' + '" is not "' * 20_000 + "x",
    "names without end": 'cluster "a" is not "' + "b" * 200_000 + '"',
    "digits without end": "limits (frame, message, window) [1, 2, 3] are not [" + "9" * 200_000 + "]",
    "commas without end": "limits (frame, message, window) [" + ", " * 100_000 + "]",
}


@pytest.mark.parametrize("what", REASONS)
def test_a_refusal_is_read_in_no_time_and_shortened_however_long_it_is(what: str) -> None:
    started = time.thread_time()
    (event,) = greeting().receive(reject(REASONS[what]))
    assert time.thread_time() - started < PATIENCE
    assert isinstance(event, Rejected)
    assert len(event.refusal.reason) <= 1_001
    assert event.refusal.cluster is None


ANSWERS = {
    "a number": b"\x01",
    "nothing": b"",
    "nesting": b"\x91" * 200_000,
    "a list without end": b"\xdd\xff\xff\xff\xff",
    "an address without end": msgpack.packb(["h" * 200_000, bytes(16), None]),
    "an address without a port": msgpack.packb(["h", bytes(16), None]),
    "an address that cannot be": msgpack.packb(["a..b:1", bytes(16), None]),
    "a port beyond all": msgpack.packb(["h:" + "9" * 5_000, bytes(16), None]),
    "a compression that nobody offered": msgpack.packb(["h:1", bytes(16), "zstd"]),
    "a long incarnation": msgpack.packb(["h:1", bytes(200_000), None]),
    "one field too many": msgpack.packb(["h:1", bytes(16), None, None]),
    "a map": msgpack.packb({"a": 1}),
    "an extension": b"\xc7\x05\x01abcde",
}


@pytest.mark.parametrize("service", [b"hello-ack", b"hello-reject"])
@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_to_a_hello_that_is_none_is_refused_with_a_short_reason(what: str, service: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        greeting().receive(encode_data(1, framed(service, ANSWERS[what])))
    assert len(str(caught.value)) < 1_500


def test_a_second_answer_to_the_hello_is_refused() -> None:
    for second in (framed(b"hello-ack", NODE), framed(b"hello-reject", msgpack.packb(["no"]))):
        with pytest.raises(ProtocolError, match="on the stream of the hello"):
            opened(LIMITS).receive(encode_data(1, second))


def test_nothing_counts_that_a_node_says_behind_its_refusal() -> None:
    more = encode_data(1, framed(b"hello-ack", NODE)) + encode_data(3, framed(b"actors", b""))
    (event,) = greeting().receive(reject("no") + more)
    assert isinstance(event, Rejected)


def test_nothing_is_said_by_a_hello_that_never_ends() -> None:
    connection, data = greeting(), framed(b"hello-ack", NODE)
    for at in range(len(data) - 1):
        assert connection.receive(encode_data(1, data[at : at + 1])) == []
    assert not connection.open
    (event,) = connection.receive(encode_data(1, data[-1:]))
    assert isinstance(event, Accepted)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("cut", range(1, HEADER.size))
def test_a_frame_of_any_kind_that_is_cut_short_waits_for_its_rest(kind: int, cut: int) -> None:
    frame = HEADER.pack(2, kind, 0, 3, 4) + (b"\0\0\0\x05" if kind == 0 else b"")
    connection = opened(LIMITS)
    assert connection.receive(frame[:cut]) == []
    connection.receive(frame[cut:])
    assert connection.receive(PING) == []
