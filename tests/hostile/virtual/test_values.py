"""No value costs more than its bytes are worth, and each is a value or refused by name."""

from __future__ import annotations

import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgpack
import psutil
import pytest

from casty_notebook.backends.virtual.codec import protocol
from casty_notebook.backends.virtual.codec.packing import glimpse, unpack
from casty_notebook.backends.virtual.codec.values import MAX_OBJECTS, ValueReader
from casty_notebook.errors import UndecodableMessage
from casty_notebook.values.limits.probing import FEW
from casty_notebook.values.standin import StandIn
from tests.hostile.test_work import PATIENCE
from tests.hostile.virtual.work import CLASSES, VALUES, Numbers
from tests.hostile.work import walking_ints

SMALL, LONGEST = 64 * 1000, 2 << 20
GROWTH = 160 << 20
"""Bytes. What a long message may become (80 MiB), what the shown values are made of besides, and the arenas of both."""


def reader() -> ValueReader:
    made = ValueReader()
    made.register(*CLASSES)
    return made


@pytest.mark.parametrize("kind", VALUES)
def test_the_worst_value_of_64_kb_is_read_or_refused_in_no_time(kind: str) -> None:
    data = VALUES[kind](SMALL)
    started = time.thread_time()
    with suppress(UndecodableMessage):
        reader().read(data)
    assert time.thread_time() - started < PATIENCE


@pytest.mark.parametrize("kind", VALUES)
def test_the_worst_value_of_a_whole_message_takes_bounded_memory(kind: str) -> None:
    data = VALUES[kind](LONGEST)
    before = psutil.Process().memory_info().rss
    with suppress(UndecodableMessage):
        value = reader().read(data)
        assert psutil.Process().memory_info().rss - before < GROWTH
        del value


def numbers(count: int) -> bytes:
    return msgpack.packb(["Numbers", {"known": [], "counts": [[key, 1] for key in walking_ints(count)], "pairs": []}])


def test_numbers_that_collide_never_get_into_a_mapping() -> None:
    with pytest.raises(UndecodableMessage, match="collide"):
        reader().read(numbers(20_000))


def test_honest_numbers_do() -> None:
    value = reader().read(msgpack.packb(["Numbers", {"known": list(range(FEW * 100)), "counts": [[1, 2]], "pairs": [[1, 2]]}]))
    assert value == Numbers(frozenset(range(FEW * 100)), {1: 2}, frozenset({(1, 2)}))


@pytest.mark.parametrize("text", ["abc", "", "1e", "9" * 30])
def test_a_text_that_is_no_number_is_shown_as_it_came(text: str) -> None:
    value = reader().read(msgpack.packb(["Prices", {"all": [text], "times": []}]))
    assert isinstance(value, StandIn) or value.all == (Decimal(text),)


@pytest.mark.parametrize("levels", [50, 99, 150, 400, 900])
def test_a_class_that_holds_itself_is_built_or_refused_at_any_depth(levels: int) -> None:
    data = b"\x92\xa4Node\x81\xa5inner" * levels + b"\xc0"
    with suppress(UndecodableMessage):
        value = reader().read(data)
        depth = 0
        while value is not None:
            value, depth = value.inner, depth + 1
        assert depth == levels


def test_more_objects_than_there_is_room_for_are_refused_before_they_are_made() -> None:
    with pytest.raises(UndecodableMessage, match=f"at most {MAX_OBJECTS:,}|MiB"):
        reader().read(VALUES["objects"](4 * (MAX_OBJECTS + 10_000)))
    assert len(reader().read(VALUES["objects"](4 * 100_000))[0]) == 100_000


def test_an_error_shows_a_little_of_a_tree_however_large_it_is() -> None:
    for kind, make in VALUES.items():
        if kind != "nesting":
            with suppress(UndecodableMessage):
                assert len(glimpse(unpack(make(200_000)))) < 2_000


@pytest.mark.parametrize("kind", VALUES)
def test_a_message_of_the_cluster_s_own_is_read_on_the_loop_and_so_costs_next_to_nothing_whatever_it_is(kind: str) -> None:
    data = VALUES[kind](LONGEST)
    started = time.thread_time()
    for read in (protocol.read_membership, protocol.read_reply, protocol.read_actors):
        said = ""
        try:
            assert read(data) is None  # a message of a kind that clients have no part in
        except UndecodableMessage as error:
            said = str(error)
        assert len(said) < 2_000
    assert time.thread_time() - started < PATIENCE


RETURNED: dict[str, dict[str, Any]] = {
    "a number that is a list": {"reply": ["ReplyTarget", {"id": [1]}]},
    "a number that is a map": {"reply": ["ReplyTarget", {"id": {"a": 1}}]},
    "a message that is a number": {"message": 4_000_000_000},
    "a message that is a list": {"message": [1, 2, 3]},
    "an actor that is a list": {"actor": [[]]},
    "a key of a megabyte": {"key": "k" * 1_000_000},
    "a name of a megabyte": {"actor": "a" * 1_000_000},
}


@pytest.mark.parametrize("what", RETURNED)
def test_what_comes_back_in_another_form_than_it_left_is_refused(what: str) -> None:
    deliver = {"actor": "a:b", "key": "k", "message": b"m", "reply": None, **RETURNED[what]}
    body = msgpack.packb(["WrongOwner", {"routed": {"command": ["Deliver", deliver]}}])
    with pytest.raises(UndecodableMessage, match="a message to an actor came as") as caught:
        protocol.read_actors(body)
    assert len(str(caught.value)) < 2_000


def record(**changes: object) -> dict[str, object]:
    return {"node": node("h:1"), "status": "alive", "types": ["a:b"], "incarnation": 0, **changes}


def node(address: object, incarnation: object = bytes(16)) -> dict[str, object]:
    return {"address": address, "incarnation": incarnation}


TABLES = {
    "ten thousand members": [record(node=node(f"h{n}:1")) for n in range(10_000)],
    "a name of a megabyte": [record(node=node("h" * 1_000_000 + ":1"))],
    "hosts that cannot be": [record(node=node("a..b:1"))],
    "a host with NUL": [record(node=node("a\0b:1"))],
    "a port beyond all": [record(node=node("h:99999999"))],
    "no port": [record(node=node("h"))],
    "an address that is a list": [record(node=node([[]]))],
    "a short incarnation": [record(node=node("h:1", b"x"))],
    "an unknown status": [record(status="immortal")],
    "a status that is a list": [record(status=[])],
    "a type of a megabyte": [record(types=["t" * 1_000_000])],
    "types that are a text": [record(types="abc")],
    "types that are lists": [record(types=[[]])],
    "types without end": [record(types=[f"t{n}" for n in range(200_000)])],
    "types without end, of all": [record(node=node(f"h{n}:1"), types=["t"] * 500) for n in range(900)],
    "a record that is a text": ["x"],
    "no list": {"a": 1},
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_a_table_beyond_a_bound_is_refused_by_name_and_cheaply(what: str) -> None:
    body = msgpack.packb(["Message", {"sender": None, "body": ["SyncReply", {"records": TABLES[what]}]}])
    started = time.thread_time()
    with pytest.raises(UndecodableMessage) as caught:
        protocol.read_membership(body)
    assert time.thread_time() - started < PATIENCE
    assert len(str(caught.value)) < 2_000
