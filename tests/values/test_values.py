"""Values of the standard library, as actors reply them: read as what they are where that is safe, inert where it is not."""

from __future__ import annotations

import ipaddress
import pickle
import re
import types
from array import array
from collections import ChainMap
from dataclasses import dataclass
from typing import Any

import pytest

from casty_notebook.errors import UndecodableMessage
from casty_notebook.values.remote_error import RemoteError
from casty_notebook.values.standin import StandIn, StandInClass
from tests.values.table import Amount, codec

MAPS: list[dict[str, Any]] = [{"a": 1}, {"b": {"c": 2}}]
VALUES: list[Any] = [
    ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("fe80::1%eth0"), ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("2001:db8::/32"), ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_interface("::1/64"),
    re.compile(r"^a[b-d]+\.(?P<x>\d)$", re.IGNORECASE | re.MULTILINE), re.compile(rb"\x00[\x80-\xff]"), re.compile("[äöü]"),
    array("d", [1.5, -2.0]), array("b", [-1]), array("L", [1, 2**31]), array("Q", [2**63]), array("f"),
    types.SimpleNamespace(a=1, b=[types.SimpleNamespace()]), ChainMap(*MAPS), ChainMap(),
]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_ordinary_values_are_read_as_what_they_are(value: Any, protocol: int) -> None:
    got = codec().decode(pickle.dumps([value, {"in": value}], protocol))
    assert got == [value, {"in": value}]
    assert type(got[0]) is type(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_was_received_can_be_sent_on(value: Any) -> None:
    mine = codec()
    assert mine.decode(mine.encode(mine.decode(pickle.dumps(value)))) == value


def test_an_array_of_another_machine_is_read_by_its_numbers() -> None:
    other = pickle.dumps(array("i", [1, -2]), 4).replace(array("i", [1, -2]).tobytes(), b"\x00\x00\x00\x01\xff\xff\xff\xfe")
    assert codec().decode(other.replace(b"K\x08", b"K\x09")) == array("i", [1, -2])


@pytest.mark.parametrize("name", ["__array_interface__", "_repr_html_", "__class__", "not an identifier"])
def test_a_namespace_with_names_that_libraries_look_for_stays_a_stand_in(name: str) -> None:
    got = codec().decode(pickle.dumps(types.SimpleNamespace(**{name: 1})))
    assert type(got) is StandIn
    assert got.to_dict() == {name: 1}


@pytest.mark.parametrize("pattern", ["(", "a" * 5000, "[[a]", "(?P<a>x)(?P<a>y)", "(" * 900])
def test_a_pattern_that_cannot_be_compiled_quietly_stays_a_stand_in(pattern: str) -> None:
    made = pickle.dumps(re.compile("PATTERN")).replace(
        b"\x8c\x07PATTERN", b"X" + len(pattern.encode()).to_bytes(4, "little") + pattern.encode()
    )
    assert type(codec().decode(made[:2] + made[11:])) is StandIn


@pytest.mark.parametrize("protocol", range(6))
def test_an_exception_comes_as_an_inert_value(protocol: int) -> None:
    error = ValueError("no", 3)
    error.add_note("at noon")
    got = codec().decode(pickle.dumps({"error": error}, protocol))["error"]
    assert got == RemoteError(StandInClass("builtins", "ValueError"), ("no", 3), {"__notes__": ["at noon"]})
    assert not isinstance(got, BaseException)
    assert repr(got) == "RemoteError(ValueError, 'no', 3, __notes__=['at noon'])"


class OutOfStockError(Exception):
    """Not in the table."""


def test_an_exception_of_the_nodes_own_is_known_by_its_name_and_can_be_sent_on_as_what_it_was() -> None:
    mine = codec()
    got = mine.decode(pickle.dumps(OutOfStockError("sku-1")))
    assert got == RemoteError(StandInClass(__name__, "OutOfStockError"), ("sku-1",))
    sent_on = pickle.loads(mine.encode(got))
    assert type(sent_on) is OutOfStockError
    assert sent_on.args == ("sku-1",)


def test_an_exception_that_contains_itself_is_refused() -> None:
    error = ValueError("no")
    error.itself = error  # type: ignore[attr-defined]
    with pytest.raises(UndecodableMessage, match="contains itself"):
        codec().decode(pickle.dumps(error))


@dataclass
class Box[T]:
    """Keeps with which arguments it was called."""

    value: T


def test_an_instance_of_a_generic_class_called_with_its_arguments_is_read() -> None:
    boxes = [Box[int](3), Box[list[str]](["x"]), Amount(1)]
    assert codec(Box, Amount).decode(pickle.dumps(boxes)) == [Box(3), Box(["x"]), Amount(1)]
    stranger = codec().decode(pickle.dumps(boxes))[0]
    assert stranger.to_dict() == {"value": 3}


def test_bytes_as_long_as_a_frame_are_read() -> None:
    value = bytes(63 * 2**20)
    assert codec().decode(pickle.dumps(value)) == value
    assert codec(serializer="msgpack").decode(codec(serializer="msgpack").encode(value)) == value
