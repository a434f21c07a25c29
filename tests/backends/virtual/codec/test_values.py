"""Values as casty 0.30 writes and reads them; the pairs were made with `casty` 0.30.2 itself."""

from __future__ import annotations

import bisect
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.backends.virtual.codec.packing import unpack
from casty_notebook.backends.virtual.codec.values import EntityKey, ReplyTo, ValueReader, message_name, write_message
from casty_notebook.errors import MisuseError, UndecodableMessage, UnsendableMessage
from casty_notebook.values.message_text import written_message
from casty_notebook.values.one_of import OneOf
from casty_notebook.values.standin import StandIn, stand_in_class
from tests.backends.virtual import messages
from tests.backends.virtual.messages import Colour, Inner, Zoo

ME = ReplyTo(bytes(16), 7)


class Level(IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Holder:
    value: Any
    one: Inner | None = None
    many: tuple[Inner, ...] = ()
    mixed: tuple[Inner | Zoo, ...] = ()
    by_name: Mapping[str, Inner] | None = None


@dataclass(frozen=True)
class Tree:
    value: int
    left: Tree | None = None
    right: Tree | None = None


def written(value: Any) -> Any:
    """How a value travels as a field."""
    name, fields = msgpack.unpackb(write_message(Holder(value), None))
    assert name == "Holder"
    return fields["value"]


@pytest.mark.parametrize(
    ("value", "tree"),
    [
        (None, None), (True, True), (2**63, 2**63), (1.5, 1.5), ("né", "né"), (b"\0", b"\0"), (bytearray(b"a"), b"a"),
        ((1, 2), [1, 2]), ([1, (2,)], [1, [2]]), (frozenset({"b", "a"}), ["a", "b"]), ({3, 1}, [1, 3]),
        ({"b": 1, "a": 2}, [["a", 2], ["b", 1]]), ({2: "x", 1: "y"}, [[1, "y"], [2, "x"]]),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone(timedelta(hours=1))), [-3599000000, 3600]),
        (date(1970, 1, 6), 5), (timedelta(days=1, microseconds=7), 86400000007), (Decimal("1.50"), "1.50"),
        (UUID(int=5), bytes(15) + b"\5"), (Colour.RED, "RED"), (Level.LOW, "LOW"), (stand_in_class("shop.Colour.RED"), "RED"),
        (EntityKey("shop.actors:counter", "a"), ["e", "shop.actors:counter", "a"]), (ME, ["r", None, bytes(16), 7]),
        # Of a field that says nothing of its class: as one class, without its name.
        (Inner(1), {"x": 1}), (OneOf(Inner(1)), ["Inner", {"x": 1}]), (stand_in_class("shop.Inner")(x=1), {"x": 1}),
    ],
)  # fmt: skip
def test_each_kind_of_value_travels_as_castys_own(value: Any, tree: Any) -> None:
    assert written(value) == tree


def test_a_dataclass_says_its_name_where_there_are_alternatives() -> None:
    inner = Inner(1)
    data = write_message(Holder(0, one=inner, many=(inner,), mixed=(inner,), by_name={"a": inner}), ME)
    assert msgpack.unpackb(data) == [
        "Holder",
        {
            "value": 0, "one": ["Inner", {"x": 1}], "many": [{"x": 1}], "mixed": [["Inner", {"x": 1}]],
            "by_name": [["a", {"x": 1}]], "reply_to": ["r", None, bytes(16), 7],
        },
    ]  # fmt: skip


