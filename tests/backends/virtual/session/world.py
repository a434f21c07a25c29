"""A virtual cluster without sockets: nodes that own keys by the real ring, links that open, break and stall, time as a number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Outcome, Record, WrongOwner
from casty_notebook.backends.virtual.session.events import (
    Answer,
    AskMade,
    Cancel,
    Closed,
    Deliver,
    Dial,
    Effect,
    Event,
    Fail,
    Hangup,
    Heard,
    LinkLost,
    LinkOpened,
    LinkRefused,
    ListenMade,
    MakeRing,
    Publish,
    Replied,
    Report,
    Returned,
    RingMade,
    Sync,
    TableCame,
    TellMade,
    Tick,
)
from casty_notebook.backends.virtual.session.members import OWNING
from casty_notebook.backends.virtual.session.ring import NodeId, Ring
from casty_notebook.backends.virtual.session.room import MORE
from casty_notebook.backends.virtual.session.session import IN_FLIGHT, Session
from casty_notebook.backends.virtual.wire import Refusal
from casty_notebook.errors import CastyNotebookError
from casty_notebook.settings import Settings

TYPE = "shop.actors:counter"


@cache
def ring_of(nodes: frozenset[NodeId]) -> Ring:
    """A millisecond each, and the same few again and again."""
    return Ring(nodes)


@dataclass
class Node:
    """One life of a node, as the world has it."""

    address: NodeAddress
    incarnation: bytes
    alive: bool = True
    frozen: bool = False
    statuses: dict[NodeId, str] = field(default_factory=dict)
    """What it says of the others."""

    @property
    def id(self) -> NodeId:
        return NodeId(self.address, self.incarnation)


class World:
    """Drives a `Session` and checks every effect against what the world is."""

    def __init__(
        self, nodes: int = 3, *, contacts: int | None = None, settings: Settings | None = None, name: str = "shop",
        in_flight: int = IN_FLIGHT, contact_points: tuple[NodeAddress, ...] | None = None,
    ) -> None:  # fmt: skip
        self.now = 0.0
        self.name = "shop"
        self.nodes = {
            node.address: node for n in range(nodes) if (node := Node(NodeAddress(f"10.0.1.{n}", 25520), bytes([n] * 16)))
        }
        for node in self.nodes.values():
            node.statuses = {other.id: "alive" for other in self.nodes.values()}
        addresses = contact_points or tuple(self.nodes)[:contacts]
        self.in_flight = in_flight
        self.session = Session(name, addresses, self.now, settings or Settings(), in_flight=in_flight)
        self.dials: dict[int, Dial] = {}
        self.links: dict[int, Node] = {}
        self.syncs: list[int] = []
        self.delivered: list[tuple[Node, Deliver]] = []
        """What nodes have read and not answered."""
        self.history: list[tuple[NodeAddress, Deliver]] = []
        self.answers: dict[int, bytes] = {}
        self.answered: set[str] = set()
        """Keys that have answered under these members."""
        self.heard: list[tuple[int, bytes]] = []
        self.failures: dict[int, CastyNotebookError] = {}
        self.cancelled: list[Cancel] = []
        self.reports: list[str] = []
        self.rings: list[MakeRing] = []
        """Those that are still being made."""
        self.published = 0
        self.closed = False
        self.feed(Tick())

    # --- the session's side ----------------------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Effect]:
        effects = self.session.handle(event, self.now)
        for effect in effects:
            getattr(self, f"_{type(effect).__name__.lower()}")(effect)
        self.check_room()
        self.session.validate()
        return effects

    def check_room(self) -> None:
        """No more asks are on their way than may be: to one node, of these to keys that have not answered, and to one key."""
        sent = self.session._envelopes.room.sent.values()
        for of, most in (
            (Counter(envelope.at for envelope in sent), MORE * self.in_flight),
            (Counter(envelope.at for envelope in sent if envelope.activates), self.in_flight),
            (Counter(envelope.key for envelope in sent), self.in_flight),
        ):
            assert max(of.values(), default=0) <= most

    def _dial(self, effect: Dial) -> None:
        assert effect.link not in self.dials
        assert effect.link not in self.links
        self.dials[effect.link] = effect

    def _hangup(self, effect: Hangup) -> None:
        self.dials.pop(effect.link, None)
        self.links.pop(effect.link, None)

    def _sync(self, effect: Sync) -> None:
        assert effect.link in self.links
        self.syncs.append(effect.link)

    def _deliver(self, effect: Deliver) -> None:
        node = self.links[effect.link]  # only an open link can be written to
        if effect.number in (sent := self.session._envelopes.room.sent) and not sent[effect.number].activates:
            assert effect.key in self.answered
        self.delivered.append((node, effect))
        self.history.append((node.address, effect))

    def _cancel(self, effect: Cancel) -> None:
        assert effect.link in self.links
        self.cancelled.append(effect)

    def _answer(self, effect: Answer) -> None:
        assert effect.number not in self.answers
        assert effect.number not in self.failures
        self.answers[effect.number] = effect.data
        self.answered.update(each.key for _, each in self.history if each.number == effect.number)

    def _heard(self, effect: Heard) -> None:
        assert effect.number in self.session._envelopes.listening
        self.heard.append((effect.number, effect.data))

    def _fail(self, effect: Fail) -> None:
        assert effect.number not in self.answers
        assert effect.number not in self.failures
        self.failures[effect.number] = effect.error

    def _makering(self, effect: MakeRing) -> None:
        self.rings.append(effect)

    def _publish(self, effect: Publish) -> None:
        self.answered.clear()
        assert effect.members is self.session.members
        self.published += 1

    def _report(self, effect: Report) -> None:
        self.reports.append(effect.text)

    def _closed(self, _effect: Closed) -> None:
        self.closed = True

    # --- the world's side ------------------------------------------------------------------------------------------

    def node(self, place: int) -> Node:
        return self.nodes[NodeAddress(f"10.0.1.{place}", 25520)]

    def answer_dials(self) -> None:
        for link, dial in list(self.dials.items()):
            del self.dials[link]
            node = self.nodes.get(dial.address)
            if node is None or not node.alive:
                self.feed(LinkLost(link, "connection refused"))
            elif node.frozen:
                self.feed(LinkLost(link, "no answer to the hello", silent=True))
            elif dial.cluster != self.name:
                self.feed(LinkRefused(link, Refusal(f'cluster "{dial.cluster}" is not "{self.name}"', cluster=self.name)))
            else:
                self.links[link] = node
                self.feed(LinkOpened(link, node.address, node.incarnation))

    def make_rings(self) -> None:
        rings, self.rings = self.rings, []
        for wanted in rings:
            self.feed(RingMade(Ring(wanted.nodes, wanted.before)))

    def answer_syncs(self) -> None:
        syncs, self.syncs = self.syncs, []
        for link in syncs:
            node = self.links.get(link)
            if node is None:
                continue
            if node.frozen:
                self.syncs.append(link)
            else:
                self.feed(TableCame(link, self.table(node)))

    def table(self, node: Node) -> tuple[Record, ...]:
        return tuple(Record(who.address, who.incarnation, said, frozenset({TYPE})) for who, said in node.statuses.items())

    def owner(self, node: Node, key: str) -> NodeId | None:
        """Who owns a key in the eyes of one node."""
        replicas = ring_of(frozenset(node.statuses)).replicas(TYPE, key)
        return next((each for each in replicas if node.statuses[each] in OWNING), None)

    def answer_messages(self) -> None:
        delivered, self.delivered = self.delivered, []
        for node, effect in delivered:
            if not node.alive or effect.link not in self.links:
                continue
            if node.frozen:
                self.delivered.append((node, effect))
            elif self.owner(node, effect.key) != node.id:
                self.history.remove((node.address, effect))  # it came back unread
                self.feed(Returned(effect.link, WrongOwner(effect.number, effect.actor, effect.key, effect.message)))
            elif effect.number is not None:
                self.feed(Replied([Outcome(effect.number, "Value", effect.message)]))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with every tick that the session asks for, and the world answering at each."""
        end = self.now + seconds
        self.settle()
        ticks = 0
        while self.session.deadline <= end:
            # A session that asks for ticks without end, at one moment, would take all of a core.
            ticks = ticks + 1 if self.session.deadline <= self.now else 0
            assert ticks < 20, "ticks that lead nowhere"
            self.now = max(self.now, self.session.deadline)
            self.feed(Tick())
            self.answer_dials()
            self.answer_syncs()
            self.make_rings()
            self.answer_messages()
        self.now = end

    def settle(self) -> None:
        """Answer all that is open, without time passing."""
        for _ in range(10):
            self.answer_dials()
            self.answer_syncs()
            self.make_rings()
            self.answer_messages()

    def kill(self, node: Node) -> None:
        node.alive = False
        for link, at in list(self.links.items()):
            if at is node:
                del self.links[link]
                self.feed(LinkLost(link, "connection reset"))

    def say(self, of: Node, status: str | None) -> None:
        """All living nodes think so of one; None: it is no longer listed."""
        for node in self.nodes.values():
            if status is None:
                node.statuses.pop(of.id, None)
            else:
                node.statuses[of.id] = status

    def ask(self, number: int, key: str, **options: Any) -> None:
        made = ListenMade if options.pop("listens", False) else AskMade
        self.feed(made(number, TYPE, key, "Get", b"%d" % number, options.pop("timeout", 5.0), **options))

    def tell(self, key: str, message: bytes) -> None:
        self.feed(TellMade(TYPE, key, "Add", message))
