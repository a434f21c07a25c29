"""The codec: one configuration of a cluster, and words for a payload of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.backends.sharded.codec.codec import Codec, detect
from casty_notebook.backends.sharded.codec.serializers import SERIALIZERS
from casty_notebook.backends.sharded.session import messages as m
from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.limits.compression import ALGORITHMS
from casty_notebook.values.registry import Layout
from casty_notebook.values.services import ServiceKey
from casty_notebook.values.standin import stand_in_class
from tests.support.golden import MESSAGES, Vector
from tests.values.table import REF, Amount, codec, table

SETUPS = [(serializer, compression) for serializer in SERIALIZERS for compression in (None, *ALGORITHMS)]


@pytest.mark.parametrize(("serializer", "compression"), SETUPS)
@pytest.mark.parametrize("layout", Layout)
def test_every_configuration_reads_what_it_writes(serializer: str, compression: str | None, layout: Layout) -> None:
    mine = codec(Amount, serializer=serializer, compression=compression, layout=layout)
    for message in (ShardEnvelope("a", Amount(3)), m.Find(ServiceKey("x"), REF), 17, None, "é", [1.5, (2,)]):
        assert mine.decode(mine.encode(message)) == message
        assert mine.decode(memoryview(mine.encode(message))) == message


def test_a_codec_for_another_layout_has_the_same_configuration() -> None:
    flat = codec(serializer="json", compression="bz2").with_layout(Layout.flat)
    assert (flat.serializer, flat.compression, flat.layout) == ("json", "bz2", Layout.flat)
    assert repr(flat) == "<Codec json with bz2, layout flat>"


def test_an_unknown_serializer_or_compression_is_refused_by_name() -> None:
    with pytest.raises(MisuseError, match="'yaml' is not known; casty has pickle, json, msgpack, cloudpickle"):
        Codec(table(), "yaml")
    with pytest.raises(MisuseError, match="'zstd' is not known; casty has zlib, gzip, bz2, lzma, lz4"):
        Codec(table(), compression="zstd")


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v.file)
def test_the_configuration_of_a_golden_payload_is_recognised(vector: Vector) -> None:
    serializer, compression = detect(vector.payload)
    wanted, packed = vector.serializer
    assert compression == packed
    if packed is None and not (wanted == "msgpack" and len(vector.payload) == 1):
        assert serializer == wanted.replace("cloudpickle", "pickle")


@pytest.mark.parametrize(
    ("sent", "mine", "fix"),
    [
        (("json", None), ("pickle", None), "pass serializer='json'"),
        (("pickle", None), ("json", None), "pass serializer='pickle'"),
        (("msgpack", None), ("pickle", None), "pass serializer='msgpack'"),
        (("pickle", "zlib"), ("pickle", None), "pass compression='zlib'"),
        (("pickle", "lzma"), ("json", "gzip"), "pass compression='lzma'"),
        (("pickle", None), ("pickle", "zlib"), "pass serializer='pickle', compression=None"),
    ],
)
def test_a_payload_of_another_configuration_is_refused_with_the_remedy(sent: Any, mine: Any, fix: str) -> None:
    payload = codec(serializer=sent[0], compression=sent[1]).encode(ShardEnvelope("a", 1))
    with pytest.raises(UndecodableMessage) as caught:
        codec(serializer=mine[0], compression=mine[1]).decode(payload)
    assert str(caught.value).endswith(fix)


def test_a_refusal_of_the_right_configuration_has_no_such_remedy() -> None:
    with pytest.raises(UndecodableMessage) as caught:
        codec().decode(b"\x80\x05Pid\n.")
    assert "pass " not in str(caught.value)


def test_type_hints_are_the_names_that_nodes_log() -> None:
    for layout, name in ((Layout.flat, "casty.sharding.ShardEnvelope"), (Layout.pkg, "casty.cluster.envelope.ShardEnvelope")):
        assert codec(layout=layout).type_hint(ShardEnvelope("a", 1)) == name
    assert codec().type_hint(17) == "builtins.int"
    assert codec().type_hint(None) == "builtins.NoneType"
    assert codec().type_hint(Amount(1)) == "tests.values.table.Amount"
    assert codec().type_hint(stand_in_class("bank.Get")(a=1)) == "bank.Get"
    assert codec().type_hint(stand_in_class("bank.Get")) == "bank.Get"


def test_checking_says_whether_a_message_can_be_sent() -> None:
    codec().check(Amount(1))
    with pytest.raises(UnsendableMessage):
        codec().check(lambda: 1)


@dataclass(frozen=True)
class Unhashable:
    value: int

    def __hash__(self) -> int:
        raise RuntimeError("not today")


def test_an_error_in_a_user_s_own_hash_is_an_undecodable_message() -> None:
    mine = codec(Unhashable)
    made = mine.encode(Unhashable(1))
    assert mine.decode(made) == Unhashable(1)
    with pytest.raises(UndecodableMessage, match="RuntimeError: not today"):
        mine.decode(made[:2] + b"(" + made[2:-1] + b"\x91.")
    tree = codec(Unhashable, serializer="json")
    with pytest.raises(UndecodableMessage, match="RuntimeError: not today"):
        tree.decode(b'{"__frozenset__": [' + tree.encode(Unhashable(1)) + b"]}")


@settings(max_examples=300)
@given(st.binary(max_size=60), st.sampled_from(SETUPS))
def test_any_payload_gives_a_value_or_an_undecodable_message(payload: bytes, setup: tuple[str, str | None]) -> None:
    try:
        codec(serializer=setup[0], compression=setup[1]).decode(payload)
    except UndecodableMessage:
        return
