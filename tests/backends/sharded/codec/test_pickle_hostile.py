"""Hostile pickles: nothing in them is executed or imported, and none costs more than its bytes are worth."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.errors import UndecodableMessage
from casty_notebook.values.standin import StandIn, StandInClass
from tests.support.golden import MESSAGES, Vector
from tests.values.table import USER_CLASSES, Access, Amount, Basket, Colour, Empty, Point, Slotted, codec, plain_loads

PICKLES = [v for v in MESSAGES if v.serializer[0] in ("pickle", "cloudpickle") and v.serializer[1] is None]


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def name(dotted: str) -> bytes:
    module, _, qualname = dotted.partition(":")
    return text(module) + text(qualname) + b"\x93"


def refused(payload: bytes, *classes: Any, match: str | None = None, **limits: Any) -> str:
    with pytest.raises(UndecodableMessage, match=match) as caught:
        codec(*classes, **limits).decode(payload)
    return str(caught.value)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that only executed code would make; and no module may be imported by what a test decodes."""
    path = tmp_path / "executed"
    loaded = set(sys.modules)
    yield path
    assert not path.exists()
    assert not {"antigravity", "this", "ctypes.util", "telnetlib"} & (set(sys.modules) - loaded)


# --- code ----------------------------------------------------------------------------------------------------------


class Runs:
    """Pickles as a call."""

    def __init__(self, func: Callable[..., Any], *args: Any) -> None:
        self.call = func, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_calls_are_noted_and_never_made(canary: Path, protocol: int) -> None:
    for call in (
        Runs(os.system, f"touch {canary}"),
        Runs(eval, f"open({str(canary)!r}, 'w')"),
        Runs(exec, f"open({str(canary)!r}, 'w')"),
        Runs(open, str(canary), "w"),
        Runs(subprocess.Popen, ["touch", str(canary)]),
        Runs(subprocess.check_output, ["touch", str(canary)]),
        Runs(__import__, "antigravity"),
        Runs(getattr, os, "system"),
    ):
        try:
            payload = pickle.dumps(call, protocol)
        except TypeError:
            continue
        message = codec().decode(payload)
        assert isinstance(message, StandIn)


@pytest.mark.parametrize(
    "dotted",
    [
        "os:system", "posix:system", "builtins:eval", "builtins:exec", "builtins:__import__", "builtins:open",
        "subprocess:Popen", "antigravity:geohash", "this:s", "casty_notebook.values.registry:Registry",
        "casty_notebook.address:NodeAddress.parse", "casty_notebook.values.envelope:hashlib.md5", "os:path.join",
        "builtins:getattr.__call__", "tests.values.table:Amount.__init__.__globals__", "pickle:loads", "ctypes.util:find_library",
        "casty.remote.ref:restore_actor_ref.__globals__", "functools:partial.__call__", "codecs:decode",
    ],
)  # fmt: skip
def test_any_name_that_is_not_in_the_table_is_inert(dotted: str, canary: Path) -> None:
    mine = codec(*USER_CLASSES)
    called = mine.decode(b"\x80\x04" + name(dotted) + text(f"touch {canary}") + b"\x85R.")
    assert isinstance(called, StandIn)
    assert called._standin_args == (f"touch {canary}",)
    made = mine.decode(b"\x80\x04" + name(dotted) + b")\x81.")
    assert isinstance(made, StandIn)
    assert isinstance(mine.decode(b"\x80\x04" + name(dotted) + b"."), StandInClass)


def test_a_call_of_a_call_is_refused() -> None:
    partial = name("functools:partial") + name("os:system") + b"\x85R"
    refused(b"\x80\x04" + partial + b"(" + text("x") + b"tR.", match="calls a stand-in")
    refused(b"\x80\x04" + name("builtins:getattr") + name("os:system") + text("x") + b"\x86R)R)R.", match="calls")
    refused(b"\x80\x04K\x01)R.", match="calls a int")
    refused(b"\x80\x04" + text("os.system") + b")R.", match="calls a str")


