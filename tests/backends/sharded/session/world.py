"""A world for a `Session`: nodes, links and time as plain values, so that a whole cluster's life is arithmetic."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.session.encodings import PICKLE, Encoding
from casty_notebook.backends.sharded.session.events import (
    AskMade,
    Break,
    Closed,
    Connected,
    Dial,
    Event,
    Fail,
    Hangup,
    LinkLost,
    LinkOpened,
    Publish,
    Recall,
    Received,
    Reclaim,
    Reclaimed,
    Reject,
    Replies,
    Reply,
    Report,
    TellMade,
    Tick,
    Transmit,
    TypeUsed,
)
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.backends.sharded.session.messages import (
    Find,
    GetShardLocation,
    ShardLocation,
    SubscribeTopology,
    UnsubscribeTopology,
)
from casty_notebook.backends.sharded.session.session import ASK_PATH, Session
from casty_notebook.backends.sharded.session.state import Ask, Outgoing
from casty_notebook.backends.sharded.session.targets import ActorTarget, Target
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ReplyRef
from casty_notebook.values.services import Listing
from casty_notebook.values.targets import EntityName

SYSTEM = "test"


def node(number: int) -> NodeAddress:
    return NodeAddress(f"10.0.1.{number}", 25520)


class Node:
    """One simulated node: what it was sent, and whether it listens, answers, is frozen."""

    def __init__(self, address: NodeAddress) -> None:
        self.address = address
        self.listening = True
        self.frozen = False
        self.silent_topology = False
        self.inbox: list[tuple[str, Any]] = []
        self.backlog: list[tuple[int, Outgoing]] = []
        self.subscribers: set[str] = set()
        self.dials = 0
        self.system = SYSTEM
        self.answers_asks = True


class World:
    """Runs a session against simulated nodes. Every latency is `delay` seconds; nothing happens but by `run`."""

    def __init__(self, nodes: Iterable[int] = (1, 2, 3), *, contacts: Iterable[NodeAddress] | None = None,
                 settings: Settings | None = None, shards: dict[str, dict[int, NodeAddress]] | None = None,
                 fixed: NodeAddress | None = None, encodings: tuple[Encoding, ...] = PICKLE) -> None:  # fmt: skip
        self.now = 0.0
        self.delay = 0.001
        self.greeting = 0.0
        """What a node takes to answer a handshake beside that."""
        self.nodes = {node(n): Node(node(n)) for n in nodes}
        self.members = dict.fromkeys(self.nodes, MemberStatus.up)
        self.unreachable: frozenset[NodeAddress] = frozenset()
        self.leader: NodeAddress | None = min(self.nodes)
        self.allocations: dict[str, dict[int, NodeAddress]] = shards or {}
        self.hidden: set[tuple[str, int]] = set()
        self.hosted = {"counter"}
        self.services: frozenset[ServiceEntry] = frozenset()
        self.links: dict[int, tuple[NodeAddress, NodeAddress]] = {}
        self.identities: list[NodeAddress] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._asks = itertools.count(1)
        self._idents = itertools.count(1)
        self._names = itertools.count(1)
        self.replies: dict[str, Any] = {}
        self.failures: dict[str, Exception] = {}
        self.failed_at: dict[str, float] = {}
        self.rejected: list[Exception] = []
        self.reports: list[str] = []
        self.located: list[tuple[float, int]] = []
        """(time, shard) of every question where a shard lives, as it arrived."""
        self.questioned: list[tuple[float, NodeAddress]] = []
        """(time, node) of the same."""
        self.published: list[TopologySnapshot] = []
        self.closed = False
        self.stuck: set[int] = set()
        self.unsent: dict[int, list[Outgoing]] = {}

        def mint() -> NodeAddress:
            return fixed or NodeAddress("239.0.0.1", next(self._idents))

        contacts = tuple(self.nodes) if contacts is None else tuple(contacts)
        self.session = Session(SYSTEM, contacts, mint, 0.0, settings or Settings(), encodings=encodings,
                               names=lambda: f"question-{next(self._names)}", fixed_identity=fixed is not None)  # fmt: skip
        self.feed(Tick())

    # --- the loop --------------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        for effect in self.session.handle(event, self.now):
            self._perform(effect)
        self.session.validate()

    def register(self, shard_type: str, num_shards: int) -> None:
        """Name a type; raises what is wrong with it."""
        refused = len(self.rejected)
        self.feed(TypeUsed(shard_type, num_shards))
        if len(self.rejected) > refused:
            raise self.rejected.pop()

    def later(self, action: Callable[[], None], delay: float | None = None) -> None:
        heapq.heappush(self._agenda, (self.now + (self.delay if delay is None else delay), next(self._order), action))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        for _ in range(200_000):
            at = self._agenda[0][0] if self._agenda else float("inf")
            tick = self.session.deadline
            if min(at, tick) > end:
                self.now = end
                return
            if at <= tick:
                self.now = max(self.now, at)
                heapq.heappop(self._agenda)[2]()
            else:
                self.now = max(self.now, tick)
                self.feed(Tick())
        raise AssertionError("the session spins: 200,000 steps without getting anywhere")

    # --- effects ---------------------------------------------------------------------------------------------------

    def _perform(self, effect: Any) -> None:
        match effect:
            case Dial(link, address, identity):
                self.identities.append(identity)
                self.later(lambda: self._connect(link, address, identity))
            case Transmit(link, outgoing):
                self._transmit(link, outgoing)
            case Recall(link, outgoing):
                self.unsent[link] = [o for o in self.unsent.get(link, []) if o is not outgoing]
            case Hangup(link):
                for outgoing in self.unsent.pop(link, []):
                    self._arrive(link, outgoing)
                self.links.pop(link, None)
                self.stuck.discard(link)
            case Reclaim(link):
                self.feed(Reclaimed(tuple(self.unsent.pop(link, []))))
            case Break(link, reason):
                self.links.pop(link, None)
                self.stuck.discard(link)
                self.feed(LinkLost(link, reason, tuple(self.unsent.pop(link, []))))
            case Reply(ask_id, message):
                assert ask_id not in self.replies
                self.replies[ask_id] = message
            case Fail(ask_id, error):
                assert ask_id not in self.failures
                self.failures[ask_id] = error
                self.failed_at[ask_id] = self.now
            case Reject(error):
                self.rejected.append(error)
            case Publish(snapshot):
                self.published.append(snapshot)
            case Report(text):
                self.reports.append(text)
            case Closed():
                self.closed = True
            case _:
                pass

    def _connect(self, link: int, address: NodeAddress, identity: NodeAddress) -> None:
        target = self.nodes.get(address)
        if target is not None:
            target.dials += 1
        if target is None or not target.listening:
            self.feed(LinkLost(link, "connection refused"))
        elif target.frozen:
            self.later(lambda: self.feed(LinkLost(link, "no handshake within 2 s")), 2.0)
        else:
            self.links[link] = (address, identity)
            self.feed(Connected(link))
            if self.greeting:
                self.later(lambda: self._greet(link, address), self.greeting)
            else:
                self._greet(link, address)

    def _greet(self, link: int, address: NodeAddress) -> None:
        if link in self.links:  # as long as nothing that was sent since has ended it
            self.feed(LinkOpened(link, address))

    def _transmit(self, link: int, outgoing: Outgoing) -> None:
        if link in self.stuck:
            self.unsent.setdefault(link, []).append(outgoing)
        elif link in self.links:
            place = self.nodes[self.links[link][0]]
            if place.frozen:
                place.backlog.append((link, outgoing))
            else:
                self.later(lambda: self._arrive(link, outgoing))

    def _arrive(self, link: int, outgoing: Outgoing) -> None:
        entry = self.links.get(link)
        if entry is None or not self.nodes[entry[0]].listening:
            return
        place = self.nodes[entry[0]]
        message = outgoing.message
        if outgoing.seq > 0:
            place.inbox.append((outgoing.path, message))
            if outgoing.ask is not None and place.answers_asks:
                self._answer(place, outgoing.ask.reply_ref.address, f"reply from {place.address}")
            return
        match message:
            case SubscribeTopology(ref):
                place.subscribers.add(ref.uri)
                if not place.silent_topology:
                    self._answer(place, ref.address, self.snapshot(), "casty.cluster.topology.TopologySnapshot")
            case UnsubscribeTopology(ref):
                place.subscribers.discard(ref.uri)
            case Find(key, ref):
                self._answer(place, ref.address, Listing(key))
            case GetShardLocation(shard, ref):
                self._locate(place, outgoing.path.removeprefix("/_coord-"), shard, ref.address)

    def _locate(self, place: Node, shard_type: str, shard: int, reply_to: ActorAddress) -> None:
        self.located.append((self.now, shard))
        self.questioned.append((self.now, place.address))
        if shard_type not in self.hosted:
            return
        table = self.allocations.setdefault(shard_type, {})
        if shard not in table:
            if place.address != self.leader:
                return
            up = sorted(a for a, status in self.members.items() if status is MemberStatus.up)
            table[shard] = up[shard % len(up)]
        self._answer(place, reply_to, ShardLocation(shard, table[shard]))

    def _answer(self, place: Node, to: ActorAddress, message: Any, type_hint: str = "") -> None:
        def deliver() -> None:
            if not place.listening or place.frozen:
                return
            for link, (address, identity) in list(self.links.items()):
                if address == place.address and identity == to.node:
                    if to.path.startswith(ASK_PATH):
                        self.feed(Replies(link, place.system, [(to.path, message, 0)]))
                    else:
                        self.feed(Received(link, to.path, place.system, type_hint, message))
                    return

        self.later(deliver)

    # --- what people and nodes do ----------------------------------------------------------------------------------

    def snapshot(self) -> TopologySnapshot:
        allocations = {
            name: {s: ShardAllocation(owner) for s, owner in table.items() if (name, s) not in self.hidden}
            for name, table in self.allocations.items()
        }
        members = frozenset(Member(a, status, frozenset(), f"node-{a.host[-1]}") for a, status in self.members.items())
        return TopologySnapshot(members, self.leader, allocations, 1, self.unreachable, self.services)

    def push(self) -> None:
        """Every node pushes to its subscribers, as gossip makes it."""
        for place in self.nodes.values():
            if place.listening and not place.frozen and not place.silent_topology:
                for uri in list(place.subscribers):
                    to = ActorAddress.parse(uri)
                    self._answer(place, to, self.snapshot(), "casty.cluster.topology.TopologySnapshot")

    def gossip(self, interval: float = 0.5) -> None:
        """Push for ever, as a cluster of two or more does."""

        def again() -> None:
            self.push()
            self.later(again, interval)

        self.later(again, interval)

    def ask(self, target: Target | str, *, timeout: float = 5.0, retry: bool = False, fail_fast: bool = False) -> str:
        target = self._target(target)
        ask_id = f"{ASK_PATH}{next(self._asks)}"
        message: Any = ShardEnvelope(target.entity_id, ask_id) if isinstance(target, EntityName) else ask_id
        ref = ReplyRef(SYSTEM, ask_id)
        ask = Ask(ask_id, target, message, ref, self.now, self.now + timeout, retry=retry, fail_fast=fail_fast)
        self.feed(AskMade(ask))
        return ask_id

    def listen(self, target: Target | str, *, timeout: float = 5.0, retry: bool = False, limit: int = 10) -> Listening:
        """As `ask`; every message that comes is kept. Nodes answer its message as they answer an ask's."""
        target = self._target(target)
        ask_id = f"{ASK_PATH}{next(self._asks)}"
        message: Any = ShardEnvelope(target.entity_id, ask_id) if isinstance(target, EntityName) else ask_id
        ref, deadline = ReplyRef(SYSTEM, ask_id), self.now + timeout
        listening = Listening(
            ask_id, target, message, ref, self.now, deadline, limit=limit, max_bytes=1_000_000, retry=retry
        )
        self.feed(AskMade(listening))
        return listening

    def utter(self, address: NodeAddress, listening: Listening, *messages: Any) -> None:
        """An actor of that node tells the listener's ref something."""
        for message in messages:
            self._answer(self.nodes[address], listening.reply_ref.address, message)

    def tell(self, target: Target | str, message: Any) -> None:
        target = self._target(target)
        wrapped = ShardEnvelope(target.entity_id, message) if isinstance(target, EntityName) else message
        self.feed(TellMade(target, wrapped))

    @staticmethod
    def _target(target: Target | str) -> EntityName | ActorTarget:
        return EntityName(*target.split("/", 1)) if isinstance(target, str) else target

    def kill(self, address: NodeAddress) -> None:
        """The process ends: connections break, nothing listens."""
        place = self.nodes[address]
        place.listening = False
        place.subscribers.clear()
        place.backlog.clear()
        self.cut(address)

    def cut(self, address: NodeAddress) -> None:
        """Every connection to the node breaks."""
        for link, (where, _) in list(self.links.items()):
            if where == address and link in self.links:
                del self.links[link]
                self.stuck.discard(link)
                self.feed(LinkLost(link, "the node closed the connection", tuple(self.unsent.pop(link, []))))

    def start(self, address: NodeAddress) -> None:
        self.nodes[address].listening = True

    def freeze(self, address: NodeAddress) -> None:
        self.nodes[address].frozen = True

    def thaw(self, address: NodeAddress) -> None:
        place = self.nodes[address]
        place.frozen = False
        backlog, place.backlog = place.backlog, []
        for link, outgoing in backlog:
            self._arrive(link, outgoing)

    def delivered(self, entity_id: str) -> list[Any]:
        """The messages that any node's region took for an entity, in order of arrival per node."""
        return [
            message.message
            for place in self.nodes.values()
            for path, message in place.inbox
            if isinstance(message, ShardEnvelope) and message.entity_id == entity_id
        ]
