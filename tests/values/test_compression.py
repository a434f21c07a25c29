"""Compression: every algorithm both ways, and a small payload cannot become a large one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.errors import MisuseError, UndecodableMessage
from casty_notebook.values.limits.compression import ALGORITHMS, compress, decompress
from tests.values.table import codec

LIMIT = 1_000_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=60)
@given(data=st.binary(max_size=500) | st.integers(0, 300_000).map(bytes))
def test_what_is_compressed_is_read_back(algorithm: str, data: bytes) -> None:
    assert decompress(algorithm, compress(algorithm, data), LIMIT) == data


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_bound_is_exact(algorithm: str) -> None:
    data = compress(algorithm, bytes(LIMIT))
    assert decompress(algorithm, data, LIMIT) == bytes(LIMIT)
    with pytest.raises(UndecodableMessage, match="max_payload"):
        decompress(algorithm, data, LIMIT - 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_bomb_costs_no_more_than_the_bound(algorithm: str) -> None:
    bomb = compress(algorithm, bytes(60_000_000))
    decompress(algorithm, compress(algorithm, b"x"), LIMIT)  # the library is imported
    tracemalloc.start()
    with pytest.raises(UndecodableMessage, match="more than 1,000,000 bytes"):
        decompress(algorithm, bomb, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The bound, a chunk, and what the library itself needs for its window.
    assert peak < LIMIT + 16_000_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_damaged_data_is_an_undecodable_message(algorithm: str) -> None:
    good = compress(algorithm, bytes(range(256)) * 10)
    for data in (b"", b"x", good[:-1], good[: len(good) // 2], good[:1], b"\0" + good, good + b"garbage", bytes(100)):
        with pytest.raises(UndecodableMessage, match=algorithm):
            decompress(algorithm, data, LIMIT)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=100)
@given(data=st.data())
def test_any_damage_is_read_or_an_undecodable_message(algorithm: str, data: st.DataObject) -> None:
    payload = bytearray(compress(algorithm, b"hello world" * 20))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        decompress(algorithm, bytes(payload), LIMIT)
    except UndecodableMessage:
        return


@pytest.mark.parametrize("algorithm", [a for a in ALGORITHMS if a != "zlib"])
def test_several_members_are_one_payload_up_to_a_number(algorithm: str) -> None:
    one = compress(algorithm, b"abc")
    assert decompress(algorithm, one * 3, LIMIT) == b"abcabcabc"
    with pytest.raises(UndecodableMessage, match="something follows"):
        decompress(algorithm, one * 100, LIMIT)


def test_the_padding_of_gzip_is_no_garbage() -> None:
    assert decompress("gzip", gzip.compress(b"abc") + bytes(512), LIMIT) == b"abc"


def test_an_lzma_header_may_not_ask_for_gigabytes() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    data = lzma.compress(b"x", filters=filters)
    with pytest.raises(UndecodableMessage, match="not lzma"):
        decompress("lzma", data, LIMIT)


def test_payloads_of_every_level_are_read() -> None:
    data = bytes(range(256)) * 100
    for level in (1, 9):
        assert decompress("zlib", zlib.compress(data, level), LIMIT) == data
        assert decompress("bz2", bz2.compress(data, level), LIMIT) == data
        assert decompress("lzma", lzma.compress(data, preset=level), LIMIT) == data


def test_without_lz4_installed_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    with pytest.raises(MisuseError, match="pip install lz4"):
        codec(compression="lz4").encode(1)


def test_without_msgpack_installed_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(MisuseError, match="pip install msgpack"):
        codec(serializer="msgpack").encode(1)


def test_a_bomb_in_a_message_is_refused_by_the_codec() -> None:
    with pytest.raises(UndecodableMessage, match="max_payload"):
        codec(compression="zlib", max_payload=1000).decode(compress("zlib", bytes(5000)))
    with pytest.raises(UndecodableMessage, match="max_payload"):
        codec(max_payload=1000).decode(bytes(5000))