def test_a_partial_of_a_registered_class_makes_only_that_class() -> None:
    head = name("functools:partial") + name("tests.values.table:Amount") + b"\x85R("
    state = name("tests.values.table:Amount") + b")}" + text("value") + b"K\x07sNtb)R."
    assert codec(Amount).decode(b"\x80\x04" + head + state) == Amount(7)
    refused(b"\x80\x04" + head + name("tests.values.table:Amount") + b")}" + text("__class__") + b"K\x07sNtb)R.", Amount)


@pytest.mark.parametrize(
    "payload",
    [
        b"Pid\n.", b"K\x01Q.", b"\x82\x01.", b"\x83\x01\x00.", b"\x84\x01\x00\x00\x00.", b"(ios\nsystem\n.",
        b"(cos\nsystem\no.", b"\x97.", b"\x98.", b"S'x'\n.", b"U\x01x.", b"T\x01\x00\x00\x00x.", b"\x80\x06N.", b"\xff.",
        b"\x00.",
    ],
)  # fmt: skip
def test_opcodes_that_reach_outside_the_pickle_or_are_unknown_are_refused_by_name(payload: bytes) -> None:
    message = refused(payload)
    assert "offset" in message


# --- state of classes of the table ------------------------------------------------------------------------------------

AMOUNT = name("tests.values.table:Amount")


@pytest.mark.parametrize("key", ["__class__", "__dict__", "__init__", "__setstate__", "other", "", "value\0", "__slots__"])
def test_state_may_only_name_declared_fields(key: str) -> None:
    payload = b"\x80\x04" + AMOUNT + b")\x81}(" + text("value") + b"K\x01" + text(key) + b"K\x02ub."
    refused(payload, Amount, match="has no field")


@pytest.mark.parametrize(
    "state",
    [b"N", b"K\x01", b"]", b")", b"}", b"(K\x01K\x02K\x03t", b"}K\x01K\x02s", b"}Nb", text("x"), b"}N\x86", b"NN\x86", b"}}\x86"],
)
def test_state_of_another_form_is_refused(state: bytes) -> None:
    refused(b"\x80\x04" + AMOUNT + b")\x81" + state + b"b.", Amount)


def test_an_object_without_its_state_is_refused() -> None:
    for tail in (b".", b"0N.", b"\x85.", b"]\x94h\x00h\x00a."):
        refused(b"\x80\x04" + AMOUNT + b")\x81\x94" + tail, Amount)
    refused(b"\x80\x04]" + AMOUNT + b")\x81a.", Amount, match="before every object has its state")


def test_state_comes_once() -> None:
    once = AMOUNT + b")\x81\x94}" + text("value") + b"K\x01sb"
    assert codec(Amount).decode(b"\x80\x04" + once + b".") == Amount(1)
    again = b"}" + text("value") + b"K\x02sb."
    refused(b"\x80\x04" + once + again, Amount, match="has it already")
    refused(b"\x80\x04" + once + b"h\x00" + again, Amount, match="has it already")


def test_state_is_set_on_nothing_else() -> None:
    bag = b"}" + text("x") + b"K\x01sb."
    for target in (b"K\x01", b"]", b"}", b")", text("s"), b"\x8f", name("tests.values.table:Colour") + b"K\x01\x85R", AMOUNT):
        refused(b"\x80\x04" + target + bag, Amount, Colour, match="sets the state")


def test_a_class_itself_cannot_be_changed_through_a_pickle() -> None:
    before = dict(vars(Amount))
    refused(b"\x80\x04" + AMOUNT + b"}" + text("value") + b"K\x01sb.", Amount)
    refused(b"\x80\x04" + AMOUNT + b"(K\x01K\x02u.", Amount)
    assert dict(vars(Amount)) == before


def test_neither_init_nor_post_init_of_a_registered_class_runs() -> None:
    import dataclasses

    @dataclasses.dataclass
    class Watched:
        value: int

        def __post_init__(self) -> None:
            raise AssertionError("executed")

    Watched.__qualname__ = "Watched"
    head = b"\x80\x04" + name(f"{__name__}:Watched")
    assert codec(Watched).decode(head + b")\x81}" + text("value") + b"K\x05sb.").value == 5
    assert codec(Watched).decode(head + b"K\x05\x85R.").value == 5


