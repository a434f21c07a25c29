"""Credit cannot get stuck: our side of a connection against a model of a node, small windows, any order, bytes cut anywhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casty_notebook.backends.virtual.wire import Connection, Hello, Limits, Message
from casty_notebook.backends.virtual.wire.frames import HEADER, FrameReader, FrameType, encode_data, encode_window
from tests.backends.virtual.wire.test_connection import NODE, framed, opened, sent

LIMITS = Limits(frame=1024, message=8192, window=1024)
PING, PONG = (HEADER.pack(2, kind, 0, 0, 0) for kind in (FrameType.PING, FrameType.PONG))
ENOUGH = 10_000
"""Steps in which everything has arrived, by far."""


@dataclass
class Node:
    """Reads what comes, and gives credit for it when it likes; keeps what it says until there is credit for it."""

    reader: FrameReader = field(default_factory=lambda: FrameReader(LIMITS.frame))
    heard: bytes = b""
    allowed: int = LIMITS.window
    """Bytes that we may still send it."""
    owed: int = 0
    credit: int = LIMITS.window
    waiting: bytes = b""
    pongs: int = 0

    def read(self, data: bytes) -> None:
        for kind, stream, size, body in self.reader.receive(data):
            if kind == FrameType.DATA and stream == 3:
                self.allowed -= size
                assert self.allowed >= 0, "sent without credit"
                self.owed += size
                self.heard += body
            elif kind == FrameType.WINDOW and stream == 3:
                self.credit += size
                assert self.credit <= LIMITS.window, "more credit than was used"
            elif kind == FrameType.PONG:
                self.pongs += 1

    def give(self, most: int) -> bytes:
        given, self.owed = min(most, self.owed), max(0, self.owed - most)
        self.allowed += given
        return encode_window(3, given) if given else b""

    def say(self, most: int) -> bytes:
        size = min(most, self.credit, LIMITS.frame, len(self.waiting))
        said, self.waiting = self.waiting[:size], self.waiting[size:]
        self.credit -= size
        return encode_data(3, said) if said else b""


@dataclass
class Wire:
    """Both sides and what lies between them. `paused`: the socket takes nothing, so that all we write waits, credit as well."""

    ours: Connection = field(default_factory=lambda: Connection(Hello("shop", bytes(16), LIMITS), 1 << 20))
    node: Node = field(default_factory=Node)
    there: bytes = b""
    back: bytes = encode_data(1, framed(b"hello-ack", NODE))
    paused: bool = False
    heard: list[Message] = field(default_factory=list)

    def flush(self) -> None:
        if not self.paused:
            self.there += self.ours.data_to_send()

    def step(self, what: str, size: int) -> None:
        match what:
            case "ask":
                self.ours.send(b"actors", bytes(size))
            case "answer":
                self.node.waiting += framed(b"replies", bytes(size))
            case "node reads":
                self.node.read(self.there[:size])
                self.there = self.there[size:]
            case "we read":
                self.heard += [event for event in self.ours.receive(self.back[:size]) if type(event) is Message]
                self.back = self.back[size:]
            case "node gives credit":
                self.back += self.node.give(size)
            case "node says":
                self.back += self.node.say(size)
            case "ping":
                self.back += PING
            case "pause":
                self.paused = True
            case "resume":
                self.paused = False
        if what not in ("ask", "answer", "we read"):
            self.flush()  # as a link does: what it takes or hears leaves at the end of its turn

    @property
    def still(self) -> bool:
        """Nothing is on its way and nothing waits."""
        return not (self.there or self.back or self.node.waiting or self.node.owed or self.ours.unsent)


STEPS = ("ask", "answer", "node reads", "we read", "node gives credit", "node says", "ping", "pause", "resume", "flush")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 6000)), max_size=40), st.integers(100, 1500))
def test_whatever_the_order_all_that_was_said_arrives(steps: list[tuple[str, int]], piece: int) -> None:
    wire, asked, answered = Wire(), deque[int](), deque[int]()
    for what, size in steps:
        if what in ("ask", "answer"):
            (asked if what == "ask" else answered).append(size)
        wire.step(what, size)
    wire.step("resume", 0)
    for _ in range(ENOUGH):
        wire.flush()
        if wire.still:
            break
        wire.step("node reads", len(wire.there))
        wire.step("node gives credit", piece)
        wire.step("node says", piece)
        wire.step("we read", len(wire.back))
    assert wire.still, "credit is stuck"
    assert wire.node.heard == b"".join(framed(b"actors", bytes(size)) for size in asked)
    assert [len(message.body) for message in wire.heard] == list(answered)
    # All that was used is given back, so that it could go on for ever.
    assert wire.node.credit == LIMITS.window
    assert wire.node.pongs <= sum(what == "ping" for what, _ in steps)


@pytest.mark.parametrize("credit", [0, 1, 700, 5000])
def test_what_is_urgent_goes_ahead_of_what_waits_and_into_no_message_that_was_begun(credit: int) -> None:
    """A node that reads slowly was asked for its table only behind all that it was told, and seemed to owe it."""
    connection = opened(Limits(frame=300, message=4096, window=100))
    for _ in range(3):
        connection.send(b"actors", bytes(1000))
    connection.receive(encode_window(3, credit))
    assert connection.send(b"membership", b"sync", urgent=True)
    connection.receive(encode_window(3, 1 << 20))
    data = b"".join(body for _, _, _, body in sent(connection.data_to_send()))
    services = []
    while data:
        end = 4 + int.from_bytes(data[:4])
        services.append(data[5 : 5 + data[4]])
        data = data[end:]
    begun = 1 + (100 + credit) // 1011
    assert services.index(b"membership") == min(begun, 3)
    assert sorted(services) == [b"actors"] * 3 + [b"membership"]
