"""`ClusterClient`: an external observer of a Casty cluster, for asyncio."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, overload

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.advice import DOCTOR
from casty_notebook.backends.aio.lifecycle import Lifecycle
from casty_notebook.backends.arguments import checked_contacts, checked_settings, checked_system
from casty_notebook.backends.inbox import LIMIT, checked_limit
from casty_notebook.backends.sharded.aio.addressing import resolve
from casty_notebook.backends.sharded.aio.codecs import Codecs, named, remember
from casty_notebook.backends.sharded.aio.identity import Names, chosen_identity, mint_identity
from casty_notebook.backends.sharded.aio.listener import Listener
from casty_notebook.backends.sharded.aio.pump import Pump
from casty_notebook.backends.sharded.aio.wire_classes import build_registry
from casty_notebook.backends.sharded.codec.codec import Codec
from casty_notebook.backends.sharded.session.encodings import Encoding
from casty_notebook.backends.sharded.session.events import AskCancelled, AskMade, TellMade, Tick, TypeUsed
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.backends.sharded.session.session import ASK_PATH, Session
from casty_notebook.backends.sharded.session.state import Ask
from casty_notebook.backends.sharded.session.targets import NOT_IN_USE, Target
from casty_notebook.backends.sharded.wire import encode_handshake
from casty_notebook.backends.trace import Trace, TraceFunction
from casty_notebook.errors import (
    ContactAttempt,
    MisuseError,
    NoContactPoint,
    WrongThread,
)
from casty_notebook.net.dialler import AddressMap, Connector, Dialler
from casty_notebook.net.tls import TLS, tls_context
from casty_notebook.settings import Settings, checked_seconds
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.topology.traffic import TrafficHistory
from casty_notebook.values.generics import M, R
from casty_notebook.values.refs import ActorRef, EntityRef, ReplyRef, Tellable
from casty_notebook.values.services import Listing, ServiceInstance, ServiceKey
from casty_notebook.values.targets import EntityName

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.aio.structures import Distributed

__all__ = ["ClusterClient"]

LOOK_AGAIN = 0.25
"""Seconds between two checks whether all encodings were tried in vain, where some cannot be tried with the packages here."""


class ClusterClient(Lifecycle[Pump, TopologySnapshot]):
    """Observes a cluster from outside: topology pushed, entities routed with zero hops, services looked up locally.

    Joins nothing and listens on nothing: everything comes back through the connections it opened.

    Parameters
    ----------
    contact_points
        ``(host, port)`` of one or more nodes; the others are learned from the snapshots.
    system_name
        The cluster's system name. Another than the cluster's own is an error that names both.
    client_host, client_port, advertised_host, advertised_port
        The identity in reply addresses, if it must be a given one; port 0 mints one (PROTOCOL section 3.5).
    address_map
        Where to dial a node, for tunnels: a dict ``{(host, port): (host, port)}`` or a function of ``(host, port)``;
        a node without an entry is dialled at its own address.
    serializer, compression
        As the cluster is configured: "pickle", "json", "msgpack" or "cloudpickle"; None, "zlib", "gzip", "bz2",
        "lzma" or "lz4". Nothing is negotiated (PROTOCOL section 4.5); ``serializer="auto"`` finds both out by asking,
        and each wrong guess is a line in a node's log. One of casty's own serializer objects is as good as the two names.
    tls
        A `TLS`, an `ssl.SSLContext`, or casty's own TLS configuration, for a cluster with TLS.
    messages
        Classes, or modules of them, that replies may become; others arrive as inert stand-ins.
    settings
        Limits and timeouts.
    send_main
        Send messages of classes of ``__main__``, for nodes that have them in their own; else they are refused.
    trace
        A function that is told what happens as it happens: dials, pushes, asks, replies, as `Trace` lists.

    Raises
    ------
    InvalidAddress
        If a contact point or the identity could not be dialled or sent.
    MisuseError
        If an argument is unusable.

    Examples
    --------
    >>> async def main():
    ...     async with ClusterClient(contact_points=[("10.0.1.10", 25520)], system_name="my-cluster") as client:
    ...         counter = client.entity_ref("counter", num_shards=100)
    ...         return await client.ask(counter, lambda r: ShardEnvelope("user-42", GetCount(reply_to=r)))
    """

    def __init__(
        self, *, contact_points: Iterable[tuple[str, int]], system_name: str,
        client_host: str | None = "127.0.0.1", client_port: int = 0, address_map: AddressMap = None,
        advertised_host: str | None = None, advertised_port: int | None = None,
        serializer: Any = "pickle", compression: str | None = None, tls: TLS | ssl.SSLContext | None = None,
        messages: Iterable[Any] = (), settings: Settings | None = None, connector: Connector | None = None,
        send_main: bool = False, trace: TraceFunction | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.system_name = checked_system(system_name)
        self.contact_points = checked_contacts(contact_points)
        self.settings = checked_settings(settings)
        self._trace = Trace(trace)
        self._mint, self._fixed = chosen_identity(client_host, client_port, advertised_host, advertised_port)
        self._registry = build_registry(self._received_ref, messages, send_main=send_main)
        self._codecs = Codecs(self._registry, *named(serializer, compression, self.settings), self.settings)
        context, server_hostname = tls_context(tls)
        files = tls if isinstance(tls, TLS) else None
        self.dialler = Dialler(
            self.settings, address_map, context, server_hostname, connector, files=files,
            greeting=lambda: encode_handshake(mint_identity()),
        )  # fmt: skip
        self._entity_refs: dict[str, EntityRef] = {}
        self._forget = self._broadcast.listen(self._remember)
        self._names = Names()
        self._named = {NodeAddress(*node) for node in address_map} if isinstance(address_map, Mapping) else set[NodeAddress]()

    # --- entering and leaving --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start connecting; returns at once. Asks made before the first snapshot wait for it."""
        self._enter()
        now = monotonic()
        encodings = self._codecs.encodings(self.system_name, self.contact_points)
        session = Session(
            self.system_name, self.contact_points, self._mint, now, self.settings,
            names=self._names, encodings=encodings, fixed_identity=self._fixed, named=self._named,
        )  # fmt: skip
        news = self._broadcast
        self._pump = Pump(
            session, self._codecs, self.dialler, self.settings,
            on_publish=news.publish, on_ruin=news.ruined, on_hopeless=news.wake, trace=self._trace,
        )  # fmt: skip
        self._pump.feed(Tick())
        return self

    def _cluster(self) -> str:
        return self.system_name

    # --- topology --------------------------------------------------------------------------------------------------

    @property
    def topology(self) -> TopologySnapshot | None:
        """The last snapshot, or None before the first."""
        return self._pump.session.snapshot if self._pump is not None else None

    @property
    def snapshot_age(self) -> float | None:
        """Seconds since a node last sent a snapshot (changed or not)."""
        if self._pump is None or self._pump.session.snapshot_at is None:
            return None
        return self._pump.now - self._pump.session.snapshot_at

    @property
    def traffic(self) -> TrafficHistory:
        """What became of our asks in the last hour, by node, type and cause."""
        return self._pump.session.traffic_history(self._pump.now) if self._pump is not None else TrafficHistory()

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every known node, from our own connections (DESIGN section 2.7)."""
        return self._pump.session.health(self._pump.now) if self._pump is not None else {}

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened so far, by name.

        overflowed, undelivered (tells without a route in time), timed_out, late_replies, lost_links, probes, snapshots, dropped
        (by listeners).
        """
        return dict(self._pump.session.counters) if self._pump is not None else {}

    @property
    def encoding(self) -> Encoding | None:
        """Class layout, serializer and compression of the cluster, once known."""
        return self._pump.session.subscription.encoding if self._pump is not None else None

    @property
    def wrong_guesses(self) -> int:
        """How many lines our wrong guesses at the encoding have left in the nodes' logs."""
        return self._pump.session.subscription.wrong_guesses if self._pump is not None else 0

    @property
    def codec(self) -> Codec | None:
        """What writes messages as this cluster reads them; None until that is known."""
        encoding = self.encoding
        return None if encoding is None else self._codecs.of(encoding)

    @property
    def encoding_note(self) -> str:
        """The encoding, and what guesses at it have left in the nodes' logs; empty if there were none."""
        return self._pump.session.subscription.note if self._pump is not None else ""

    @property
    def contact(self) -> NodeAddress | None:
        """The node whose snapshots are followed now."""
        return self._pump.session.contact if self._pump is not None else None

    async def wait_for_topology(self, timeout: float = 10.0) -> TopologySnapshot:
        """Wait for the first snapshot (returns at once if there is one).

        Raises
        ------
        NoContactPoint
            If none came in `timeout` seconds, or sooner if each contact point gave twice a reason that waiting does
            not mend (TLS, a login), refused for about a second, or answered in no encoding that can be tried with the
            packages here; lists every contact point with what happened there.
        SystemNameMismatch
            If the cluster has another system name.
        ClientClosed, NotEntered
            If the client was left, meanwhile too, or not entered yet.
        """
        self._open_pump()
        timeout = checked_seconds("timeout", timeout)
        if not self._home.here:
            return await self._home.wait_for(self.wait_for_topology(timeout))
        try:
            async with asyncio.timeout(timeout):
                while (snapshot := self.topology) is None:
                    self._broadcast.check()
                    pump = self._open_pump()  # raises where the client was left meanwhile
                    if pump.session.hopeless:
                        raise self._no_contact(f"{self.system_name!r} cannot be reached")
                    untried = self._codecs.untried
                    if untried and pump.session.subscription.exhausted:
                        raise self._no_contact(f"{self.system_name!r} answers in none of the encodings that can be tried here")
                    await self._broadcast.wait(LOOK_AGAIN if untried else None)
        except TimeoutError:
            raise self._no_contact(f"no snapshot of {self.system_name!r} within {timeout:g} s") from None
        self._broadcast.check()
        return snapshot

    @property
    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        """What happened at each contact point so far."""
        return self._pump.session.contact_attempts() if self._pump is not None else ()

    def _no_contact(self, text: str) -> NoContactPoint:
        session = self._open_pump().session
        verdict = f": {session.contacts.verdict}" if session.contacts.verdict is not None else ""
        reached = session.peers.any_live or session.subscription.exhausted
        missing = f" ({self._codecs.untried})" if self._codecs.untried and reached else ""
        hint = "" if verdict else f"; {DOCTOR}, with the same address and options, examines the way"
        return NoContactPoint(f"{text}{verdict}{missing}{hint}; the contact points say:", session.contact_attempts())

    def snapshots(self) -> AsyncIterator[TopologySnapshot]:
        """The current snapshot, then each changed one; a slow reader gets the newest only. Ends when the client is left."""
        self._open_pump()
        return self._news(lambda: self.topology)

    def on_snapshot(self, listener: Callable[[TopologySnapshot], None]) -> Callable[[], None]:
        """Call `listener` on the loop with each changed snapshot; returns the way to stop that.

        Listeners are called in the order they came. One that raises harms nobody else; the log says so.
        """
        return self._broadcast.listen(listener)

    def _remember(self, _snapshot: TopologySnapshot) -> None:
        """Remember the encoding with the first snapshot, so that the next client of this cluster need not guess it."""
        self._forget()
        if self.encoding is not None:
            remember(self.system_name, self.contact_points, self.encoding)

    # --- services and entities -------------------------------------------------------------------------------------

    @overload
    def lookup(self, key: ServiceKey[M]) -> Listing[M]: ...
    @overload
    def lookup(self, key: Any) -> Listing: ...
    def lookup(self, key: Any) -> Listing[Any]:
        """The instances of a service in the last snapshot; empty before the first. No round trip.

        Takes a `ServiceKey`, one of casty's own, or a name; the listing's key is the one that was given.
        """
        self._open_pump()
        name = key if isinstance(key, str) else getattr(key, "name", None)
        if not isinstance(name, str):
            raise MisuseError(f"lookup takes a ServiceKey or a name, not {type(key).__name__}")
        snapshot = self.topology
        entries = [entry for entry in snapshot.registry if entry.key == name] if snapshot is not None else []
        instances = (
            ServiceInstance(ActorRef(ActorAddress(self.system_name, entry.path, entry.node), self), entry.node)
            for entry in entries
        )
        return Listing(ServiceKey(name) if isinstance(key, str) else key, frozenset(instances))

    def entity_ref(self, shard_type: str, num_shards: int) -> EntityRef:
        """The ref of a sharded type, the same one at every call.

        Raises
        ------
        ShardCountMismatch
            If the type is in use with another number of shards here. The number is not on the wire (PROTOCOL section 4.2),
            so it must be the one that the nodes use; what speaks against it in the snapshots is logged.
        """
        pump = self._open_pump()
        ref = self._entity_refs.get(shard_type)
        if ref is not None and ref.num_shards == num_shards and type(num_shards) is int:
            return ref
        self._home.check_settled("entity_ref")
        pump.tell(TypeUsed(shard_type, num_shards))
        if ref is None:
            ref = self._entity_refs[shard_type] = EntityRef(shard_type, num_shards, self)
        return ref

    def distributed(self) -> Distributed:
        """Distributed structures of casty's (counters, maps, sets, queues), by the names that casty's own client gives them."""
        from casty_notebook.backends.sharded.aio.structures import Distributed

        return Distributed(self)

    def actor_ref(self, uri: str) -> ActorRef:
        """The ref of any actor by its ``casty://system@host:port/path`` URI. Its node is dialled, member or not: you named it."""
        self._name_node(uri)
        return ActorRef(ActorAddress.parse(uri), self)

    def _received_ref(self, uri: str) -> ActorRef:
        """A ref inside of what a node sent: no reason to dial the node that it names."""
        return ActorRef(ActorAddress.parse(uri), self)

    def _name_node(self, uri: str) -> None:
        node = ActorAddress.parse(uri).node
        if node is not None:
            self._named.add(node)

    def locate(self, shard_type: str, entity_id: str) -> tuple[int, NodeAddress | None, tuple[NodeAddress, ...]]:
        """Shard, owner and replicas of an entity as known now; the type must be in use (`entity_ref`)."""
        pump = self._open_pump()
        table = pump.session.table(shard_type)
        if table is None:
            raise MisuseError(NOT_IN_USE.format(shard_type))
        shard = table.shard_of(entity_id)
        return shard, table.locate(shard, pump.now), table.replicas(shard)

    def asked_for(self, shard_type: str) -> frozenset[int]:
        """The shards that this client asked the cluster for: they may be allocated for no other reason."""
        table = self._pump.session.table(shard_type) if self._pump is not None else None
        return frozenset(table.census.ours) if table is not None else frozenset()

    def register(self, *classes: Any) -> None:
        """Let replies become instances of more classes, or of those that modules define; `MisuseError` for unsuitable ones."""
        for each in classes:
            self._registry.register(each)

    @property
    def shard_counts(self) -> dict[str, int]:
        """The sharded types in use, with their number of shards."""
        return {name: ref.num_shards for name, ref in self._entity_refs.items()}

    def num_shards(self, shard_type: str) -> int | None:
        """The number of shards of a type; None if it is not in use here."""
        ref = self._entity_refs.get(shard_type)
        return ref.num_shards if ref is not None else None

    # --- messages --------------------------------------------------------------------------------------------------

    def tell(self, target: Tellable[M] | EntityName | str, message: M) -> None:
        """Send without waiting; never blocks. Buffered, bounded, while the way to the target is found.

        On another thread or loop than the client's own, the message is written here and handed over, in order. What only the
        client's loop can refuse (`Overloaded`) is then logged, not raised.

        Raises
        ------
        UnsendableMessage, ShardCountMismatch, Overloaded, ClientClosed, NotEntered
            At once, not later.
        WrongThread
            If the client's own loop does not run any more.
        """
        pump = self._open_pump()
        if isinstance(target, str):
            self._name_node(target)
        elif isinstance(target, EntityRef) and target.sender is not self:
            self._check_of_one_cluster(target)
        resolved, message = resolve(target, message)
        told = TellMade(resolved, pump.writer.parcel(message))
        if self._home.here:
            pump.tell(told)
        else:
            self._home.hand_over(pump.tell_from_elsewhere, told)

    def prepare_tell(self, shard_type: str, entity_id: str, message: Any) -> TellMade | None:
        """Write a tell to an entity on the calling thread, for `tell_prepared`; None if it must be told on the client's loop.

        Raises
        ------
        UnsendableMessage, ClientClosed, NotEntered
            As `tell`.
        """
        pump = self._open_pump()
        if shard_type not in self._entity_refs or not pump.calm:
            return None
        resolved, envelope = resolve(EntityName(shard_type, entity_id), message)
        return TellMade(resolved, pump.writer.parcel(envelope))

    def tell_prepared(self, told: TellMade) -> None:
        """Send what `prepare_tell` made, on the client's own loop. A refusal is logged: whoever told it is no longer there."""
        if self._pump is not None:
            self._pump.tell_from_elsewhere(told)

    async def ask(
        self, ref: Tellable[M] | EntityName | str, msg_factory: Callable[[ActorRef[R]], M], *, timeout: float | None = None,
        retry: bool = False, fail_fast: bool | None = None, label: str = "",
    ) -> R:  # fmt: skip
        """Send a question and wait for its reply, of any type, None included.

        Parameters
        ----------
        ref
            Whom to ask: a ref, or a ``casty://`` URI.
        msg_factory
            A function of the reply ref that makes the message; a type checker takes the reply's type from it.
        timeout
            Seconds; `Settings.ask_timeout` if None.
        retry
            The message does no harm when it arrives twice: send it again if its node is lost before the reply.
        fail_fast
            Fail at once while the owner cannot be reached; `Settings.fail_fast` if None. Otherwise an ask that has not left
            is held until there is an owner that can be reached, or its timeout.

        Raises
        ------
        AskTimeout, NodeUnreachable, Overloaded, ClientClosed
            Each with a report of all that is known.
        UnsendableMessage, ShardCountMismatch, NotEntered
            Before anything is sent.
        WrongThread
            Before anything is sent, if the client's own loop cannot be waited for from here. From a loop on another thread
            it can.
        """
        pump = self._open_pump()
        here = self._home.here
        if not here:
            self._home.check_waiting()
        wait = self.settings.ask_timeout if timeout is None else checked_seconds("timeout", timeout)
        reply_ref: ReplyRef[R] = self._reply_ref(pump)
        resolved, built = self._resolved(ref, msg_factory, reply_ref)
        now = monotonic()
        hasty = self.settings.fail_fast if fail_fast is None else fail_fast
        ask = Ask(reply_ref.path, resolved, built, reply_ref, now, now + wait, retry=retry, fail_fast=hasty, label=label)
        reply: R = await (self._answer(pump, ask, now) if here else self._home.wait_for(self._answer(pump, ask, None)))
        return reply

    def listen(
        self, ref: Tellable[M] | EntityName | str, msg_factory: Callable[[ActorRef[R]], M], *, timeout: float | None = None,
        retry: bool = False, limit: int = LIMIT, label: str = "",
    ) -> Listener[R]:  # fmt: skip
        """Send a message with a ref of ours, and receive whatever is told to that ref until the listener is closed.

        Parameters
        ----------
        ref
            Whom to send it to: a ref, or a ``casty://`` URI.
        msg_factory
            A function of our ref that makes the message: a subscription, a request for a stream.
        timeout
            How long the message may wait for a way to its target; `Settings.ask_timeout` if None. Once it has left, the
            listener waits for as long as it is open.
        retry
            When the node is lost, send the message again, so that the listener goes on with whoever then answers. Otherwise it
            ends with `NodeUnreachable`.
        limit
            Messages kept for the reader; beyond it the oldest is dropped, counted and reported.

        Raises
        ------
        UnsendableMessage, ShardCountMismatch, Overloaded, ClientClosed, NotEntered, MisuseError, WrongThread
            Before anything is sent.

        Examples
        --------
        >>> async def main(client, producer):
        ...     async with client.listen(producer, lambda r: Subscribe(consumer=r, demand=16)) as elements:
        ...         async for element in elements:
        ...             client.tell(producer, StreamDemand(1))
        """
        pump = self._open_pump()
        if not self._home.here:
            raise WrongThread("listen is to be called on the event loop that the client was entered on; connect() has one for "
                              "plain calls on any thread")  # fmt: skip
        wait = self.settings.ask_timeout if timeout is None else checked_seconds("timeout", timeout)
        reply_ref: ReplyRef[R] = self._reply_ref(pump)
        resolved, built = self._resolved(ref, msg_factory, reply_ref)
        now = pump.now
        listening = Listening(
            reply_ref.path, resolved, built, reply_ref, now, now + wait, limit=checked_limit(limit),
            max_bytes=self.settings.max_buffered_bytes, retry=retry, label=label,
        )  # fmt: skip
        listener: Listener[R] = Listener(pump, listening)
        listener.open(now)
        return listener

    def _reply_ref(self, pump: Pump) -> ReplyRef[Any]:
        return ReplyRef(pump.session.client_system, ASK_PATH + self._names())

    def _resolved(self, ref: Any, msg_factory: Callable[[ActorRef[R]], Any], reply_ref: ReplyRef[R]) -> tuple[Target, Any]:
        if not callable(msg_factory):
            raise MisuseError(f"ask takes a function of the reply ref, for example lambda r: …(reply_to=r), not {msg_factory!r}")
        if isinstance(ref, str):
            self._name_node(ref)
        elif isinstance(ref, EntityRef) and ref.sender is not self:
            self._check_of_one_cluster(ref)
        return resolve(ref, self._passed(msg_factory(reply_ref)))

    def _passed(self, message: Any) -> Any:
        """Return the message of an ask that is about to be sent; the read-only client refuses here what may not be asked."""
        return message

    def _check_of_one_cluster(self, ref: EntityRef[Any]) -> None:
        """Refuse the ref of a client of another cluster: here it would reach other entities, of a type with the same name.

        A ref of a client that was left may be used with the next client of that system name. Two clients are of one cluster if
        they know a node in common, or as long as one of them has no snapshot to tell.
        """
        other = ref.sender
        if not isinstance(other, ClusterClient):
            return
        if other.system_name == self.system_name:
            mine, theirs = self.topology, other.topology
            if other._left or mine is None or theirs is None or self._known_nodes(mine) & other._known_nodes(theirs):
                return
        raise MisuseError(
            f"this ref of {ref.shard_type!r} was taken from {other!r}, a client of another cluster than {self!r}: ask with that "
            f"client, or take the ref from this one, entity_ref({ref.shard_type!r}, num_shards={ref.num_shards})"
        )

    def _known_nodes(self, snapshot: TopologySnapshot) -> set[NodeAddress]:
        return {*self.contact_points, *(member.address for member in snapshot.members)}

    async def _answer(self, pump: Pump, ask: Ask, now: float | None) -> Any:
        future = pump.futures[ask.id] = pump.new_future()
        try:
            pump.feed(AskMade(ask), now)
            if ask.link is None and not future.done():
                pump.writer.parcel(ask.message)  # fails now, not when a route is found
            return await future
        finally:
            if pump.futures.pop(ask.id, None) is not None:
                pump.feed(AskCancelled(ask.id))

    def __repr__(self) -> str:
        state = "left" if self._left else "not entered" if self._pump is None else self._pump.session.state
        return f"<ClusterClient {self.system_name!r} at {', '.join(map(str, self.contact_points))}, {state}>"