def test_names_are_qualified_and_without_their_module() -> None:
    assert message_name(Inner(1)) == "Inner"
    assert message_name(stand_in_class("bank:Outer.Get")()) == "Outer.Get"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**70, "value: .* 64 bits"), ((0, {"a": -(2**63) - 1}), "value: .* 64 bits"), (2**9999, "10,000 bits"),
        (datetime(2026, 1, 1), "without a time zone"), (object(), "object cannot be sent"),
        ("\ud800", "value: .* half of a character"), (lambda: 1, "function cannot be sent"), (1j, "complex cannot be sent"),
        (stand_in_class("shop.Inner")(1), "name the fields"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_by_name(value: Any, said: str) -> None:
    with pytest.raises(UnsendableMessage, match=said):
        written(value)


@pytest.mark.parametrize("value", [5, None, {"a": 1}, Decimal(1), (1, 2)])
def test_what_is_no_message_is_refused_as_a_message(value: Any) -> None:
    with pytest.raises(UnsendableMessage, match=r"the message: .* cannot be one.* with named fields"):
        write_message(value, None)


def test_one_of_several_classes_is_written_by_name_in_a_text() -> None:
    put = written_message("shop.Put(item=casty_notebook.OneOf(shop.Inner(x=1)))")
    assert unpack(write_message(put, None))[1]["item"] == ["Inner", {"x": 1}]
    with pytest.raises(UnsendableMessage, match="takes one value"):
        write_message(written_message("shop.Put(item=casty_notebook.OneOf())"), None)


def test_what_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(UnsendableMessage, match="contains itself"):
        written(ring)


# --- reading -------------------------------------------------------------------------------------------------------


def test_what_is_not_named_is_shown_as_it_came() -> None:
    reply = ValueReader().read(msgpack.packb(["Outer.Got", {"pairs": [["a", 1]], "inner": {"x": 1}, "c": "RED"}]))
    assert type(reply) is StandIn
    assert repr(reply) == "Outer.Got(pairs=(('a', 1),), inner={'x': 1}, c='RED')"


def test_named_classes_are_read_by_their_annotations() -> None:
    reader = ValueReader()
    reader.register(messages, Tree)
    tree = Tree(1, Tree(2, None, Tree(3)))
    assert reader.read(write_message(tree, None)) == tree


def test_what_does_not_fit_a_named_class_is_a_stand_in() -> None:
    reader = ValueReader()
    reader.register(Inner)
    for fields in ({"y": 1}, {"x": "text"}, {}):
        reply = reader.read(msgpack.packb(["Inner", fields]))
        assert type(reply) is StandIn
    assert reader.read(msgpack.packb(["Inner", {"x": 1, "unknown": 2}])) == Inner(1)


def test_only_classes_that_declare_fields_are_registered() -> None:
    reader = ValueReader()
    for wrong in (object, 42, bisect):
        with pytest.raises(MisuseError):
            reader.register(wrong)


moments = st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-5))))
spans = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))
zoos = st.builds(
    Zoo, st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(), st.binary(), st.none() | st.integers(0, 9),
    st.lists(st.integers(0, 9)).map(tuple), st.tuples(st.integers(0, 9), st.text()), st.frozensets(st.text()),
    st.dictionaries(st.text(), st.integers(0, 9)), moments, st.dates(), spans, st.decimals(allow_nan=False), st.uuids(),
    st.sampled_from(Colour), st.builds(Inner, st.integers(0, 9)), st.lists(st.builds(Inner, st.integers(0, 9))).map(tuple),
    st.none() | st.builds(Inner, st.integers(0, 9)),
)  # fmt: skip


@given(zoos)
def test_whatever_is_written_is_read_again(zoo: Zoo) -> None:
    reader = ValueReader()
    reader.register(messages)
    assert reader.read(write_message(zoo, None)) == zoo


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    | st.tuples(st.sampled_from(["Inner", "Zoo", "Tree", "Nobody"]), st.dictionaries(st.sampled_from(["x", "left"]), inner)),
    max_leaves=20,
)  # fmt: skip


@given(trees)
def test_every_tree_is_shown(tree: Any) -> None:
    reader = ValueReader()
    reader.register(messages, Tree)
    repr(reader.read(msgpack.packb(tree)))


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    try:
        ValueReader().read(data)
    except UndecodableMessage:
        return


def test_a_value_is_bounded_in_depth_and_number() -> None:
    with pytest.raises(UndecodableMessage, match="nested"):
        ValueReader().read(b"\x91" * 200 + b"\x90")
    with pytest.raises(UndecodableMessage):
        ValueReader().read(b"\x91" * 100_000 + b"\x90")
    for code in (b"\x90", b"\x80", b"\x91\x90"):
        with pytest.raises(UndecodableMessage, match="MiB"):
            unpack(b"\xdd" + (2_000_000).to_bytes(4) + code * 2_000_000)
    for lying in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc7\x05\x01abcde", b"\xc1"):
        with pytest.raises(UndecodableMessage):
            unpack(lying)


def test_a_value_and_the_tree_that_it_was_read_from_are_not_there_at_the_same_time() -> None:
    data = msgpack.packb([[[]]] * 20_000)

    def most(read: Any) -> int:
        tracemalloc.start()
        try:
            read(data)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The list of all is there twice when it becomes a tuple: 8 bytes of some 140 for each.
    assert most(ValueReader().read) < 1.15 * most(unpack)
