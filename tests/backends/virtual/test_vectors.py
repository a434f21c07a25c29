"""What real nodes of 0.30.0, 0.30.1 and 0.30.2 and casty's own client said to each other, read and written by ours.

`tests.backends.virtual.record` makes the vectors.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any

import msgpack
import pytest

from casty_notebook.backends.virtual.codec import protocol
from casty_notebook.backends.virtual.codec.values import ReplyTo, ValueReader, write_message
from casty_notebook.backends.virtual.wire import Accepted, Connection, Hello, Leaving, Limits, Message, Rejected
from casty_notebook.backends.virtual.wire.frames import HEADER, VERSION, FrameReader, FrameType, encode_data, encode_pong
from tests.backends.virtual import messages
from tests.backends.virtual.cluster import RELEASES
from tests.backends.virtual.messages import Add, EchoZoo, Get, Size, Slow, Zoo
from tests.backends.virtual.record import ME, VECTORS, Said

type Frame = tuple[int, int, int, bytes]


@cache
def recorded(release: str) -> dict[str, Said]:
    kept = json.loads((VECTORS / f"frames-{release}.json").read_text())
    return {name: [(who, bytes.fromhex(data)) for who, data in said] for name, said in kept.items()}


def castys_own(release: str) -> list[Said]:
    return [said for name, said in recorded(release).items() if name.startswith("casty's client")]


def frames(said: Said, who: str) -> list[Frame]:
    return FrameReader(1 << 20).receive(b"".join(data for speaker, data in said if speaker == who))


def bodies(said: Said, who: str) -> list[tuple[bytes, bytes]]:
    """(service, body) of every message of one side."""
    streams: dict[int, bytes] = {}
    for kind, stream, _, body in frames(said, who):
        if kind == FrameType.DATA:
            streams[stream] = streams.get(stream, b"") + body
    found = []
    for data in streams.values():
        while data:
            size, length = int.from_bytes(data[:4]), data[4]
            found.append((data[5 : 5 + length], data[5 + length : 4 + size]))
            data = data[4 + size :]
    return found


def told(said: Said) -> list[Any]:
    """What our connection makes of all that the node said, whole and byte by byte."""
    hello, *_ = (msgpack.unpackb(body) for service, body in bodies(said, "client") if service == b"hello")
    data = b"".join(data for who, data in said if who == "node")
    events: list[list[Any]] = []
    for size in (len(data), 1):
        connection = Connection(Hello(hello[0], hello[2], Limits(*hello[4:])), 1 << 20)
        events.append([event for at in range(0, len(data), size) for event in connection.receive(data[at : at + size])])
    assert events[0] == events[1]
    return events[0]


def outcomes(said: Said) -> list[protocol.Outcome]:
    return [protocol.read_reply(each.body) for each in told(said) if type(each) is Message and each.service == protocol.REPLIES]


every_release = pytest.mark.parametrize("release", RELEASES)


# --- reading -----------------------------------------------------------------------------------------------------------


@every_release
def test_a_node_s_answers_to_casty_s_own_client_are_read(release: str) -> None:
    kinds: Counter[str] = Counter()
    tables = []
    for said in castys_own(release):
        accepted, *rest = told(said)
        assert type(accepted) is Accepted
        kinds.update(outcome.kind for outcome in outcomes(said))
        tables += [protocol.read_membership(each.body) for each in rest if each.service == protocol.MEMBERSHIP]
    assert kinds == {"Value": 8, "Failed": 1}
    assert tables
    for table in tables:
        assert table is not None
        assert {record.status for record in table} == {"alive"}
        assert {len(record.incarnation) for record in table} == {16}


@every_release
def test_values_are_read_with_their_classes(release: str) -> None:
    reader = ValueReader()
    reader.register(messages)
    values = [
        reader.read(outcome.data) for said in castys_own(release) for outcome in outcomes(said) if outcome.kind == "Value"
    ]
    assert Counter(type(value) for value in values) == {int: 6, Zoo: 1, bytes: 1}
    assert [value for value in values if type(value) is int] == [3] * 6
    (failed,) = (outcome for said in castys_own(release) for outcome in outcomes(said) if outcome.kind == "Failed")
    assert (failed.error, failed.message) == ("RuntimeError", "boom")


@every_release
@pytest.mark.parametrize(("what", "kind"), [("a missing key", "Missing"), ("an unknown type", "Unknown")])
def test_what_is_not_there_is_an_outcome(release: str, what: str, kind: str) -> None:
    assert [(outcome.number, outcome.kind) for outcome in outcomes(recorded(release)[what])] == [(7, kind)]


@every_release
def test_refusals_say_what_would_have_been_accepted(release: str) -> None:
    name, limits = (told(recorded(release)[what]) for what in ("another name", "other limits"))
    assert [type(event) for event in (*name, *limits)] == [Rejected, Rejected]
    assert (name[0].refusal.cluster, limits[0].refusal.limits) == ("shop", Limits())


@every_release
@pytest.mark.parametrize(("what", "number"), [("the wrong node", 7), ("the wrong node, a tell", None)])
def test_a_message_for_another_node_comes_back_as_it_was_sent(release: str, what: str, number: int | None) -> None:
    said = recorded(release)[what]
    (message,) = (event for event in told(said) if type(event) is Message)
    returned = protocol.read_actors(message.body)
    assert returned is not None
    sent = protocol.encode_deliver(ME, returned.actor, returned.key, returned.message, returned.number)
    assert returned.number == number
    assert (protocol.ACTORS, sent) in bodies(said, "client")


@every_release
def test_a_node_that_hears_nothing_pings_and_is_answered(release: str) -> None:
    said = recorded(release)["silence"]
    assert [frame[0] for frame in frames(said, "node")][-1] == FrameType.PING
    assert [frame[0] for frame in frames(said, "client")][-1] == FrameType.PONG


@every_release
def test_every_byte_that_a_node_sends_is_credited_and_ours_by_the_node(release: str) -> None:
    for said in recorded(release).values():
        for speaker, creditor in (("client", "node"), ("node", "client")):
            sent = sum(size for kind, _, size, _ in frames(said, speaker) if kind == FrameType.DATA)
            credited = sum(size for kind, _, size, _ in frames(said, creditor) if kind == FrameType.WINDOW)
            assert credited == sent


@every_release
def test_no_node_says_what_our_client_does_not_know(release: str) -> None:
    known = {Accepted, Rejected, Message, Leaving}
    assert {type(event) for said in recorded(release).values() for event in told(said)} <= known


# --- writing -----------------------------------------------------------------------------------------------------------


@every_release
def test_the_hello_of_casty_s_own_client_is_written_byte_for_byte(release: str) -> None:
    for said in castys_own(release):
        (body,) = (body for service, body in bodies(said, "client") if service == b"hello")
        name, _, incarnation, codecs, *limits = msgpack.unpackb(body)
        assert codecs == []
        connection = Connection(Hello(name, incarnation, Limits(*limits)), 1)
        assert said[0][1].startswith(connection.data_to_send())


@every_release
def test_every_message_of_casty_s_own_client_but_a_start_is_written_byte_for_byte(release: str) -> None:
    written: Counter[str] = Counter()
    for said in castys_own(release):
        incarnation = msgpack.unpackb(bodies(said, "client")[0][1])[2]
        for service, body in bodies(said, "client")[1:]:
            kind, ours = written_by_us(service, body, incarnation)
            written[kind] += 1
            assert ours == body or kind == "Start"
    # Three keys twice, a zoo twice, one that fails and one that nobody waits for; how often tables are asked for differs.
    assert written["Deliver"] == written["Start"] == 10
    assert written["Cancel"] == 1
    assert written["Sync"] >= 1


def written_by_us(service: bytes, body: bytes, incarnation: bytes) -> tuple[str, bytes | None]:
    kind, fields = msgpack.unpackb(body)
    if service == protocol.MEMBERSHIP:
        return fields["body"][0], protocol.encode_sync(incarnation)
    if kind == "Cancel":
        return kind, protocol.encode_cancel(incarnation, fields["actor"], fields["key"], fields["request"][3])
    command, said = fields["command"]
    if command == "Start":
        return command, None  # this client never makes a key
    reply = said["reply"]
    number = reply[1]["id"] if reply is not None else None
    return command, protocol.encode_deliver(incarnation, said["actor"], said["key"], said["message"], number)


@every_release
def test_messages_are_written_as_casty_s_own_client_does_but_for_the_order_of_fields_and_sets(release: str) -> None:
    reader = ValueReader()
    reader.register(messages)
    (value,) = (
        value for said in castys_own(release) for outcome in outcomes(said) if outcome.kind == "Value"
        if type(value := reader.read(outcome.data)) is Zoo
    )  # fmt: skip
    mine = {"Add": Add(3), "Get": Get(), "Size": Size(400, b"data"), "Slow": Slow(5.0), "EchoZoo": EchoZoo(value)}
    seen = set()
    for said in castys_own(release):
        for service, body in bodies(said, "client"):
            kind, fields = msgpack.unpackb(body) if service == protocol.ACTORS else ("", {})
            if kind != "Routed" or fields["command"][0] != "Deliver":
                continue
            theirs = msgpack.unpackb(fields["command"][1]["message"])
            if theirs[0] in mine:
                seen.add(theirs[0])
                _, _, incarnation, number = theirs[1]["reply_to"]
                ours = msgpack.unpackb(write_message(mine[theirs[0]], ReplyTo(incarnation, number)))
                assert unordered(ours) == unordered(theirs)
    assert seen == set(mine)


def unordered(tree: Any) -> Any:
    """Arrays of sets and mappings are in any order, and only the classes know which those are: all are put in one here."""
    if isinstance(tree, dict):
        return {key: unordered(value) for key, value in tree.items()}
    return sorted(map(unordered, tree), key=repr) if isinstance(tree, list) else tree


@every_release
def test_frames_are_written_byte_for_byte(release: str) -> None:
    for said in recorded(release).values():
        for who in ("client", "node"):
            data = b"".join(data for speaker, data in said if speaker == who)
            ours = b"".join(map(written, frames(said, who)))
            assert ours == data


def written(frame: Frame) -> bytes:
    kind, stream, size, body = frame
    if kind == FrameType.DATA:
        return encode_data(stream, body)
    return encode_pong() if kind == FrameType.PONG else HEADER.pack(VERSION, kind, 0, stream, size)
