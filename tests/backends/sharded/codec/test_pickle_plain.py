"""The short ways write and read what the long ones do, byte for byte and value for value, or leave it to them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.pickle.machine import Machine
from casty_notebook.backends.sharded.codec.pickle.reader import run
from casty_notebook.backends.sharded.codec.pickle.short_objects import NOT_ALONE, alone
from casty_notebook.backends.sharded.codec.pickle.writer import PickleWriter
from casty_notebook.errors import UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.limits.budget import Refused
from casty_notebook.values.refs import ActorRef, ReplyRef
from casty_notebook.values.registry import Layout, Registry
from tests.values.table import REF, Amount, Basket, Colour, Empty


@dataclass(frozen=True)
class Asked:
    reply_to: Any
    note: Any = None

    @cached_property
    def length(self) -> int:
        return len(str(self.note))


def read_first(asked: Asked) -> Asked:
    assert asked.length >= 0
    return asked


def _registry() -> Registry:
    return build_registry(lambda uri: ActorRef(ActorAddress.parse(uri)))


OTHER_REF = ActorRef(ActorAddress.parse("casty://other@10.0.1.10:25520/a"))
bound = ReplyRef("my-cluster-client", "/_ask/" + "0" * 300)
bound.bind(NodeAddress("239.1.2.3", 7))

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-300, 300), st.floats(allow_nan=False), st.text(), st.binary(),
    st.sampled_from([REF, OTHER_REF, bound, Empty(), Colour.red, int]), st.builds(Amount, st.integers(), st.text()),
)  # fmt: skip
messages = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(ShardEnvelope, st.text(), inner), st.builds(Asked, inner, inner), st.builds(Asked, inner).map(read_first),
        st.builds(Basket, st.text(), st.just([]), inner), st.tuples(inner), inner.map(lambda same: Asked(same, same)),
    ),
    max_leaves=6,
)  # fmt: skip
WRITERS = {layout: PickleWriter(_registry(), layout, Settings()) for layout in Layout}


@settings(max_examples=1000)
@given(messages, st.sampled_from(Layout))
def test_a_message_is_written_alike_in_one_pass_and_with_a_memo(message: Any, layout: Layout) -> None:
    writer = WRITERS[layout]
    assert writer.dumps(message) == writer.dumps_any(message)


@pytest.mark.parametrize(
    "message", [ShardEnvelope("user-42", Asked(bound, 1.5)), Asked(REF), ShardEnvelope("a", Amount(1)), Empty()]
)
def test_the_messages_that_people_send_are_plain(message: Any) -> None:
    assert WRITERS[Layout.pkg]._plain.dumps(message) is not None


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_both_ways_are_bound_by_the_same_depth(depth: int) -> None:
    writer = PickleWriter(_registry(), Layout.pkg, Settings(max_depth=depth))
    message = ShardEnvelope("user-42", Asked(bound))
    results = []
    for write in (writer.dumps, writer.dumps_any):
        try:
            results.append(write(message))
        except UnsendableMessage as error:
            results.append(str(error).encode())
    assert results[0] == results[1]
    assert (results[0][:2] == b"\x80\x05") is (depth == 3)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_ref_that_would_end_a_node_is_refused_in_one_pass_too(host: str) -> None:
    ref = ActorRef(ActorAddress("s", "/a", NodeAddress(host, 1)))
    with pytest.raises(UnsendableMessage, match="cannot be sent"):
        WRITERS[Layout.pkg].dumps(ShardEnvelope("user-42", Asked(ref)))


# --- reading -------------------------------------------------------------------------------------------------------

short = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(-300, 70_000), st.floats(allow_nan=False),
    st.text(max_size=300), st.text(st.characters(codec=None), max_size=10), st.binary(max_size=5), st.just([]), st.just(()),
)  # fmt: skip


def _by_the_machine(data: bytes, start: int) -> Any:
    try:
        return run(Machine(data, _registry(), Settings(), start=start))
    except (Refused, ValueError, IndexError):
        return NOT_ALONE


@given(short, st.integers(0, 5), st.binary(max_size=3))
def test_a_scalar_alone_is_read_as_the_machine_reads_it(value: Any, protocol: int, before: bytes) -> None:
    data = before + pickle.dumps(value, protocol)
    read = alone(data, len(before))
    if read is not NOT_ALONE:
        assert (type(read), read) == (type(value), value)
        assert _by_the_machine(data, len(before)) == value


@pytest.mark.parametrize("value", [None, True, False, 0, 17, 255, 256, 65_535, 70_000, -1, 1.5, "", "ok", "é", "x" * 255])
def test_the_replies_that_counters_send_are_read_the_short_way(value: Any) -> None:
    assert alone(pickle.dumps(value, 5), 0) == value


@settings(max_examples=1000)
@given(short, st.data())
def test_a_damaged_scalar_is_left_to_the_machine_or_means_the_same_to_it(value: Any, data: st.DataObject) -> None:
    whole = bytearray(pickle.dumps(value, 5))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(
            st.integers(0, 255) | st.sampled_from(b"\x80\x95KMJGN.\x8c\x94")
        )
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
    read = alone(damaged, 0)
    if read is not NOT_ALONE:
        assert repr(read) == repr(_by_the_machine(damaged, 0))
