"""The cluster's own messages, as they were read off the wire of 0.30.2."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import (
    Outcome,
    Record,
    WrongOwner,
    encode_cancel,
    encode_deliver,
    encode_sync,
    read_actors,
    read_membership,
    read_reply,
)
from casty_notebook.errors import UndecodableMessage

ME = bytes(range(16))
NODE = {"address": "127.0.0.1:53177", "incarnation": bytes(16)}
RECORD = {"node": NODE, "incarnation": 4, "status": "alive", "types": ["shop.actors:counter"]}


def table(*records: Any, kind: str = "SyncReply") -> bytes:
    body: bytes = msgpack.packb(["Message", {"sender": ["Record", RECORD], "body": [kind, {"records": list(records)}]}])
    return body


def reply(outcome: Any, number: Any = 7) -> bytes:
    body: bytes = msgpack.packb(["Reply", {"id": number, "outcome": outcome}])
    return body


def test_what_is_written() -> None:
    me = {"address": None, "incarnation": ME}
    assert msgpack.unpackb(encode_sync(ME)) == ["Message", {"sender": ["NodeId", me], "body": ["Sync", {"records": []}]}]
    deliver = {"actor": "a:b", "key": "k", "message": b"m", "reply": ["ReplyTarget", {"node": me, "id": 7}]}
    assert msgpack.unpackb(encode_deliver(ME, "a:b", "k", b"m", 7)) == [
        "Routed", {"command": ["Deliver", deliver], "origin": me, "attempt": 1},
    ]  # fmt: skip
    assert msgpack.unpackb(encode_deliver(ME, "a:b", "k", b"m", None))[1]["command"][1]["reply"] is None
    cancel = {"actor": "a:b", "key": "k", "request": ["r", None, ME, 7]}
    assert msgpack.unpackb(encode_cancel(ME, "a:b", "k", 7)) == ["Cancel", cancel]


def test_nothing_that_is_written_makes_a_key() -> None:
    assert all(b"Start" not in body for body in (encode_sync(ME), encode_deliver(ME, "a:b", "k", b"m", 7)))


def test_tables_are_read() -> None:
    expected = Record(NodeAddress("127.0.0.1", 53177), bytes(16), "alive", frozenset({"shop.actors:counter"}))
    assert read_membership(table(RECORD)) == (expected,)
    assert read_membership(table(kind="Gossip")) is None
    assert read_membership(table(RECORD, RECORD | {"status": "left"})) == (expected,)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "weary"}, {"status": 3}, {"types": 3}, {"types": ["x" * 2000]}, {"node": None},
        {"node": {"address": "nowhere"}},
        {"node": {"address": "127.0.0.1:1", "incarnation": b"short"}}, {"node": {"address": "a..b:1", "incarnation": bytes(16)}},
        {"node": {"address": "127.0.0.1:99999", "incarnation": bytes(16)}},
    ],
)  # fmt: skip
def test_a_member_of_another_form_is_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(UndecodableMessage, match="writes node, status"):
        read_membership(table(RECORD | change))


def test_outcomes_are_read() -> None:
    assert read_reply(reply(["Value", {"data": b"\x05"}])) == Outcome(7, "Value", b"\x05")
    failed = ["Failed", {"actor": "a:b", "key": "k", "error": "SchemaError", "message": "unknown alternative Nope"}]
    assert read_reply(reply(failed)) == Outcome(7, "Failed", b"", "SchemaError", "unknown alternative Nope")
    assert read_reply(reply(["Missing", {"actor": "a:b", "key": "k"}])).kind == "Missing"


@pytest.mark.parametrize(
    "body",
    [
        reply(["Value", {"data": 5}]), reply(["Value", {"data": b""}], "7"), reply(["Value"]), reply(7), reply([5, {}]), b"\x90",
        b"\x05",
    ],
)  # fmt: skip
def test_a_reply_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableMessage):
        read_reply(body)


def test_a_message_that_came_back_is_read() -> None:
    routed = msgpack.unpackb(encode_deliver(ME, "a:b", "k", b"m", 7))[1]
    assert read_actors(msgpack.packb(["WrongOwner", {"routed": routed}])) == WrongOwner(7, "a:b", "k", b"m")
    routed = msgpack.unpackb(encode_deliver(ME, "a:b", "k", b"m", None))[1]
    assert read_actors(msgpack.packb(["WrongOwner", {"routed": routed}])) == WrongOwner(None, "a:b", "k", b"m")
    assert read_actors(msgpack.packb(["Started", {}])) is None


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    for read in (read_membership, read_reply, read_actors):
        try:
            read(data)
        except UndecodableMessage:
            continue
