"""What is written: stock pickle on a node reads it back, and what a node could not use is refused with the remedy."""

from __future__ import annotations

import collections
import functools
import pickle
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.session import messages as m
from casty_notebook.errors import MisuseError, UnsendableMessage
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef, ReplyRef
from casty_notebook.values.registry import Layout
from casty_notebook.values.services import ServiceKey
from casty_notebook.values.standin import StandIn, module_proxy, stand_in_class
from tests.backends.sharded.codec.test_pickle_reader import values
from tests.values.table import REF, USER_CLASSES, Amount, Basket, Colour, Empty, Outer, Point, Slotted, codec


@settings(max_examples=400)
@given(values)
def test_stock_pickle_reads_what_is_written(value: Any) -> None:
    data = codec().encode(value)
    read = pickle.loads(data)
    assert read == value
    assert type(read) is type(value)
    assert codec(*USER_CLASSES).decode(data) == value


def test_what_is_shared_stays_shared() -> None:
    shared = Basket("me", [1])
    text = "x" * 100
    read = pickle.loads(codec().encode([shared, shared, {text: shared}, (shared,)]))
    assert read[0] is read[1] is read[2][text] is read[3][0]


def test_what_contains_itself_is_written_as_pickle_does() -> None:
    loop: list[Any] = []
    loop.append((loop, {"loop": loop}))
    read = pickle.loads(codec().encode(loop))
    assert read[0][0] is read
    assert read[0][1]["loop"] is read
    basket = Basket("me")
    basket.items.append(basket)
    read = pickle.loads(codec().encode(basket))
    assert read.items[0] is read


def test_temporary_values_of_reducers_are_not_confused() -> None:
    many = [collections.OrderedDict(a=n) for n in range(300)] + [collections.deque([n], 3) for n in range(300)]
    assert pickle.loads(codec().encode(many)) == many


def test_classes_and_functions_travel_by_name() -> None:
    sent = [int, len, Amount, Outer.Inner, functools.reduce, type(None), "x".upper, ..., NotImplemented]
    read = pickle.loads(codec().encode(sent))
    assert read[:6] == sent[:6]
    assert read[6]() == "X"
    assert read[7:] == sent[7:]


def test_a_dataclass_with_more_in_its_dict_keeps_it() -> None:
    basket = Basket("me")
    vars(basket)["extra"] = 1
    assert vars(pickle.loads(codec().encode(basket))) == {"owner": "me", "items": [], "note": None, "extra": 1}
    del basket.note
    assert "note" not in vars(pickle.loads(codec().encode(basket)))


class OwnReduce:
    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return OwnReduce, (self.value,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnReduce) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]


class NewArgs(str):
    __slots__ = ("extra",)
    extra: int

    def __new__(cls, text: str, *, extra: int) -> NewArgs:
        made = super().__new__(cls, text)
        made.extra = extra
        return made

    def __getnewargs_ex__(self) -> Any:
        return (str(self),), {"extra": self.extra}


class Setter:
    value = 0

    def __reduce__(self) -> Any:
        return Setter, (), 5, None, None, set_state


def set_state(target: Setter, state: int) -> None:
    target.value = state


def test_objects_that_say_themselves_how_they_are_made_are_heard() -> None:
    assert pickle.loads(codec().encode([OwnReduce(3)])) == [OwnReduce(3)]
    read = pickle.loads(codec().encode(NewArgs("a", extra=4)))
    assert (read, read.extra) == ("a", 4)
    assert pickle.loads(codec().encode(Setter())).value == 5
    error = ValueError("no", 3)
    error.note = "x"  # type: ignore[attr-defined]
    read = pickle.loads(codec().encode(error))
    assert (read.args, read.note) == (("no", 3), "x")


# --- stand-ins on a node that has the class --------------------------------------------------------------------------

