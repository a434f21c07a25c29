"""The pickle machine on honest input: it builds what stock pickle builds, from every protocol."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import pathlib
import pickle
import pickletools
import sys
import uuid
import zoneinfo
from typing import Any

import attrs
import cloudpickle  # type: ignore[import-untyped]
import msgspec
import pydantic
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from casty_notebook.errors import UndecodableMessage
from casty_notebook.values.standin import StandIn, StandInClass, stand_in_class
from tests.values.table import (
    USER_CLASSES,
    Access,
    Amount,
    Basket,
    Colour,
    Empty,
    Outer,
    Point,
    Slotted,
    SlottedMutable,
    codec,
    plain_loads,
)

# NaN is not equal to itself, which says nothing about pickles.
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**600), 2**600), st.floats(allow_nan=False), st.text(),
    st.binary(), st.complex_numbers(allow_nan=False), st.datetimes(), st.dates(), st.times(), st.timedeltas(), st.uuids(),
    st.decimals(allow_nan=False), st.fractions(), st.sampled_from(Colour), st.sampled_from(Access),
    st.datetimes(timezones=st.just(datetime.UTC)), st.builds(Amount, st.integers(), st.text()), st.just(Empty()),
    st.builds(Point, st.integers(), st.integers()), st.builds(Outer.Inner, st.integers()),
)  # fmt: skip
keys = st.recursive(scalars, lambda key: st.tuples(key, key) | st.frozensets(key, max_size=3), max_leaves=6)
values = st.recursive(
    scalars,
    lambda value: st.one_of(
        st.lists(value, max_size=5),
        st.tuples(value),
        st.tuples(value, value, value, value),
        st.dictionaries(keys, value, max_size=4),
        st.sets(keys, max_size=4),
        st.builds(Basket, st.text(), st.lists(value, max_size=3), value),
        st.builds(Slotted, value, value),
        st.builds(SlottedMutable, value),
        st.lists(value, max_size=4).map(collections.deque),
        st.dictionaries(st.text(), value, max_size=3).map(collections.OrderedDict),
        st.binary().map(bytearray),
        value.map(lambda shared: [shared, shared, (shared, shared)]),
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(values, st.integers(0, 5))
def test_the_machine_builds_what_stock_pickle_builds(value: Any, protocol: int) -> None:
    try:
        data = pickle.dumps(value, protocol)
    except TypeError:
        assume(protocol > 1)  # classes with slots are not for the first protocols
        raise
    wanted = pickle.loads(data)
    got = codec(*USER_CLASSES).decode(data)
    assert got == wanted == value
    assert type(got) is type(wanted)
    assert repr(got) == repr(wanted)
    assert codec(*USER_CLASSES).decode(pickletools.optimize(data)) == wanted


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        collections.Counter("abca"), range(3), slice(1, None, 2), datetime.timezone(datetime.timedelta(hours=1), "x"),
        datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")), pathlib.PurePosixPath("/a/b"),
        pathlib.PureWindowsPath("c:/a"), collections.deque([1, 2], 5), {1: {2: {3}}}, b"x" * 300, "x" * 70000, [None] * 3000,
        dict.fromkeys(range(3000)), set(range(3000)), frozenset(range(3000)), (1,) * 300, 2**2000, -(2**31), 2**31, -1, 255,
        256, 65536,
        float("inf"), -0.0, "\ud800", "", b"", {}, [], (), set(), frozenset(), "nøde 🧺",
    ],
    ids=lambda v: repr(v)[:30],
)  # fmt: skip
def test_values_of_the_standard_library_come_as_themselves(value: Any, protocol: int) -> None:
    got = codec().decode(pickle.dumps(value, protocol))
    assert got == value
    assert type(got) is type(value)


def test_not_a_number_is_read() -> None:
    assert str(codec().decode(pickle.dumps([float("nan"), decimal.Decimal("NaN")]))) == "[nan, Decimal('NaN')]"


def test_a_concrete_path_comes_as_a_pure_one() -> None:
    got = codec().decode(pickle.dumps(pathlib.Path("/a/b")))
    assert got in (pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("/a/b"))


def test_a_defaultdict_comes_as_a_plain_dict() -> None:
    got = codec().decode(pickle.dumps(collections.defaultdict(list, a=[1])))
    assert type(got) is dict
    assert got == {"a": [1]}


def test_a_time_zone_comes_by_its_name_where_the_system_has_it() -> None:
    zone = zoneinfo.ZoneInfo("Europe/Amsterdam")
    got = codec().decode(pickle.dumps(datetime.datetime(2026, 7, 1, 12, tzinfo=zone)))
    if isinstance(got, StandIn):
        pytest.skip("no zone files on this system")
    assert got.utcoffset() == datetime.timedelta(hours=2)
    assert got.tzinfo.key == "Europe/Amsterdam"


def test_an_unknown_zone_leaves_a_stand_in() -> None:
    zone = codec().decode(pickle.dumps(zoneinfo.ZoneInfo("UTC")).replace(b"UTC", b"XYZ"))
    assert repr(zone) == "zoneinfo.ZoneInfo._unpickle('XYZ', 1)"


@pytest.mark.parametrize("protocol", range(6))
def test_classes_that_are_not_in_the_table_come_as_stand_ins(protocol: int) -> None:
    mine, here = codec(), "tests.values.table"
    assert mine.decode(pickle.dumps(Amount(3), protocol)) == stand_in_class(f"{here}.Amount")(value=3, currency="EUR")
    assert mine.decode(pickle.dumps(Point(1, 2), protocol)) == stand_in_class(f"{here}.Point")(1, 2)
    assert mine.decode(pickle.dumps(Colour.red, protocol)) == stand_in_class(f"{here}.Colour")(1)
    assert mine.decode(pickle.dumps(Empty(), protocol)) == stand_in_class(f"{here}.Empty")()
    if protocol > 1:
        assert mine.decode(pickle.dumps(SlottedMutable(1), protocol)) == stand_in_class(f"{here}.SlottedMutable")(left=1, right=2)
        assert mine.decode(pickle.dumps(Slotted(1), protocol)) == stand_in_class(f"{here}.Slotted")(1, 2)


class Names(list[str]):
    """A subclass of a collection."""


class Ages(dict[str, int]):
    """A subclass of a mapping, with a field."""


def test_subclasses_of_collections_come_as_stand_ins_with_their_contents() -> None:
    assert repr(codec().decode(pickle.dumps(Names("ab"))).to_dict()) == "{'items': ['a', 'b']}"
    ages = Ages(a=1)
    ages.note = "x"  # type: ignore[attr-defined]
    assert codec().decode(pickle.dumps(ages)).to_dict() == {"note": "x", "items": {"a": 1}}


def test_a_class_or_function_as_a_value_is_its_inert_name_or_the_class_of_the_table() -> None:
    assert codec().decode(pickle.dumps([int, len])) == [StandInClass("builtins", "int"), StandInClass("builtins", "len")]
    assert codec(Amount).decode(pickle.dumps(Amount)) is Amount


def test_fields_that_are_missing_take_their_defaults() -> None:
    data = pickle.dumps(Amount(3)).replace(b"\x8c\x08currency", b"\x8c\x08currenc_")
    with pytest.raises(UndecodableMessage, match="currenc_"):
        codec(Amount).decode(data)
    head = b"\x80\x04\x8c\x12tests.values.table\x8c\x06Amount\x93"
    assert codec(Amount).decode(head + b")\x81}\x8c\x05valueK\x03sb.") == Amount(3)
    assert codec(Amount).decode(head + b"K\x03\x85R.") == Amount(3)
    with pytest.raises(UndecodableMessage, match="without its fields value"):
        codec(Amount).decode(head + b")\x81}b.")


def test_a_cached_property_that_was_read_on_the_node_is_no_field_and_no_obstacle() -> None:
    basket = Basket("me")
    vars(basket)["total"] = 5
    data = pickle.dumps(basket)
    with pytest.raises(UndecodableMessage, match="has no field 'total'"):
        codec(Basket).decode(data)

    import functools

    Basket.total = functools.cached_property(len)  # type: ignore[attr-defined]
    try:
        assert codec(Basket).decode(data) == Basket("me")
    finally:
        del Basket.total  # type: ignore[attr-defined]


def test_attrs_msgspec_and_pydantic_classes_come_as_themselves() -> None:
    made: list[Any] = []
    module = sys.modules[__name__]

    @attrs.define
    class AttrsMessage:
        value: int
        note: str = "x"

    made.append(AttrsMessage(1))
    Message = msgspec.defstruct("Message", [("value", int), ("note", str, "x")], module=__name__)
    Keyword = msgspec.defstruct("Keyword", [("value", int), ("note", str, "x")], module=__name__, kw_only=True)
    Model = pydantic.create_model("Model", value=(int, ...), note=(str, "x"), __module__=__name__)
    made += [Message(1), Keyword(value=1), Model(value=1)]
    for message in made:
        cls = type(message)
        cls.__qualname__ = cls.__name__
        setattr(module, cls.__name__, cls)
        sys.modules.setdefault(cls.__module__, module)
        data = pickle.dumps(message)
        assert codec(cls).decode(data) == message
        standin = codec().decode(data)
        assert standin == stand_in_class(f"{cls.__module__}:{cls.__name__}")(value=1, note="x") or standin._standin_args == (
            1,
            "x",
        )


def test_a_pickle_of_cloudpickle_with_a_function_by_value_runs_nothing() -> None:
    data = cloudpickle.dumps(lambda: sys.exit("executed"))
    with pytest.raises(UndecodableMessage):
        codec(serializer="cloudpickle").decode(data)


def test_persistent_numbers_of_the_memo_are_honoured() -> None:
    data = b"\x80\x02(K\x01r\x00\x01\x00\x00X\x01\x00\x00\x00aq\x05j\x00\x01\x00\x00h\x05t."
    assert codec().decode(data) == (1, "a", 1, "a")


@settings(max_examples=150)
@given(values)
def test_the_shortcut_for_shards_changes_nothing_elsewhere(value: Any) -> None:
    data = pickle.dumps(value, 5)
    assert plain_loads(data, *USER_CLASSES) == codec(*USER_CLASSES).decode(data)


def test_uuids_and_fractions_of_honest_size_are_read() -> None:
    value = [uuid.UUID(int=2**128 - 1), fractions.Fraction(2**200, 3), decimal.Decimal("1e-300"), decimal.Decimal("-Infinity")]
    assert codec().decode(pickle.dumps(value)) == value
