"""Which codec reads what, where any may have written it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.aio.codecs import Codecs, remember
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.session.encodings import PICKLE, Encoding, guesses
from casty_notebook.backends.sharded.session.messages import SubscribeTopology
from casty_notebook.errors import MisuseError, UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import ServiceEntry, TopologySnapshot
from casty_notebook.values.refs import ActorRef

REGISTRY = build_registry(lambda uri: ActorRef.__new__(ActorRef), ())
ALL = guesses(["pickle", "json", "msgpack"], ["zlib", "gzip", "lz4", "bz2", "lzma"])
NODE = NodeAddress("10.0.1.10", 25520)
SNAPSHOT = TopologySnapshot(frozenset(), NODE, {}, 3, registry=frozenset([ServiceEntry("pay", NODE, "/pay")]))


def auto(compression: str | None = None) -> Codecs:
    return Codecs(REGISTRY, "auto", compression, Settings())


@pytest.mark.parametrize("encoding", ALL, ids=str)
def test_a_snapshot_tells_what_wrote_it(encoding: Encoding) -> None:
    codecs = auto()
    payload = codecs.of(encoding).encode(SNAPSHOT)
    assert codecs.read(payload, None) == (SNAPSHOT, encoding.configuration)
    assert codecs.read(payload, encoding) == (SNAPSHOT, encoding.configuration)
    assert codecs.read(payload, PICKLE[0]) == (SNAPSHOT, encoding.configuration)


@given(st.integers(-300, 300) | st.none() | st.booleans() | st.text(max_size=3), st.sampled_from(ALL))
def test_a_reply_whose_first_byte_could_be_anothers_is_read_as_what_is_known(value: object, encoding: Encoding) -> None:
    codecs = auto()
    assert codecs.read(codecs.of(encoding).encode(value), encoding)[0] == value


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes) -> None:
    for known in (None, PICKLE[0]):
        try:
            auto().read(garbage, known)
        except UndecodableMessage:
            continue


def test_a_small_bomb_is_bounded_before_it_is_recognised() -> None:
    import zlib

    codecs = Codecs(REGISTRY, "auto", None, Settings(max_payload=1000))
    with pytest.raises(UndecodableMessage, match=r"more than 1,000 bytes"):
        codecs.read(zlib.compress(bytes(100_000)), None)


def test_a_given_configuration_reads_nothing_else() -> None:
    codecs = Codecs(REGISTRY, "json", None, Settings())
    assert codecs.encodings("shop", (NODE,)) == (Encoding("pkg", "json"),)
    with pytest.raises(UndecodableMessage, match=r"looks like pickle.*serializer='pickle'"):
        codecs.read(auto().of(PICKLE[0]).encode(SNAPSHOT), Encoding("pkg", "json"))


def test_a_given_compression_leaves_the_serializer_to_be_found() -> None:
    assert auto("gzip").encodings("shop", (NODE,)) == tuple(
        Encoding("pkg", name, "gzip") for name in ("pickle", "json", "msgpack")
    )
    with pytest.raises(MisuseError, match="compression='rar' is not known"):
        auto("rar")


def test_what_was_found_is_tried_first_at_the_same_contact_points_only() -> None:
    found = Encoding("pkg", "msgpack", "lz4")
    remember("remembered", (NODE,), found)
    assert auto().encodings("remembered", (NodeAddress("10.0.1.11", 1), NODE))[0] == found
    assert set(auto().encodings("remembered", (NODE,))) == set(ALL)
    assert auto().encodings("another", (NODE,))[0] == PICKLE[0]
    assert Codecs(REGISTRY, "pickle", None, Settings()).encodings("remembered", (NODE,)) == PICKLE
    remember("remembered", (NODE,), PICKLE[1])
    assert Codecs(REGISTRY, "pickle", None, Settings()).encodings("remembered", (NODE,)) == PICKLE[::-1]


def test_memory_is_bounded() -> None:
    from casty_notebook.backends.sharded.aio import codecs

    for number in range(2 * codecs.REMEMBERED):
        remember("many", (NodeAddress("10.0.1.10", number),), PICKLE[0])
    assert len(codecs._remembered) == codecs.REMEMBERED


def test_each_encoding_writes_differently() -> None:
    codecs = auto()
    written = {codecs.of(each).encode(SubscribeTopology("x")) for each in ALL}  # type: ignore[arg-type]
    assert len(written) == len(ALL)