def test_enum_members_are_found_not_called() -> None:
    colour = b"\x80\x04" + name("tests.values.table:Colour")
    assert codec(Colour).decode(colour + b"K\x01\x85R.") is Colour.red
    assert codec(Access).decode(b"\x80\x04" + name("tests.values.table:Access") + b"K\x03\x85R.") == Access.read | Access.write
    for args in (b"K\x09\x85", b")", b"K\x01K\x01\x86", b"]\x85", b"}\x85", text("red") + b"\x85"):
        refused(colour + args + b"R.", Colour)
    refused(colour + b")\x81}b.", Colour)
    refused(colour + b"}\x81.", Colour)


def test_a_class_with_wrong_arity_is_refused() -> None:
    for cls, args in ((Amount, b"(K\x01K\x02K\x03t"), (Point, b"(K\x01K\x02K\x03t"), (Amount, b")"), (Empty, b"K\x01\x85")):
        refused(b"\x80\x04" + name(f"tests.values.table:{cls.__name__}") + args + b"R.", *USER_CLASSES)


# --- types of the protocol's own messages ---------------------------------------------------------------------------


def node(host: bytes = text("a"), port: bytes = b"K\x01") -> bytes:
    return name("casty.cluster.state:NodeAddress") + b")\x81}(" + text("host") + host + text("port") + port + b"ub"


@pytest.mark.parametrize(
    "payload",
    [
        node(host=b"N"), node(host=b"K\x01"), node(port=b"N"), node(port=text("1")), node(port=b"J\xff\xff\xff\xff"),
        node(port=b"J\x00\x00\x01\x00"), node(port=b"\x88"), node(host=b"]"), node(host=text("a" * 300)),
        name("casty.cluster.state:NodeAddress") + b")\x81}b",
        name("casty.cluster.state:NodeAddress") + b")\x81}(" + text("host") + text("a") + text("x") + b"K\x01ub",
        name("casty.cluster.state:ShardAllocation") + b"K\x01\x85R",
        name("casty.cluster.state:ShardAllocation") + node() + b"]\x86R",
        name("casty.cluster.state:ShardAllocation") + node() + b"K\x01\x85\x86R",
        name("casty.cluster.coordinator:ShardLocation") + text("1") + node() + b"\x86R",
        name("casty.cluster.topology:SubscribeTopology") + text("not a ref") + b"\x85R",
        name("casty.cluster.receptionist:Listing") + text("key") + b"\x85R",
        name("casty.remote.ref:restore_actor_ref") + b")R",
        name("casty.remote.ref:restore_actor_ref") + b"K\x01\x85R",
        name("casty.remote.ref:restore_actor_ref") + text("http://a") + b"\x85R",
        name("casty.remote.ref:restore_actor_ref") + text("casty://s@a..b:1/x") + b"\x85R",
        name("casty.remote.ref:restore_actor_ref") + text("casty://s@1.2.3.4:70000/x") + b"\x85R",
        name("casty.remote.ref:restore_actor_ref") + text("a") + text("b") + b"\x86R",
    ],
)  # fmt: skip
def test_casty_s_own_messages_with_fields_of_another_type_are_refused(payload: bytes) -> None:
    refused(b"\x80\x04" + payload + b".")


SNAPSHOT = name("casty.cluster.topology:TopologySnapshot")
MEMBERS = b"(\x91N"  # members, leader


def test_a_snapshot_is_checked_as_it_is_when_the_pickle_ends() -> None:
    # The dict goes into the snapshot empty, and only then gets an allocation that is none.
    late = SNAPSHOT + b"(" + MEMBERS + b"}\x94K\x00tR" + b"h\x00" + text("counter") + b"}K\x01K\x02ss0."
    refused(b"\x80\x04" + late, match="TopologySnapshot.shard_allocations")
    good = SNAPSHOT + b"(" + MEMBERS + b"}K\x00tR."
    assert codec().decode(b"\x80\x04" + good).allocation_epoch == 0


