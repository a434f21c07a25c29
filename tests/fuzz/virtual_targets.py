"""The parsers of clusters of 0.30 as functions of bytes, alone and as a client puts them together; see `targets`.

The first byte of an input chooses the parser, the second a variant of it.
"""

from __future__ import annotations

from contextlib import suppress

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec import protocol
from casty_notebook.backends.virtual.codec.values import ReplyTo, ValueReader, write_message
from casty_notebook.backends.virtual.session.events import (
    AskMade,
    Deliver,
    Dial,
    Effect,
    Event,
    Hangup,
    LinkLeaving,
    LinkLost,
    LinkOpened,
    LinkRefused,
    MakeRing,
    Replied,
    Returned,
    RingMade,
    TableCame,
    TellMade,
    Tick,
)
from casty_notebook.backends.virtual.session.ring import Ring
from casty_notebook.backends.virtual.session.session import Session
from casty_notebook.backends.virtual.wire import Accepted, Connection, Hello, Leaving, Limits, Message, Rejected
from casty_notebook.backends.virtual.wire.hello import decode_ack, decode_reject
from casty_notebook.errors import ProtocolError, UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from tests.backends.virtual import messages
from tests.fuzz import targets
from tests.fuzz.targets import Target
from tests.hostile.virtual.work import CLASSES

__all__ = ["CLUSTER", "CONTACT", "KEYS", "LIMITS", "NUMBERS", "TARGETS", "TYPE", "run"]

CLUSTER, TYPE = "shop", "shop.actors:counter"
CONTACT = NodeAddress("127.0.0.1", 25520)
LIMITS = Limits(frame=1 << 16, message=1 << 20, window=1 << 18)
KEYS, NUMBERS = ("a", "b", "user-42"), tuple(range(1, 9))
ME = bytes(range(16))
SETTINGS = Settings(max_buffered=100, max_pending_asks=100, story_length=20)
READER = ValueReader()
READER.register(messages, *CLASSES)


def stream(variant: int, data: bytes) -> None:
    """What a node says on a connection, whole and in pieces: the pieces must not matter, and little is owed.

    Of a read that ends in damage nothing is told, so that pieces tell more of the same.
    """
    (whole, wrong), (pieces, also_wrong) = _said(data, len(data) or 1), _said(data, variant % 61 + 1)
    alike = whole == pieces[: len(whole)] if wrong or also_wrong else whole == pieces
    if not alike:
        raise AssertionError(f"{whole!r} ({wrong}) in one, {pieces!r} ({also_wrong}) in pieces of {variant % 61 + 1}")


def _said(data: bytes, size: int) -> tuple[list[object], str | None]:
    connection = Connection(Hello(CLUSTER, ME, LIMITS), 1 << 20)
    events: list[object] = []
    connection.data_to_send()
    try:
        for at in range(0, len(data), size):
            events += connection.receive(data[at : at + size])
    except ProtocolError as error:
        return events, str(error)[:12]
    if len(connection.data_to_send()) > 200:
        raise AssertionError("a flood is answered by a flood")
    return events, None


def answer(_variant: int, data: bytes) -> None:
    """The answer to a hello."""
    with suppress(ProtocolError):
        decode_reject(data)
    decode_ack(data)


def message(_variant: int, data: bytes) -> None:
    """A message of the cluster's own."""
    for read in (protocol.read_membership, protocol.read_reply):
        with suppress(UndecodableMessage):
            read(data)
    protocol.read_actors(data)


def value(variant: int, data: bytes) -> None:
    """The value in a reply, which must print, and can be sent on or is refused as unsendable."""
    read = READER.read(data)
    repr(read)
    if variant % 4 == 0:
        with suppress(UnsendableMessage):
            write_message(read, ReplyTo(ME, variant))


