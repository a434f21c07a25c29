"""Frames: what arrives is cut at the right places whatever the chunking, and nothing hostile costs memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.backends.sharded.wire import HANDSHAKE, MESSAGE, FrameReader, encode_frame
from casty_notebook.errors import MisuseError, ProtocolError
from tests.support.golden import VECTORS, Vector

frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.file)
def test_every_golden_frame_is_read_as_one_frame_and_written_back_alike(vector: Vector) -> None:
    [(kind, body)] = FrameReader().receive(vector.frame)
    assert kind == (HANDSHAKE if vector.facts["kind"] == "handshake" else MESSAGE)
    assert len(body) == vector.facts["bytes"] - 5
    assert encode_frame(kind, body) == vector.frame


@given(frames, st.data())
def test_any_chunking_gives_the_same_frames(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(kind, body) for kind, body in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader, got = FrameReader(max_frame=1000), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        kind = data.draw(st.sampled_from([bytes, bytearray, memoryview]))
        got += reader.receive(kind(stream[start:end]))
    assert got == sent
    assert reader.pending == 0


def test_one_byte_at_a_time_works() -> None:
    stream = encode_frame(1, b"hello") + encode_frame(7, b"")
    reader = FrameReader()
    got = [frame for byte in stream for frame in reader.receive(bytes([byte]))]
    assert got == [(1, b"hello"), (7, b"")]


def test_the_rest_of_a_cut_frame_is_pending() -> None:
    reader = FrameReader()
    assert reader.receive(encode_frame(1, b"hello")[:-2]) == []
    assert reader.pending == 8


@pytest.mark.parametrize("length", [0, 101, 2**31, 2**32 - 1])
def test_a_bad_length_is_refused_as_soon_as_its_four_bytes_are_here(length: int) -> None:
    reader = FrameReader(max_frame=100)
    assert reader.receive(length.to_bytes(4)[:3]) == []
    with pytest.raises(ProtocolError, match=r"allowed are 1 to 100"):
        reader.receive(length.to_bytes(4)[3:])
    with pytest.raises(ProtocolError):
        reader.receive(encode_frame(1, b"late"))


def test_frames_before_a_bad_length_are_delivered_and_the_error_is_there_at_once() -> None:
    reader = FrameReader(max_frame=100)
    assert reader.receive(encode_frame(1, b"good") + b"\0\0\0\0more") == [(1, b"good")]
    assert isinstance(reader.error, ProtocolError)
    with pytest.raises(ProtocolError, match="length 0"):
        reader.receive(b"")


def test_frames_before_a_bad_length_are_delivered_when_they_were_buffered() -> None:
    reader = FrameReader(max_frame=100)
    good = encode_frame(1, b"good")
    assert reader.receive(good[:3]) == []
    assert reader.receive(good[3:] + b"\xff\xff\xff\xff") == [(1, b"good")]
    assert reader.error is not None


def test_a_promised_length_allocates_nothing() -> None:
    reader = FrameReader(max_frame=2**32 - 1)
    tracemalloc.start()
    reader.receive(b"\xff\xff\xff\xff\x01")
    for _ in range(100):
        reader.receive(b"x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_a_large_frame_in_small_chunks_costs_no_more_than_its_bytes() -> None:
    # Counted, not timed: each byte may be copied into the buffer once and out of it once.
    body = bytes(2_000_000)
    stream = encode_frame(1, body)
    reader = FrameReader()
    tracemalloc.start()
    got = []
    for start in range(0, len(stream), 1000):
        got += reader.receive(stream[start : start + 1000])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got == [(1, body)]
    assert peak < 3 * len(body)
    assert reader.pending == 0


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_give_frames_or_a_protocol_error(data: bytes) -> None:
    reader = FrameReader(max_frame=64)
    try:
        frames = reader.receive(data)
    except ProtocolError:
        assert reader.error is not None
        return
    assert all(0 <= kind <= 255 and len(body) < 64 for kind, body in frames)


@given(st.integers(-3, 300), st.binary(max_size=60))
def test_no_frame_of_length_zero_or_above_the_bound_can_be_built(kind: int, body: bytes) -> None:
    try:
        frame = encode_frame(kind, body, max_frame=50)
    except MisuseError:
        assert len(body) >= 50 or not 0 <= kind <= 255
    else:
        assert 1 <= int.from_bytes(frame[:4]) <= 50