@pytest.mark.parametrize(
    "shards", [b"]", b"N", b"}K\x01}s", b"}" + text("c") + b"]s", b"}" + text("c") + b"}" + text("1") + b"K\x01ss"]
)
def test_a_snapshot_with_wrong_shards_is_refused(shards: bytes) -> None:
    refused(b"\x80\x04" + SNAPSHOT + b"(" + MEMBERS + shards + b"K\x00tR.", match="TopologySnapshot")


# --- cost ------------------------------------------------------------------------------------------------------------


def peak_of(payload: bytes, *classes: Any, **limits: Any) -> int:
    mine = codec(*classes, **limits)
    tracemalloc.start()
    try:
        mine.decode(payload)
    except UndecodableMessage:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


HUGE = (2**32 - 1).to_bytes(4, "little")
HUGE8 = (2**63).to_bytes(8, "little")


@pytest.mark.parametrize(
    "payload",
    [
        b"Nr" + HUGE + b".", b"Np4294967295\n.", b"X" + HUGE + b"x.", b"\x8d" + HUGE8 + b"x.", b"B" + HUGE + b"x.",
        b"\x8e" + HUGE8 + b"x.", b"\x96" + HUGE8 + b"x.", b"\x95" + HUGE8 + b"N.", b"\x8b\xff\xff\xff\x7fx.",
        b"\x8b\xff\xff\xff\xffx.", b"\x8a\xffx.", b"\x8c\xffx.", b"C\xffx.", b"j" + HUGE + b".", b"I" + b"9" * 5000 + b"\n.",
        b"L" + b"9" * 5000 + b"L\n.", b"F" + b"9" * 5000 + b"\n.", b"I" + b"9" * 100000,
        b"\x80\x04" + name("builtins:bytearray") + b"J\xff\xff\xff\x7f\x85R.",
        b"\x80\x04" + name("collections:deque") + b"J\xff\xff\xff\x7f\x85R.",
        b"\x80\x04" + name("builtins:range") + b"K\x00J\xff\xff\xff\x7f\x86R.",
        b"\x80\x04" + name("fractions:Fraction") + text("1e999999999") + b"\x85R.",
        b"\x80\x04" + name("decimal:Decimal") + text("1e999999999999999") + b"\x85R.",
        b"\x80\x04" + name("datetime:datetime") + b"J\xff\xff\xff\x7f\x85R.",
        b"\x80\x04" + name("_codecs:encode") + text("x") + text("zlib") + b"\x86R.",
        b"\x80\x04" + name("uuid:UUID") + b")\x81}" + text("int") + b"\x8a\x20" + b"\x7f" * 32 + b"sb.",
        b"\x80\x04" + name("zoneinfo:ZoneInfo._unpickle") + text("../../etc/passwd") + b"K\x01\x86R.",
        b"\x80\x04" + name("pathlib:PosixPath") + b"K\x01\x85R.",
    ],
)  # fmt: skip
def test_what_is_only_promised_costs_nothing(payload: bytes) -> None:
    assert peak_of(payload) < 1_000_000


def bomb(levels: int) -> bytes:
    """Tuples that hold the one before twice; the last is memo entry `levels`, the stack is left as it was."""
    twice = b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(levels))
    return b"(" + b")\x94" + twice + b"1"


LAST = b"h\x28"
"""Memo entry 40."""


@pytest.mark.parametrize("use", [LAST, LAST + b"K\x01\x86", b"]" + LAST + b"a", b"}K\x01" + LAST + b"s"])
def test_a_tuple_that_doubles_forty_times_is_refused(use: bytes) -> None:
    # It is small in memory, but printing or comparing it never ends.
    refused(b"\x80\x04" + bomb(40) + use + b".", match="written out")


