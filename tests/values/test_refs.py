"""Refs, keys and envelopes are generic for type checkers; nothing of that is kept, compared or sent."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from casty_notebook import ActorAddress, ActorRef, EntityRef, Listing, ServiceInstance, ServiceKey, ShardEnvelope
from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.settings import Settings
from casty_notebook.values.registry import Layout

ADDRESS = ActorAddress("shop", "/pay", NodeAddress("10.0.1.10", 25520))

PAIRS = [
    (ServiceKey("payment"), ServiceKey[int]("payment")),
    (ShardEnvelope("user-42", 1), ShardEnvelope[int]("user-42", 1)),
    (ActorRef(ADDRESS), ActorRef[int](ADDRESS)),
    (ServiceInstance(ActorRef(ADDRESS), NodeAddress("10.0.1.10", 25520)),
     ServiceInstance[int](ActorRef[int](ADDRESS), NodeAddress("10.0.1.10", 25520))),
    (Listing(ServiceKey("payment")), Listing[int](ServiceKey[int]("payment"))),
]  # fmt: skip
NAMES = [type(plain).__name__ for plain, _ in PAIRS]


def codec(serializer: str, layout: Layout) -> Codec:
    return Codec(build_registry(lambda uri: ActorRef(ActorAddress.parse(uri))), serializer, None, layout, Settings())


@pytest.mark.parametrize(("plain", "typed"), PAIRS, ids=NAMES)
def test_a_value_of_a_named_message_type_is_the_same_value(plain: Any, typed: Any) -> None:
    assert plain == typed
    assert hash(plain) == hash(typed)
    assert repr(plain) == repr(typed)
    assert getattr(plain, "__dict__", None) == getattr(typed, "__dict__", None)
    assert copy.copy(typed) == copy.deepcopy(typed) == plain


@pytest.mark.parametrize(("plain", "typed"), PAIRS, ids=NAMES)
def test_a_value_of_a_named_message_type_survives_the_standard_library_s_pickle(plain: Any, typed: Any) -> None:
    assert pickle.loads(pickle.dumps(typed)) == plain
    assert pickle.dumps(typed) == pickle.dumps(plain)


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
@pytest.mark.parametrize(("plain", "typed"), PAIRS, ids=NAMES)
def test_what_is_written_of_it_is_the_same_byte_for_byte(plain: Any, typed: Any, serializer: str, layout: Layout) -> None:
    written = codec(serializer, layout).encode(typed)
    assert written == codec(serializer, layout).encode(plain)
    assert codec(serializer, layout).decode(written, 0) == plain


def test_slots_stay_slots() -> None:
    for ref in (ActorRef[int](ADDRESS), EntityRef[int]("counter", 100, sender=None)):  # type: ignore[arg-type]
        assert not hasattr(ref, "__dict__")


def test_a_service_key_of_the_wire_must_still_have_a_text_for_a_name() -> None:
    from casty_notebook.errors import UndecodableMessage

    written = codec("pickle", Layout.pkg).encode(ServiceKey(7))  # type: ignore[arg-type]
    with pytest.raises(UndecodableMessage, match=r"ServiceKey\.name came as int"):
        codec("pickle", Layout.pkg).decode(written, 0)


def test_the_ids_of_refs_are_those_of_castys_own() -> None:
    assert ActorRef(ADDRESS).id == "/pay"
    assert EntityRef("counter", 100, sender=None).id == "/_proxy-counter"  # type: ignore[arg-type]