NODE = """
import pickle, sys, types
from dataclasses import dataclass, field
bank = types.ModuleType("bank")
messages = types.ModuleType("bank.messages")
sys.modules |= {"bank": bank, "bank.messages": messages}
exec('''
import enum
from dataclasses import dataclass, field
class Colour(enum.Enum):
    red = 1
@dataclass(frozen=True)
class GetBalance:
    currency: str
    tags: list = field(default_factory=lambda: ["default"])
    limit: int = 10
    upper: str = field(init=False)
    def __post_init__(self):
        object.__setattr__(self, "upper", self.currency.upper())
class Outer:
    @dataclass
    class Inner:
        value: object
''', messages.__dict__)
for message in pickle.loads(sys.stdin.buffer.read()):
    print(pickle.loads(message))
"""


def on_a_node(*messages: Any) -> list[str]:
    """How a process that has the classes, and only the standard library, prints the messages."""
    payload = pickle.dumps([codec().encode(message) for message in messages])
    done = subprocess.run([sys.executable, "-I", "-c", NODE], input=payload, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def test_a_stand_in_is_called_into_being_with_defaults_and_post_init() -> None:
    bank = module_proxy("bank").messages
    shared = bank.GetBalance("chf")
    assert on_a_node(
        bank.GetBalance(currency="eur"),
        bank.GetBalance("usd", limit=3),
        bank.GetBalance("usd", ["x"]),
        bank.Outer.Inner(bank.Colour.red),
        [shared, shared],
        stand_in_class("bank.messages.Outer.Inner")(value=bank.GetBalance(currency="gbp", tags=[])),
    ) == [
        "GetBalance(currency='eur', tags=['default'], limit=10, upper='EUR')",
        "GetBalance(currency='usd', tags=['default'], limit=3, upper='USD')",
        "GetBalance(currency='usd', tags=['x'], limit=10, upper='USD')",
        "Outer.Inner(value=<Colour.red: 1>)",
        "[GetBalance(currency='chf', tags=['default'], limit=10, upper='CHF'), "
        "GetBalance(currency='chf', tags=['default'], limit=10, upper='CHF')]",
        "Outer.Inner(value=GetBalance(currency='gbp', tags=[], limit=10, upper='GBP'))",
    ]


def test_a_stand_in_that_was_received_can_be_sent_on() -> None:
    received = codec().decode(pickle.dumps(Basket("me", [Amount(3), Point(1, 2), Colour.red, Empty()])))
    assert isinstance(received, StandIn)
    assert pickle.loads(codec().encode(received)) == Basket("me", [Amount(3), Point(1, 2), Colour.red, Empty()])
    assert codec().decode(codec().encode(received)) == received
    slotted = codec().decode(pickle.dumps(Slotted(1)))
    assert pickle.loads(codec().encode(slotted)) == Slotted(1)


@given(st.lists(st.integers()), st.dictionaries(st.sampled_from("abc"), st.integers() | st.text()))
def test_a_stand_in_is_read_back_as_it_was_written(args: list[int], fields: dict[str, Any]) -> None:
    made = stand_in_class("bank.messages.Any")(*args, **fields)
    assert codec().decode(codec().encode([made, made, (made,)])) == [made, made, (made,)]


# --- refs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", Layout)
def test_a_ref_is_read_back_from_either_layout(layout: Layout) -> None:
    mine = codec(layout=layout)
    for message in (m.SubscribeTopology(REF), [REF, REF], ShardEnvelope("a", {"r": REF}), m.Find(ServiceKey("a"), REF)):
        assert codec().decode(mine.encode(message)) == message


def test_a_reply_ref_is_written_as_it_is_bound_when_it_is_written() -> None:
    ref = ReplyRef("my-cluster-client", "/_ask/1")
    message = ShardEnvelope("a", ref)
    mine = codec()
    for port in (1, 2):
        ref.bind(NodeAddress("239.0.0.1", port))
        assert mine.decode(mine.encode(message)).message.uri == f"casty://my-cluster-client@239.0.0.1:{port}/_ask/1"


HOSTS = st.one_of(
    st.sampled_from(
        ["1.2.3.4", "a..b", ".", "", "a" * 64, "a" * 63, "a\0b", "a b", "a:b", "ø", "a/b", "a@b", "node-1", "a.", ".a"]
    ),
    st.text(max_size=70),
)


@settings(max_examples=300)
@given(
    HOSTS, st.one_of(st.integers(-5, 70000), st.integers()), st.text(max_size=5), st.sampled_from(["pickle", "json", "msgpack"])
)
def test_no_ref_that_ends_a_node_can_be_written(host: str, port: int, path: str, serializer: str) -> None:
    ref = ActorRef(ActorAddress("s", "/" + path, NodeAddress(host, port)))
    try:
        data = codec(serializer=serializer).encode(m.SubscribeTopology(ref))
    except MisuseError:
        return
    uri = ref.uri.encode()
    assert uri in data or serializer != "pickle"
    # The rules of PROTOCOL section 9, said once more and in other words than the code's.
    assert 0 <= port <= 65535
    labels = host.encode("ascii").split(b".")
    assert all(1 <= len(label) <= 63 for label in labels)
    assert not set(host) & set("\0:/@ ")
    host.encode("idna")


def test_a_ref_without_a_path_is_refused() -> None:
    with pytest.raises(UnsendableMessage, match="not the address of an actor"):
        codec().encode(ActorRef(ActorAddress("s", "/", NodeAddress("1.2.3.4", 1))))


def test_casty_s_own_ref_with_a_deadly_address_is_refused() -> None:
    address = pytest.importorskip("casty.core.address")
    remote = pytest.importorskip("casty.remote.ref")
    for host, port in (("1.2.3.4", 70000), ("a..b", 1), ("a\0b", 1), ("a" * 64, 1)):
        ref = remote.RemoteActorRef(address.ActorAddress("s", "/x", host, port), None)
        with pytest.raises(UnsendableMessage, match="cannot be sent"):
            codec().encode([ref])


def test_casty_s_own_local_ref_is_refused_with_its_own_words() -> None:
    core = pytest.importorskip("casty.core.ref")
    with pytest.raises(UnsendableMessage, match="LocalActorRef cannot be"):
        codec().encode(core.LocalActorRef("/x", print))


# --- what is refused -----------------------------------------------------------------------------------------------------


def test_a_class_of_the_notebook_is_refused_with_the_remedy() -> None:
    @dataclass
    class GetCount:
        reply_to: Any = None

    GetCount.__module__, GetCount.__qualname__ = "__main__", "GetCount"
    for message in (GetCount(), [GetCount()], ShardEnvelope("a", GetCount(REF)), GetCount):
        for _ in range(2):  # the second time nothing is worked out anew
            with pytest.raises(UnsendableMessage, match=r"GetCount is defined in this \w+ \(__main__\)") as caught:
                codec().encode(message)
            assert "put it in a module that the nodes have" in str(caught.value)
            assert "bank.messages.GetCount(...)" in str(caught.value)
    for serializer in ("json", "msgpack"):
        with pytest.raises(UnsendableMessage, match="__main__"):
            codec(serializer=serializer).encode(ShardEnvelope("a", GetCount(REF)))


def test_a_function_of_the_notebook_is_refused_too() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def f(): pass\ng = lambda: 0", namespace)
    with pytest.raises(UnsendableMessage, match="__main__"):
        codec().encode(namespace["f"])


def test_a_lambda_is_refused_without_a_remedy_that_would_not_help() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def f():\n    class Local: pass\n    return (lambda: 0), Local\ng = lambda: 0", namespace)
    nested, local = namespace["f"]()
    for each in (namespace["g"], nested):
        with pytest.raises(UnsendableMessage, match="a lambda cannot be sent, since it has no name"):
            codec().encode(each)
    with pytest.raises(UnsendableMessage, match="inside a function"):
        codec().encode(local())


def test_a_class_inside_a_function_is_refused() -> None:
    @dataclass
    class Local:
        value: int

    with pytest.raises(UnsendableMessage, match="inside a function"):
        codec().encode(Local(1))


def test_a_class_that_was_reloaded_is_refused() -> None:
    old = Amount(1)
    Reloaded = type("Amount", (), {"__module__": Amount.__module__, "__qualname__": "Amount"})
    assert codec().encode(old)
    with pytest.raises(UnsendableMessage, match="reloaded"):
        codec().encode(Reloaded())


@pytest.mark.parametrize(
    "value", [threading.Lock(), (n for n in ""), sys, open, memoryview(b"x")], ids=lambda v: type(v).__name__
)
def test_what_pickle_cannot_write_is_refused_or_written(value: Any) -> None:
    if value is open:
        assert pickle.loads(codec().encode(value)) is open
        return
    with pytest.raises(UnsendableMessage, match=r"cannot be sent|cannot pickle|not what"):
        codec().encode(value)


def test_a_message_that_is_nested_too_deeply_is_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = (deep,)
    with pytest.raises(UnsendableMessage, match="nested deeper than 200"):
        codec().encode(deep)
    for serializer in ("json", "msgpack"):
        with pytest.raises(UnsendableMessage, match="nested deeper than 200"):
            codec(serializer=serializer).encode(deep)


def test_an_integer_that_could_not_be_answered_is_refused() -> None:
    assert pickle.loads(codec().encode(2**8000)) == 2**8000
    with pytest.raises(UnsendableMessage, match="integer"):
        codec().encode(2**9000)


class Explodes:
    def __reduce__(self) -> Any:
        raise RuntimeError("no")


@dataclass
class Property:
    value: int = field(default=0)

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            raise RuntimeError("no")
        return super().__getattribute__(name)


@pytest.mark.parametrize("message", [Explodes(), Property()])
def test_an_error_in_the_message_s_own_code_is_an_unsendable_message(message: Any) -> None:
    with pytest.raises(UnsendableMessage, match="cannot be sent"):
        codec().encode(message)
    with pytest.raises(UnsendableMessage):
        codec().check(message)


def test_a_replaced_message_is_written_anew() -> None:
    mine = codec()
    assert pickle.loads(mine.encode(replace(Amount(1), value=2))) == Amount(2)


def test_the_remedy_works_in_a_real_main_module() -> None:
    script = textwrap.dedent("""
        from dataclasses import dataclass
        from casty_notebook.backends.sharded.codec import Codec
        from casty_notebook.values.registry import Registry
        from casty_notebook.values.standin import stand_in_class
        from casty_notebook.errors import UnsendableMessage
        @dataclass
        class GetCount:
            reply_to: object = None
        codec = Codec(Registry(str, lambda value: None))
        try:
            codec.encode(GetCount())
        except UnsendableMessage as error:
            print(error)
        codec.encode(stand_in_class("vapp.GetCount")(reply_to=None))
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "class GetCount is defined in this script (__main__), the node cannot import it" in done.stdout


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
def test_a_class_of_main_goes_where_somebody_insists(serializer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class GetCount:
        amount: int = 1

    GetCount.__module__, GetCount.__qualname__ = "__main__", "GetCount"
    registry = build_registry(ActorRef, send_main=True)  # type: ignore[arg-type]  # no ref comes
    with pytest.raises(UnsendableMessage, match="would get something else"):
        Codec(registry, serializer).encode(GetCount())
    monkeypatch.setattr(sys.modules["__main__"], "GetCount", GetCount, raising=False)
    assert b"__main__" in Codec(registry, serializer).encode(GetCount())
    with pytest.raises(UnsendableMessage, match="send_main=True"):
        codec(serializer=serializer).encode(GetCount())