@pytest.mark.parametrize(
    "use",
    [
        b"(" + LAST + b"\x91",
        b"}" + LAST + b"K\x01s",
        b"}(" + LAST + b"K\x01u",
        b"\x8f(" + LAST + b"\x90",
        name("builtins:frozenset") + b"]" + LAST + b"a\x85R",
        name("tests.values.table:Colour") + LAST + b"\x85R",
        b"(" + name("a:B") + LAST + b"\x85R\x91",
        b"(" + name("tests.values.table:Slotted") + LAST + b"\x85R\x91",
        name("collections:Counter") + b")R(" + LAST + b"K\x01u",
    ],
)
def test_a_tuple_that_doubles_forty_times_is_never_hashed(use: bytes) -> None:
    refused(b"\x80\x04" + bomb(40) + use + b"0N.", Colour, Slotted, match="written out")


@pytest.mark.parametrize("shape", ["list", "dict", "standin", "field", "late"])
def test_other_values_that_double_are_refused(shape: str) -> None:
    body = b"]\x94"
    for n in range(40):
        twice = b"h" + bytes([n]) + b"h" + bytes([n])
        body += {
            "list": b"](" + twice + b"e\x94",
            "dict": b"}(K\x01h" + bytes([n]) + b"K\x02h" + bytes([n]) + b"u\x94",
            "standin": name("a:B") + twice + b"\x86R\x94",
            "field": name("tests.values.table:Slotted") + twice + b"\x86R\x94",
            "late": b"](" + twice + b"e\x94",
        }[shape]
    late = b"h\x00(" + b"K\x01" * 50 + b"e0" if shape == "late" else b""
    refused(b"\x80\x04(" + body + b"1" + late + b"h\x28.", Slotted, match="written out")


def test_honest_sharing_is_read() -> None:
    row = ("x", (1, 2))
    value = [row, row, {row: [row]}, frozenset([row])]
    assert codec().decode(pickle.dumps(value, 5)) == value


def test_sharing_is_bounded_by_what_it_amounts_to() -> None:
    row = tuple(range(100))
    assert codec(max_items=30_000).decode(pickle.dumps([row] * 200, 5)) == [row] * 200
    refused(pickle.dumps([row] * 200, 5), max_items=15_000, match="written out")


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [b"]" * DEEP + b"a" * (DEEP - 1), b")" + b"\x85" * DEEP, b"(" * DEEP + b"t" * DEEP, b"}" + b"K\x01}" * DEEP + b"s" * DEEP],
    ids=["lists", "tuples", "marks", "dicts"],
)
def test_nesting_is_bounded(body: bytes) -> None:
    refused(b"\x80\x04" + body + b".", match="nested deeper")


def test_a_deep_tuple_is_refused_before_it_is_hashed() -> None:
    # Hashing it would overflow the C stack and end the process.
    refused(b"\x80\x04})" + b"\x85" * DEEP + b"Ns.", match="nested deeper")
    refused(b"\x80\x04()" + b"\x85" * DEEP + b"\x91.", match="nested deeper")


def test_a_stand_in_that_grows_after_it_was_a_key_is_refused() -> None:
    grown = name("a:B") + b")\x81\x94\x8f(h\x00\x85\x90" + b"h\x00}" + text("x") + b")" + b"\x85" * 150 + b"sb0."
    refused(b"\x80\x04" + grown, match="changed after it was used as a key")


def test_a_list_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append((loop,))
    for protocol in range(6):
        refused(pickle.dumps(loop, protocol), match="contains itself")


def test_an_object_that_contains_itself_is_refused() -> None:
    basket = Basket("me")
    basket.items.append(basket)
    refused(pickle.dumps(basket, 5), Basket, match="contains itself")
    refused(pickle.dumps(basket, 5), match="contains itself")


P = 2**61 - 1


@pytest.mark.parametrize(
    "keys",
    [
        [n * P for n in range(1, 200)],
        [2.0**n for n in range(0, 1020, 61)] + [n * P + 1 for n in range(1, 100)],
        [(n * P, 1) for n in range(1, 200)],
    ],
    ids=["ints", "floats and ints", "tuples"],
)
def test_keys_that_collide_on_purpose_are_refused(keys: list[Any]) -> None:
    refused(pickle.dumps(dict.fromkeys(keys), 5), match="same hash")
    refused(pickle.dumps(set(keys), 5), match="same hash")
    refused(pickle.dumps(frozenset(keys), 5), match="same hash")
    one_by_one = b"}" + b"".join(pickle.dumps(key, 2)[2:-1].replace(b"q\x00", b"") + b"Ns" for key in keys) + b"."
    refused(b"\x80\x04" + one_by_one, match="same hash")


