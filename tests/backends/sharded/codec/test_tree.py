"""JSON and msgpack trees: the forms of the protocol both ways, the same table and bounds as for pickles."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import msgpack
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.errors import UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import MemberStatus
from casty_notebook.values.limits.plain_msgpack import read_plain
from casty_notebook.values.standin import StandIn, StandInClass, module_proxy, stand_in_class
from tests.support.golden import MESSAGES, Vector
from tests.values.table import REF, USER_CLASSES, Access, Amount, Basket, Colour, Point, codec

SERIALIZERS = ("json", "msgpack")
TREES = [v for v in MESSAGES if v.serializer[0] in SERIALIZERS and v.serializer[1] is None]

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text()
hashable = scalars | st.sampled_from(Colour) | st.builds(Amount, st.integers(0, 9), st.text(max_size=3))
values = st.recursive(
    hashable,
    lambda value: st.one_of(
        st.lists(value, max_size=4),
        st.lists(value, max_size=4).map(tuple),
        st.dictionaries(hashable | st.tuples(hashable, hashable), value, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.builds(Basket, st.text(), st.lists(value, max_size=3), value),
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@settings(max_examples=200)
@given(value=values)
def test_what_is_written_is_read_back(serializer: str, value: Any) -> None:
    mine = codec(*USER_CLASSES, serializer=serializer)
    read = mine.decode(mine.encode(value))
    assert read == value
    assert type(read) is type(value)


def tree(value: Any) -> Any:
    return json.loads(codec(serializer="json").encode(value))


def test_every_value_has_the_form_of_the_protocol() -> None:
    here = "tests.values.table"
    assert tree(Amount(3)) == {"_type": f"{here}.Amount", "value": 3, "currency": "EUR"}
    assert tree(REF) == {"__ref__": REF.uri}
    assert tree(Colour.red) == {"__enum__": f"{here}.Colour", "value": "red"}
    assert tree(MemberStatus.up) == {"__enum__": "casty.cluster.state.MemberStatus", "value": "up"}
    assert tree(frozenset([1])) == {"__frozenset__": [1]}
    assert tree((1, (2,))) == {"__tuple__": [1, {"__tuple__": [2]}]}
    assert tree({1: {"a": ()}}) == {"__dict__": [[1, {"__dict__": [["a", {"__tuple__": []}]]}]]}
    assert tree(Point(1, 2)) == {"__tuple__": [1, 2]}
    assert tree(NodeAddress("a", 1)) == {"_type": "casty.cluster.state.NodeAddress", "host": "a", "port": 1}
    assert tree([None, True, 1.5, "é"]) == [None, True, 1.5, "é"]


def test_a_stand_in_is_written_with_its_fields_and_an_enum_member_by_name() -> None:
    bank = module_proxy("bank").messages
    assert tree(bank.GetBalance(colour=bank.Colour.red)) == {
        "_type": "bank.messages.GetBalance",
        "colour": {"__enum__": "bank.messages.Colour", "value": "red"},
    }


@dataclass
class Derived:
    value: int
    doubled: int = field(init=False, default=0)


def test_a_field_that_the_class_does_not_take_is_left_to_the_node() -> None:
    assert tree(Derived(1)) == {"_type": f"{Derived.__module__}.Derived", "value": 1}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1, 2}, "a set has no form"),
        (b"x", "JSON has no form for bytes"),
        (bytearray(b"x"), "a bytearray has no form"),
        (stand_in_class("a.B")(1), "positional arguments"),
        (object(), "a object has no form"),
        (1j, "a complex has no form"),
        ([{"a": {3}}], "a set has no form"),
    ],
)
def test_what_json_has_no_form_for_is_refused(value: Any, words: str) -> None:
    with pytest.raises(UnsendableMessage, match=words):
        codec(serializer="json").encode(value)


def test_msgpack_carries_bytes_and_no_integer_beyond_64_bits() -> None:
    mine = codec(serializer="msgpack")
    assert mine.decode(mine.encode([b"x", 2**64 - 1])) == [b"x", 2**64 - 1]
    with pytest.raises(UnsendableMessage, match="msgpack"):
        mine.encode(2**64)
    with pytest.raises(UnsendableMessage, match="msgpack"):
        mine.encode("\ud800")


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for serializer in SERIALIZERS:
        with pytest.raises(UnsendableMessage, match="contains itself"):
            codec(serializer=serializer).encode(loop)


# --- reading -----------------------------------------------------------------------------------------------------------


def read(value: Any, *classes: Any, serializer: str = "json", **limits: Any) -> Any:
    data = json.dumps(value).encode() if serializer == "json" else msgpack.packb(value)
    return codec(*classes, serializer=serializer, **limits).decode(data)


def test_missing_fields_take_their_defaults_and_unknown_ones_are_ignored() -> None:
    assert read({"_type": "tests.values.table.Amount", "value": 1, "later": 2, "__class__": 3}, Amount) == Amount(1)
    with pytest.raises(UndecodableMessage, match="without its fields value"):
        read({"_type": "tests.values.table.Amount"}, Amount)


def test_unknown_classes_are_stand_ins() -> None:
    got = read({"_type": "bank.messages.Balance", "amount": 3, "by": {"__enum__": "bank.Colour", "value": "red"}})
    assert got == stand_in_class("bank.messages.Balance")(amount=3, by=StandInClass("bank", "Colour.red"))
    assert repr(got) == "bank.messages.Balance(amount=3, by=<stand-in class bank.Colour.red>)"


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "antigravity.geohash", "subprocess.Popen", "casty_notebook.connect"]
)
def test_no_name_is_looked_up(name: str) -> None:
    loaded = set(sys.modules)
    assert isinstance(read({"_type": name, "x": "touch /tmp/x"}), StandIn)
    assert "antigravity" not in set(sys.modules) - loaded


def test_the_tags_are_looked_for_in_the_order_of_the_nodes() -> None:
    assert read({"__ref__": REF.uri, "_type": "a.B", "__tuple__": []}) == REF
    assert read({"__frozenset__": [1], "__dict__": [], "__tuple__": []}) == frozenset([1])
    assert read({"__dict__": [[1, 2]], "__tuple__": []}) == {1: 2}
    assert read({"__tuple__": [], "_type": "a.B"}) == ()
    # A tag with another type of content is no tag.
    assert read({"__tuple__": 5, "_type": "a.B"}) == StandIn(StandInClass("a", "B"), (), {"__tuple__": 5})


def test_untagged_objects_stay_dicts_and_their_parts_are_read() -> None:
    # No node writes one; those that receive one leave its parts as they are.
    assert read({"a": {"__tuple__": [1]}, "b": [{"__ref__": REF.uri}]}) == {"a": (1,), "b": [REF]}
    assert read({"__enum__": "a.B"}) == {"__enum__": "a.B"}


BAD = [
    {"__ref__": "http://a"}, {"__ref__": "casty://s@a..b:1/x"}, {"__ref__": "casty://s@1.2.3.4:99999/x"},
    {"__enum__": "casty.cluster.state.MemberStatus", "value": "gone"},
    {"__enum__": "tests.values.table.Colour", "value": "__class__"},
    {"__enum__": "tests.values.table.Amount", "value": "x"}, {"__enum__": "", "value": "x"}, {"_type": ""}, {"_type": "a"},
    {"_type": "a b.c"}, {"__dict__": [1]}, {"__dict__": [[1]]}, {"__dict__": [[1, 2, 3]]}, {"__dict__": [[[], 1]]},
    {"__frozenset__": [[]]}, {"_type": "casty.cluster.state.NodeAddress", "host": None, "port": 1},
    {"_type": "casty.cluster.state.NodeAddress", "host": "a", "port": "1"}, {"_type": "casty.cluster.state.NodeAddress"},
    {"_type": "casty.cluster.state.NodeAddress", "host": "a", "port": 65536},
    {"_type": "casty.cluster.topology.SubscribeTopology", "reply_to": "x"},
    {"_type": "casty.cluster.topology.TopologySnapshot", "members": []},
    {
        "_type": "casty.cluster.topology.TopologySnapshot", "members": {"__frozenset__": []}, "leader": None,
        "shard_allocations": {"counter": {"1": 2}}, "allocation_epoch": 0,
    },
    {"__frozenset__": [n * (2**61 - 1) for n in range(200)]}, {"__dict__": [[n * (2**61 - 1), 1] for n in range(200)]},
]  # fmt: skip


def fits(value: Any, serializer: str) -> bool:
    """Whether a value can be written at all: msgpack has no integers beyond 64 bits."""
    return serializer != "msgpack" or "2305843009213693951" not in json.dumps(value)


@pytest.mark.parametrize(
    ("serializer", "value"),
    [(serializer, value) for serializer in SERIALIZERS for value in BAD if fits(value, serializer)],
    ids=lambda v: v if isinstance(v, str) else json.dumps(v)[:60],
)
def test_a_bad_tree_is_an_undecodable_message(serializer: str, value: Any) -> None:
    with pytest.raises(UndecodableMessage):
        read(value, Amount, Colour, serializer=serializer)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"nul", b"[1,]", b"\xff", b'"\xff"', b"'a'", b"{1:2}", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000,
        b"[" + b"9" * 5000 + b"]",
        b'{"_type": "a.B", "x": ' + b"[" * 300 + b"]" * 300 + b"}", b"[" * 300 + b"]" * 300,
        b'{"a":' * 300 + b"1" + b"}" * 300, b"1 2", b"\0",
    ],
    ids=lambda d: repr(d[:20]),
)  # fmt: skip
def test_bad_json_is_an_undecodable_message(data: bytes) -> None:
    with pytest.raises(UndecodableMessage):
        codec(serializer="json").decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\xa1\xff", b"\x92\x01", b"\x01\x02", b"\xc7\x01\x05x", b"\xd4\xffx", b"\x81\x01\x02", b"\x81\x90\x01",
        b"\x91" * 300 + b"\x01",
    ],
    ids=lambda d: repr(d[:20]),
)  # fmt: skip
def test_bad_msgpack_is_an_undecodable_message(data: bytes) -> None:
    with pytest.raises(UndecodableMessage):
        codec(serializer="msgpack").decode(data)


def test_a_timestamp_is_a_number() -> None:
    assert codec(serializer="msgpack").decode(b"\x91\xd6\xff\x00\x00\x00\x07") == [7.0]


@pytest.mark.parametrize("header", [b"\xdd\x00\x07\xff\xff", b"\xdc\xff\xff", b"\xdf\x00\x0f\xff\xff"])
def test_msgpack_headers_that_only_promise_cost_little(header: bytes) -> None:
    mine = codec(serializer="msgpack")
    with pytest.raises(UndecodableMessage):
        mine.decode(b"\xc1")  # the library is imported
    for nested in (50, 400, 5000):
        before = psutil.Process().memory_info().rss
        with pytest.raises(UndecodableMessage):
            mine.decode(header * nested + bytes(1_100_000))
        # Not tracemalloc: slots that are promised and never filled are address space, not memory.
        assert psutil.Process().memory_info().rss - before < 80_000_000


def test_long_lists_in_msgpack_are_read() -> None:
    value = [list(range(0xDC00, 0xDDFF))] * 40 + [list(range(70000))]
    assert read(value, serializer="msgpack") == value


def test_the_number_of_values_is_bounded() -> None:
    assert read([1] * 900, max_items=1000) == [1] * 900
    for serializer in SERIALIZERS:
        with pytest.raises(UndecodableMessage):
            read([[1]] * 3000, serializer=serializer, max_items=1000)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@settings(max_examples=200)
@given(data=st.binary(max_size=100))
def test_any_bytes_give_a_value_or_an_undecodable_message(serializer: str, data: bytes) -> None:
    try:
        repr(codec(serializer=serializer).decode(data))
    except UndecodableMessage:
        return


json_values = st.recursive(
    scalars | st.sampled_from(["a.B", "casty.cluster.state.NodeAddress", "tests.values.table.Colour", "red", REF.uri]),
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["_type", "__ref__", "__enum__", "value", "__tuple__", "__dict__", "__frozenset__", "host", "port", "x"]
            ),
            v,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@settings(max_examples=300)
@given(value=json_values)
def test_any_tree_gives_a_value_or_an_undecodable_message(serializer: str, value: Any) -> None:
    try:
        got = read(value, *USER_CLASSES, serializer=serializer)
    except UndecodableMessage:
        return
    repr(got)


@settings(max_examples=200)
@given(st.sampled_from(TREES), st.data())
def test_a_damaged_golden_tree_gives_a_value_or_an_undecodable_message(vector: Vector, data: st.DataObject) -> None:
    payload = bytearray(vector.payload)
    for _ in range(data.draw(st.integers(1, 5))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        codec(serializer=vector.serializer[0]).decode(bytes(payload))
    except UndecodableMessage:
        return


def test_flags_have_no_single_name_and_their_members_do() -> None:
    mine = codec(Access, serializer="json")
    assert mine.decode(mine.encode(Access.read)) is Access.read


def test_a_plain_tree_of_maps_within_maps_is_refused_before_it_is_built() -> None:
    maps = b"\xdd" + (1_000_000).to_bytes(4) + b"\x81\xa1a\x80" * 1_000_000
    with pytest.raises(UndecodableMessage, match=r"Settings\.max_memory"):
        read_plain(maps, Settings())
    assert read_plain(msgpack.packb([{"a": {}}] * 3), Settings()) == [{"a": {}}] * 3