def client(variant: int, data: bytes) -> None:
    """All that a node says to a client with some asks on their way: wire, messages, values and decisions together."""
    life = _Life()
    size = variant + 1 if variant % 2 else len(data) or 1
    for at in range(0, len(data), size):
        if not life.receive(data[at : at + size]):
            break
        life.pass_time(0.3)
    life.pass_time(5.0)
    life.check()


class _Life:
    """A session with one contact point, and the connection to it: what a pump does, without a loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self.session = Session(CLUSTER, (CONTACT,), self.now, SETTINGS)
        self.open: set[int] = set()
        self.dials = 0
        self.link = 1
        self.connection = Connection(Hello(CLUSTER, ME, LIMITS), 1 << 20)
        self.feed(Tick())
        for number in NUMBERS:
            self.feed(AskMade(number, TYPE, KEYS[number % len(KEYS)], "Get", b"\x90", 3.0))
        self.feed(TellMade(TYPE, KEYS[0], "Add", b"\x91\x01"))

    def feed(self, event: Event) -> None:
        for effect in self.session.handle(event, self.now):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Dial(link, address) if address != CONTACT:
                self.dials += 1
                self.open.add(link)  # nobody answers; see `pass_time`
            case Dial(link):
                self.dials += 1
                self.link = link
                self.open.add(link)
            case Hangup(link):
                self.open.discard(link)
            case MakeRing(nodes, before):
                self.feed(RingMade(Ring(nodes, before)))
            case Deliver(link) if link not in self.open:
                raise AssertionError("a message went out by a link that is closed")
            case _:
                pass

    def receive(self, data: bytes) -> bool:
        """Take bytes by the link to the contact point; False once it is of no use."""
        try:
            events = self.connection.receive(data)
        except ProtocolError as error:
            self.feed(LinkLost(self.link, str(error)))
            return False
        for event in events:
            match event:
                case Accepted(node, incarnation):
                    self.feed(LinkOpened(self.link, node, incarnation))
                case Rejected(refusal):
                    self.feed(LinkRefused(self.link, refusal))
                    return False
                case Leaving():
                    self.feed(LinkLeaving(self.link))
                case _:
                    self._message(event)
        self.connection.data_to_send()
        return True

    def _message(self, event: Message) -> None:
        try:
            if event.service == protocol.REPLIES:
                self.feed(Replied([protocol.read_reply(event.body)]))
            elif event.service == protocol.MEMBERSHIP:
                records = protocol.read_membership(event.body)
                if records is not None:
                    self.feed(TableCame(self.link, records))
            elif event.service == protocol.ACTORS:
                returned = protocol.read_actors(event.body)
                if returned is not None:
                    self.feed(Returned(self.link, returned))
        except UndecodableMessage:
            return

    def pass_time(self, seconds: float) -> None:
        """Let time pass; whoever else is dialled refuses."""
        end, ticks = self.now + seconds, 0
        while self.session.deadline <= end:
            ticks += 1
            if ticks > 2_000:
                raise AssertionError("ticks without end")
            self.now = max(self.now, self.session.deadline)
            self.feed(Tick())
            for link in [link for link in self.open if link != self.link]:
                self.open.discard(link)
                self.feed(LinkLost(link, "refused"))
        self.now = end

    def check(self) -> None:
        """Nothing grows with what was said."""
        if len(self.session.peers.by_address) > 1 + 2 * protocol.MAX_MEMBERS or len(self.session.attempts) > 1:
            raise AssertionError("what a node says is kept for ever")
        if self.dials > SETTINGS.dial_burst + 10 + (self.now + 1) * SETTINGS.dial_rate:
            raise AssertionError(f"{self.dials} dials in {self.now:g} s")


TARGETS = (
    Target(stream, ()),
    Target(answer, (ProtocolError,)),
    Target(message, (UndecodableMessage,)),
    Target(value, (UndecodableMessage,)),
    Target(value, (UndecodableMessage,)),
    Target(client, ()),
    Target(client, ()),
)


def run(data: bytes) -> None:
    """Give an input to the parser it names; returns in the promised cases, raises in all others."""
    targets.run(data, TARGETS)