def test_honest_keys_are_not_taken_for_collisions() -> None:
    for keys in (
        range(-5000, 5000),
        [n / 7 for n in range(5000)],
        [(n, n + 1) for n in range(5000)],
        [10**30 + n for n in range(500)],
    ):
        assert codec().decode(pickle.dumps(dict.fromkeys(keys), 5)) == dict.fromkeys(keys)
    many = [frozenset([(1, 2), 3.5]) for _ in range(300)]
    assert codec().decode(pickle.dumps([frozenset(list(each)) for each in many], 5)) == many


def test_the_number_of_values_is_bounded() -> None:
    refused(b"\x80\x04](" + b"N" * 3000 + b"e.", max_items=1000, match="max_items")
    refused(b"\x80\x04](" + b"]" * 300 + b"e.", max_items=1000, match="containers")
    refused(b"\x80\x04" + b"N0" * 3000 + b"N.", max_items=1000, match="max_items")
    assert codec(max_items=1000).decode(b"\x80\x04](" + b"N" * 900 + b"e.") == [None] * 900


def test_containers_in_a_large_payload_stay_within_memory() -> None:
    payload = b"\x80\x04](" + b"\x8f" * 2_000_000 + b"e."
    assert peak_of(payload, max_items=100_000) < 20_000_000


# --- anything at all ---------------------------------------------------------------------------------------------------

OPCODES = (
    b"0123N.IJKMLFGVX\x8c\x8dBC\x8e\x96)]}\x8f(\x85\x86\x87tld\x91aesu\x90hjgqrp\x94\x93c\x81\x92Rb\x88\x89\x8a\x8b\x80\x95PQ"
)
chunks = st.one_of(
    st.sampled_from([bytes([code]) for code in OPCODES]),
    st.binary(min_size=1, max_size=3),
    st.sampled_from([text("x"), text("value"), name("a:B"), name("tests.values.table:Amount"), b"K\x01", b"h\x00", b"h\x01"]),
    st.sampled_from([name("casty.cluster.state:ShardAllocation"), node(), name("builtins:set"), name("uuid:UUID"), b"\x94"]),
)


def survives(payload: bytes) -> None:
    """Either a value that can be printed, compared and hashed if it says so, or one kind of error; the same both ways."""
    try:
        message: Any = codec(*USER_CLASSES, max_items=20_000).decode(payload)
    except UndecodableMessage:
        message = UndecodableMessage
    try:
        plain: Any = plain_loads(payload, *USER_CLASSES, max_items=20_000)
    except UndecodableMessage:
        plain = UndecodableMessage
    assert repr(plain)[:1000] == repr(message)[:1000] or plain == message


@settings(max_examples=500)
@given(st.lists(chunks, max_size=30).map(b"".join))
def test_any_opcodes_give_a_value_or_an_undecodable_message(payload: bytes) -> None:
    survives(b"\x80\x04" + payload + b".")
    survives(payload)


@settings(max_examples=500)
@given(st.sampled_from(PICKLES), st.data())
def test_a_damaged_golden_pickle_gives_a_value_or_an_undecodable_message(vector: Vector, data: st.DataObject) -> None:
    payload = bytearray(vector.payload[:3000])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(payload) - 1))
        how = data.draw(st.sampled_from(["set", "drop", "insert"]))
        if how == "set":
            payload[at] = data.draw(st.sampled_from(list(OPCODES)) | st.integers(0, 255))
        elif how == "drop":
            del payload[at : at + data.draw(st.integers(1, 8))]
        else:
            payload[at:at] = data.draw(chunks)
        if not payload:
            break
    survives(bytes(payload))
