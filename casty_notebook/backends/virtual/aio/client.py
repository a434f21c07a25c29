"""`VirtualClient`: an external observer of a cluster of casty 0.30, for asyncio."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from casty_notebook.address import NodeAddress
from casty_notebook.backends.aio.lifecycle import Lifecycle
from casty_notebook.backends.arguments import checked_contacts, checked_settings, checked_system
from casty_notebook.backends.inbox import LIMIT, checked_limit
from casty_notebook.backends.trace import Trace, TraceFunction
from casty_notebook.backends.virtual.aio.listener import Listener
from casty_notebook.backends.virtual.aio.node_reports import ROWS, NodeReports
from casty_notebook.backends.virtual.aio.pump import Pump
from casty_notebook.backends.virtual.aio.targets import parse_target, resolve_type
from casty_notebook.backends.virtual.codec.values import (
    EntityKey,
    ReplyTo,
    ValueReader,
    is_message,
    message_name,
    write_message,
)
from casty_notebook.backends.virtual.session.events import AskCancelled, AskMade, ListenMade, TellMade, Tick
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.backends.virtual.session.session import Session
from casty_notebook.backends.virtual.wire.hello import Limits
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
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.traffic import TrafficHistory
from casty_notebook.values.message_text import written_message
from casty_notebook.values.standin import StandIn, StandInClass

if TYPE_CHECKING:
    from casty_notebook.backends.virtual.aio.awaited import AwaitedCollections

__all__ = ["Placement", "VirtualClient"]

RESOLVED = 4_096
"""Most targets whose type's full name is remembered. They are forgotten whenever the members change."""
NUMBERS = 256
"""Numbers of asks drawn at once. They are random, because a reply is matched by its number alone and must not be guessed."""
FIXED = 1 << 62
"""A bit that every number has, so that msgpack writes all of them in nine bytes; `LOW` are the random bits."""
LOW = FIXED - 1


class Placement(NamedTuple):
    """Where a key lives, computed from the members; nobody was asked.

    Attributes
    ----------
    owner
        The node that its messages go to; None if no replica takes any.
    replicas
        The nodes that keep it, in order: three, unless its type says otherwise (which is not on the wire) or there are fewer.
    """

    actor: str
    key: str
    owner: NodeAddress | None
    replicas: tuple[NodeAddress, ...]


class VirtualClient(Lifecycle[Pump, Members]):
    """Observes a cluster of casty 0.30 from outside: members and what they think of each other, placement, asks and tells.

    Joins nothing and listens on nothing; never sends ``Start``. An ask may still create its key, as any ask does there.

    Parameters
    ----------
    contact_points
        ``(host, port)`` of one or more nodes; the others are learned from them.
    cluster_name
        The cluster's name. A wrong one is replaced by that of the first node that states its own, which is reported once.
    address_map
        Where to dial a node, for tunnels: a dict ``{(host, port): (host, port)}`` or a function of ``(host, port)``.
    tls
        A `TLS` or an `ssl.SSLContext` for a cluster with TLS. Its own nodes do not verify host names, this client does.
    messages
        Classes, or modules of them, that replies may become; others arrive as inert stand-ins.
    settings
        Limits and timeouts.
    trace
        A function that is told what happens as it happens: dials, pushes, asks, replies, as `Trace` lists.

    Raises
    ------
    InvalidAddress
        If a contact point could not be dialled.
    MisuseError
        If an argument is unusable.

    Examples
    --------
    >>> async def main():
    ...     async with VirtualClient(contact_points=[("10.0.1.10", 25520)], cluster_name="shop") as client:
    ...         await client.wait_for_members()
    ...         return await client.ask("counter/user-42", Get())
    """

    def __init__(
        self, *, contact_points: Iterable[tuple[str, int]], cluster_name: str = "casty", address_map: AddressMap = None,
        tls: TLS | ssl.SSLContext | None = None, messages: Iterable[Any] = (), settings: Settings | None = None,
        connector: Connector | None = None, trace: TraceFunction | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._cluster_name = checked_system(cluster_name)
        self.contact_points = checked_contacts(contact_points)
        self.settings = checked_settings(settings)
        self._trace = Trace(trace)
        context, server_hostname = tls_context(tls)
        files = tls if isinstance(tls, TLS) else None
        self.dialler = Dialler(self.settings, address_map, context, server_hostname, connector, files=files)
        self._incarnation = secrets.token_bytes(16)
        self.reader = ValueReader()
        self.reader.register(*messages)
        self._numbers: list[int] = []
        self._insisted: set[str] = set()
        self._resolved: tuple[Members | None, dict[EntityKey | str, EntityKey]] = None, {}
        self._reports = NodeReports(self)

    # --- entering and leaving --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start connecting; returns at once. Asks made before the first table of members wait for it."""
        self._enter()
        session = Session(self._cluster_name, self.contact_points, monotonic(), self.settings)
        broadcast = self._broadcast
        self._pump = Pump(
            session, self.reader, self.dialler, self._incarnation, self.settings, broadcast.publish, broadcast.wake, self._trace,
        )  # fmt: skip
        self._pump.feed(Tick())
        return self

    def _cluster(self) -> str:
        return self.cluster_name

    # --- what is known ---------------------------------------------------------------------------------------------

    @property
    def cluster_name(self) -> str:
        """The cluster's name, corrected if a node said another."""
        return self._pump.session.cluster if self._pump is not None else self._cluster_name

    @property
    def limits(self) -> Limits:
        """What the cluster has agreed on for frames, messages and windows, corrected if a node said so."""
        return self._pump.session.limits if self._pump is not None else Limits()

    @property
    def members(self) -> Members | None:
        """The members as most of them see each other, with each one's opinion; None before the first table."""
        return self._pump.session.members if self._pump is not None else None

    @property
    def table_age(self) -> float | None:
        """Seconds since a member last sent its table."""
        at = self._pump.session.table_at if self._pump is not None else None
        return monotonic() - at if at is not None else None

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every member, from our own connections (DESIGN section 2.7)."""
        return self._pump.session.health(monotonic()) if self._pump is not None else {}

    @property
    def traffic(self) -> TrafficHistory:
        """What became of our asks in the last hour, by node, type and cause."""
        return self._pump.session.traffic_history(monotonic()) if self._pump is not None else TrafficHistory()

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened so far: timed_out, late_replies, lost_links, returned, tables, dropped."""
        return dict(self._pump.session.counters) if self._pump is not None else {}

    async def wait_for_members(self, timeout: float = 10.0) -> Members:
        """Wait for the first table of members (returns at once if there is one).

        Raises
        ------
        NoContactPoint
            If none came in `timeout` seconds, or as soon as each contact point has failed twice; lists each with its reason.
        ClientClosed, NotEntered
            If the client was left (also while this waited), or not entered yet.
        """
        self._open_pump()
        timeout = checked_seconds("timeout", timeout)
        if not self._home.here:
            return await self._home.wait_for(self.wait_for_members(timeout))
        try:
            async with asyncio.timeout(timeout):
                while (members := self.members) is None:
                    if self._open_pump().session.hopeless:  # raises where the client was left meanwhile
                        raise self._no_contact(f"{self.cluster_name!r} cannot be reached; the contact points say:")
                    await self._broadcast.wait()
        except TimeoutError:
            raise self._no_contact(f"no member of {self.cluster_name!r} answered within {timeout:g} s:") from None
        return members

    @property
    def last_reports(self) -> Mapping[NodeAddress, NodeReport]:
        """What `node_reports` gave last, to whoever asked; empty once that is ten seconds ago."""
        return self._reports.last

    async def node_reports(self, *, keys: int = ROWS, met_only: bool = False) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes say of themselves: active keys and their mailboxes, loads by type, counts, their log.

        Nodes report if the file `casty_notebook.nodeside.FILE` lies beside their application. They are asked when this is called,
        but once a second at most for as many `keys`: calls within that second get the same answers. A node that does not answer
        within three seconds is left out, and so is one that is not reached.

        Parameters
        ----------
        keys
            How many active keys each node names at most, the deepest mailboxes first; 5,000 are the most. `NodeReport.left_out`
            says how many more there are, `NodeReport.loads` counts all.
        met_only
            Ask only if a member has met the helper already. Otherwise a node that is asked for it looks for its module.

        Raises
        ------
        MisuseError
            If no node has the helper, which says how to get it; if `keys` is no number from 0 on.
        UndecodableMessage
            If none answers in a form that can be read, of another version of the file for one.
        NoContactPoint, ClientClosed, NotEntered
            As `wait_for_members`.

        Examples
        --------
        >>> async def main(client):
        ...     for address, report in (await client.node_reports(keys=3)).items():
        ...         print(address, report.loads, [(each.key, each.queued) for each in report.activations])
        """
        self._open_pump()
        self._home.check_waiting()
        if isinstance(keys, bool) or not isinstance(keys, int) or keys < 0:
            raise MisuseError(f"keys must be a whole number from 0 on, not {keys!r}")
        reports = self._reports.ask(keys, met_only=met_only)
        return await (reports if self._home.here else self._home.wait_for(reports))

    @property
    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        """What happened at each contact point so far."""
        return self._pump.session.contact_attempts() if self._pump is not None else ()

    def _no_contact(self, text: str) -> NoContactPoint:
        return NoContactPoint(text, self._open_pump().session.contact_attempts())

    def changes(self) -> AsyncIterator[Members]:
        """The members now, then whenever they change; a slow reader gets the newest only. Ends when the client is left."""
        self._open_pump()
        return self._news(lambda: self.members)

    def on_change(self, listener: Callable[[Members], None]) -> Callable[[], None]:
        """Call `listener` on the loop whenever the members change, in the order they came; returns the way to stop that.

        One that raises harms nobody else; the log says so, once.
        """
        return self._broadcast.listen(listener)

    # --- keys ------------------------------------------------------------------------------------------------------

    def resolve(self, target: EntityKey | str, *, force: bool = False) -> EntityKey:
        """A target with its type's full name.

        Raises
        ------
        NoSuchType, MisuseError
            If no member knows the type, or its short name stands for several; see `force` of `ask`.
        """
        members, (known_to, resolved) = self.members, self._resolved
        if members is not known_to:
            resolved = {}
            self._resolved = members, resolved  # one assignment, since other threads resolve too
        try:
            found = resolved.get(target)
        except TypeError:  # it cannot be hashed, so it is no target; `parse_target` says what one is
            found = None
        if found is None:
            entity = parse_target(target)
            known = {*(members.types if members is not None else ()), *self._insisted}
            found = EntityKey(resolve_type(entity.actor, known, force=force), entity.key)
            if not force:
                if len(resolved) >= RESOLVED:
                    resolved.clear()
                resolved[target] = found
        return found

    def place(self, target: EntityKey | str) -> Placement:
        """Where a key lives now, of any type, used or not. Asks nobody."""
        entity = parse_target(target)
        members = self.members
        if ":" not in entity.actor:
            entity = self.resolve(entity)
        if members is None:
            return Placement(entity.actor, entity.key, None, ())
        owner, replicas = members.place(entity.actor, entity.key)
        return Placement(
            entity.actor, entity.key, owner.address if owner is not None else None, tuple([node.address for node in replicas])
        )

    def place_many(self, actor: str, keys: Iterable[str]) -> dict[str, NodeAddress | None]:
        """The owner of each of many keys of one type, as `place` gives it: about 2 µs a key."""
        members = self.members
        if ":" not in actor:
            actor = self.resolve(EntityKey(actor, "-")).actor
        wanted = list(keys)
        if members is None:
            return dict.fromkeys(wanted)
        owners = [placed.owner for placed in members.place_many(actor, wanted)]
        return {key: owner.address if owner is not None else None for key, owner in zip(wanted, owners, strict=True)}

    def collections(self) -> AwaitedCollections:
        """Counters, maps, sets and queues of casty's, by name; every method of one is to be awaited."""
        from casty_notebook.backends.virtual.aio.collections import Structures

        made: Any = Structures(self, lambda coroutine: coroutine, self.cluster_name)
        return cast("AwaitedCollections", made)

    def register(self, *classes: Any) -> None:
        """Let replies become instances of more classes, or of those that modules define; `MisuseError` for unsuitable ones."""
        self.reader.register(*classes)

    # --- messages --------------------------------------------------------------------------------------------------

    async def ask(
        self, target: EntityKey | str, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool = False, force: bool = False,
    ) -> Any:  # fmt: skip
        """Ask a key and wait for the answer. This may create the key, as any ask does on such a cluster.

        Parameters
        ----------
        target
            ``"counter/user-42"`` if one type known to the members is called so, ``"shop.actors:counter/user-42"``,
            ``"helper@10.0.1.10:25520/key"`` for a pinned type, or an `EntityKey`.
        message
            An instance, a class, a stand-in, the text of one (``"shop.actors.Add(amount=3)"``), or a function of the reply's
            address that makes it; `reply_to` is filled in.
        timeout
            Seconds; `Settings.ask_timeout` if None. The node is told when nobody waits any more.
        retry
            The message does no harm when it arrives twice: send it again if its node is lost before the answer.
        fail_fast
            Fail at once if no member takes the key's messages, instead of waiting until one does.
        force
            Send to a type that no member has met (its nodes then import that module), and a message that did not fit before.

        Raises
        ------
        AskTimeout, NodeUnreachable, Overloaded, ClientClosed
            Each with a report of all that is known.
        ActorFailed, NoSuchKey, NoSuchType, MailboxFull
            As the node answered.
        UnsendableMessage, MisuseError, NotEntered
            If it cannot work as written; nothing was sent then.
        """
        pump = self._open_pump()
        here = self._home.here
        if not here:
            self._home.check_waiting()
        patience = self.settings.ask_timeout if timeout is None else checked_seconds("timeout", timeout)
        number = self._next_number()
        reply_to = ReplyTo(self._incarnation, number)
        made = message if is_message(message) else _made(message, reply_to)
        body = write_message(made, reply_to)
        answer = self._answer(
            pump, target, number, message_name(made), body, patience, retry=retry, fail_fast=fail_fast, force=force
        )
        return await (answer if here else self._home.wait_for(answer))

    async def _answer(
        self, pump: Pump, target: EntityKey | str, number: int, name: str, body: bytes, patience: float, *,
        retry: bool, fail_fast: bool, force: bool,
    ) -> Any:  # fmt: skip
        now = monotonic()
        if self.members is None:
            started = now
            await self.wait_for_members(patience)
            now = monotonic()
            patience -= now - started
        entity = self.resolve(target, force=force)
        future = pump.futures[number] = pump.new_future()
        pump.feed(AskMade(number, entity.actor, entity.key, name, body, patience, retry, fail_fast, force, str(target)), now)
        try:
            reply = await future
            if force:
                self._insisted.add(entity.actor)  # a node has answered for this type, so the members' next tables list it
            return reply
        finally:
            if pump.futures.pop(number, None) is not None:
                pump.feed(AskCancelled(number))

    def _next_number(self) -> int:
        """The number of the next ask: 62 random bits below `FIXED`."""
        try:
            return self._numbers.pop()
        except IndexError:
            drawn = secrets.token_bytes(8 * NUMBERS)
            self._numbers = [int.from_bytes(drawn[at : at + 8]) & LOW | FIXED for at in range(8, 8 * NUMBERS, 8)]
            return int.from_bytes(drawn[:8]) & LOW | FIXED

    def tell(self, target: EntityKey | str, message: Any, *, force: bool = False) -> None:
        """Send without waiting; never blocks. Kept, bounded, while no member takes the key's messages.

        Raises
        ------
        UnsendableMessage, NoSuchType, Overloaded, ClientClosed, NotEntered, MisuseError
            At once, not later.
        """
        pump = self._open_pump()
        event = self._told(target, message, force=force)
        if self._home.here:
            pump.tell(event)
        else:
            self._home.hand_over(pump.tell_from_elsewhere, event)

    def _told(self, target: EntityKey | str, message: Any, *, force: bool) -> TellMade:
        entity = self.resolve(target, force=force)
        made = message if is_message(message) else _made(message, None)
        return TellMade(entity.actor, entity.key, message_name(made), write_message(made, None), force, str(target))

    def prepare_tell(self, target: EntityKey | str, message: Any) -> TellMade | None:
        """Write a tell on the calling thread, for `tell_prepared` to send; None if `tell` has to decide about it on the loop.

        Raises
        ------
        UnsendableMessage, NoSuchType, Overloaded, ClientClosed, NotEntered, MisuseError
            As `tell`.
        """
        pump = self._open_pump()
        if self.members is None or not pump.calm:
            return None
        event = self._told(target, message, force=False)
        refusal = pump.session.refusal_of_tell(event)
        if refusal is not None:
            raise refusal
        return event

    def tell_prepared(self, told: TellMade) -> None:
        """Send what `prepare_tell` made, on the client's own loop. A refusal is logged, since the caller has gone on."""
        if self._pump is not None:
            self._pump.tell_from_elsewhere(told)

    def listen(
        self, target: EntityKey | str, message: Any, *, timeout: float | None = None, retry: bool = False, limit: int = LIMIT,
        force: bool = False,
    ) -> Listener[Any]:  # fmt: skip
        """Send a message with a ref of ours as its `reply_to`, and receive whatever is told to that ref until it is closed.

        The ref may be kept by the actor and handed on; any node may tell it, for as long as we are connected to that node.

        Parameters
        ----------
        target, message, force
            As in `ask`; the message is a subscription, a request for a stream.
        timeout
            How long the message may wait for a way to its target; `Settings.ask_timeout` if None. Once it has left, the
            listener waits for as long as it is open.
        retry
            When the node is lost, or the key moves to another, send the message again. Otherwise the listener ends with
            `NodeUnreachable` when the node is lost, and a warning says when the key has moved.
        limit
            Messages kept for the reader; beyond it the oldest is dropped, counted and reported.

        Raises
        ------
        UnsendableMessage, NoSuchType, Overloaded, ClientClosed, NotEntered, MisuseError, WrongThread
            Before anything is sent.

        Examples
        --------
        >>> async def main(client):
        ...     async with client.listen("feed/prices", "shop.actors.Subscribe()") as prices:
        ...         async for price in prices:
        ...             print(price)
        """
        pump = self._open_pump()
        if not self._home.here:
            raise WrongThread("listen is to be called on the event loop that the client was entered on; connect() has one for "
                              "plain calls on any thread")  # fmt: skip
        patience = self.settings.ask_timeout if timeout is None else checked_seconds("timeout", timeout)
        ref = ReplyTo(self._incarnation, self._next_number())
        made = message if is_message(message) else _made(message, ref)
        body = write_message(made, ref)
        entity = self.resolve(target, force=force)
        listener: Listener[Any] = Listener(pump, self.reader, self.settings, ref, str(target), checked_limit(limit))
        listener.open(
            ListenMade(ref.number, entity.actor, entity.key, message_name(made), body, patience, retry, False, force, str(target))
        )
        return listener


def _made(message: Any, reply_to: ReplyTo | None) -> Any:
    if isinstance(message, str):
        message = written_message(message)
    if isinstance(message, type | StandInClass):
        return message()
    if callable(message) and not isinstance(message, StandIn) and not hasattr(message, "__dataclass_fields__"):
        return message(reply_to)
    return message
