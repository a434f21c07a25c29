"""`BlockingClient`: a `ClusterClient` behind the background loop, for plain calls from any cell, script or thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Self, overload

from casty_notebook.address import ClusterURI, NodeAddress
from casty_notebook.backends.contract import AnyTarget, Backend, Heard, Location
from casty_notebook.backends.inbox import LIMIT
from casty_notebook.backends.read_only import Questions
from casty_notebook.client.choice import open_backend
from casty_notebook.client.collecting import Collecting, Note
from casty_notebook.client.fan_out import Answer, FanOut
from casty_notebook.client.handing_over import HandOver
from casty_notebook.client.listening import BlockingListener
from casty_notebook.client.options import ConnectOptions
from casty_notebook.client.progress import EVERY, ProgressBar, ProgressLine
from casty_notebook.errors import MisuseError, Overloaded
from casty_notebook.logs import room_logger
from casty_notebook.loops.background import background_loop
from casty_notebook.loops.home import asyncio_needed
from casty_notebook.loops.process_bound import ProcessBound
from casty_notebook.net.ssh import SSHGateway
from casty_notebook.settings import checked_count, checked_seconds
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.kinds import KINDS, Kind
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.generics import M, R
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.services import Listing, ServiceKey
from casty_notebook.values.standin import StandInModule, module_proxy
from casty_notebook.values.targets import MAX_TARGETS, ServiceName, entity_targets, expand_ranges, parse_target

__all__ = ["Answer", "BlockingClient", "Location"]

log = room_logger(__name__)

IN_FLIGHT = 100
"""Asks on their way at one time, where nothing else is said: far below what a node or a link buffers."""

BURST = 1000
"""Tells in one turn of the loop: a node that keeps up has room for as many again and again."""


LEAVING = 3.0
"""Seconds that closing may take, beside what `Settings.close_timeout` bounds: then something else has the loop."""


class BlockingClient(ProcessBound):
    """One connection to one cluster of any kind. Every method may be called from any thread but the background loop's own.

    Parameters
    ----------
    uri
        ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``.
    **options
        Those of `ConnectOptions`.

    Raises
    ------
    NoContactPoint
        If no contact point gives a picture of the cluster within `timeout` seconds; lists each with what happened there.
    SystemNameMismatch, InvalidAddress, ShardCountMismatch, MisuseError
        If the arguments do not fit the cluster, or each other.
    """

    def __init__(self, uri: str | ClusterURI, **options: Any) -> None:
        parsed = uri if isinstance(uri, ClusterURI) else ClusterURI.parse(uri)
        given = ConnectOptions.of(options)
        self.uri = str(parsed)
        self.name = given.name or parsed.system
        self.colour = given.colour
        self.read_only = given.read_only
        self.questions = Questions(given.questions).names
        """The dotted names of the messages that a read-only connection may ask; empty for any other."""
        self._gateway = SSHGateway(given.ssh, given.settings) if given.ssh is not None else None
        self.backend: Backend
        self._loop = background_loop()
        self._closed = False
        with ProgressLine(self._connecting) as line:
            self._loop.run(self._enter(parsed, given), tick=line.tick, every=EVERY)
        self._hand_over = HandOver(self._loop, self.backend)
        self._say_notices()

    def _connecting(self) -> str:
        attempts = self.backend.contact_attempts if hasattr(self, "backend") else ()
        return f"connecting to {self.uri}: {'; '.join(map(str, attempts)) or 'nothing has answered yet'}"

    async def _enter(self, uri: ClusterURI, options: ConnectOptions) -> None:
        def tried(backend: Backend) -> None:
            self.backend = backend

        try:
            self.backend = await open_backend(uri, options, self.name, self._gateway, tried)
        except BaseException:
            await self._close_gateway()
            raise

    async def _leave(self) -> None:
        try:
            await self.backend.close()
        finally:  # a Ctrl-C that ends this wait, too: nobody comes back to close the bastion's connection
            await self._close_gateway()

    async def _close_gateway(self) -> None:
        if self._gateway is not None:
            await self._gateway.close()

    @property
    def client(self) -> Any:
        """The asyncio client behind it: a `ClusterClient`, or a `VirtualClient`. It lives on the background loop."""
        return self.backend.client

    @property
    def kind(self) -> Kind:
        """What kind of cluster it is, and what that kind can say."""
        return self.backend.kind

    # --- state -----------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def system_name(self) -> str:
        return self.backend.system_name

    @property
    def topology(self) -> TopologySnapshot | None:
        """The last snapshot."""
        return self.backend.topology

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every node."""
        return self._on_loop(lambda: self.backend.health)

    @property
    def shard_counts(self) -> Mapping[str, int]:
        """Sharded types whose number of shards is known."""
        return self.backend.shard_counts

    def _on_loop[T](self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return self._wait(call())

    def _wait[T](self, coroutine: Coroutine[Any, Any, T], tick: Callable[[], None] | None = None) -> T:
        """Wait for the loop, and say on the caller's own thread what there is to say of the way that was chosen."""
        try:
            return self._loop.run(coroutine, tick=tick, every=EVERY)
        finally:
            self._say_notices()

    def _say_notices(self) -> None:
        notices = self.backend.notices
        while notices:
            log.warning("%s: %s", self.name, notices.pop(0))

    # --- tell and ask ----------------------------------------------------------------------------------------------

    @overload
    def ask(
        self, target: AnyTarget, message: Callable[[ActorRef[R]], Any], *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to", force: bool = False,
    ) -> R: ...  # fmt: skip
    @overload
    def ask(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to", force: bool = False,
    ) -> Any: ...  # fmt: skip
    def ask(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to", force: bool = False,
    ) -> Any:  # fmt: skip
        """Ask and wait for the reply.

        Parameters
        ----------
        target
            ``"counter/user-42"`` (entity), ``"payment"`` (one instance of a service), ``"payment@node-2"`` (that on one
            member), a ``casty://`` URI, or a ref.
        message
            An instance, a class, a function of the reply ref, or the text of a message whose class is not here
            (``"bank.messages.GetBalance(currency='EUR')"``); a missing `reply_field` is filled in.
        timeout
            Seconds; `Settings.ask_timeout` if None.
        retry
            The message does no harm when it arrives twice.
        fail_fast
            Fail at once while the target's node cannot be reached; `Settings.fail_fast` if None. Otherwise what has not left
            is held until it can leave, or its timeout.
        force
            On a cluster of casty 0.30: ask a type that no member has met (its nodes then import that module), or send again what
            did not fit before.

        Raises
        ------
        AskTimeout, NodeUnreachable, NoSuchService, Overloaded, ClientClosed
            Each with a report of all that is known.
        ReadOnly
            On a read-only connection, if the message's class is not one of its questions; nothing was sent.
        MisuseError
            If it cannot work as written; nothing was sent then.
        """
        asked = self.backend.question(message, reply_field)
        return self._wait(self._ask(target, asked, timeout, retry=retry, fail_fast=fail_fast, force=force))

    async def ask_async(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to", force: bool = False,
    ) -> Any:  # fmt: skip
        """`ask`, awaitable on any event loop of asyncio's.

        Raises
        ------
        WrongThread
            Under another kind of loop (trio), before anything is sent.
        """
        asyncio_needed("ask_async", "Elsewhere let a thread wait: await trio.to_thread.run_sync(cluster.ask, target, message)")
        asked = self.backend.question(message, reply_field)
        asking = self._ask(target, asked, timeout, retry=retry, fail_fast=fail_fast, force=force)
        return await asyncio.wrap_future(self._loop.submit(asking))

    async def _ask(
        self, target: AnyTarget, asked: Any, timeout: float | None, *, retry: bool, fail_fast: bool | None, force: bool
    ) -> Any:
        route = self.backend.route(target, force=force)
        return await self.backend.ask(route, asked, timeout=timeout, retry=retry, fail_fast=fail_fast, force=force)

    def tell(self, target: AnyTarget, message: Any, *, force: bool = False) -> None:
        """Send without waiting for anything but the hand-over to the background loop.

        Raises
        ------
        UnsendableMessage, Overloaded, NoSuchService, ClientClosed, MisuseError
            At once.
        ReadOnly
            On a read-only connection; nothing was sent.
        """
        told = self.backend.statement(message)
        if not force and self._hand_over.offer(target, told):
            return
        self._on_loop(lambda: self.backend.tell(self.backend.route(target, force=force), told, force=force))

    def tell_many(
        self, targets: Iterable[Any] | str, message: Any = None, *, messages: Iterable[Any] | None = None,
        shard_type: str | None = None,
    ) -> int:  # fmt: skip
        """Tell many targets, as fast as they take it: waits where `tell` would refuse. Returns how many were told.

        Parameters
        ----------
        targets, shard_type
            As in `answers`.
        message
            The same for all.
        messages
            One for each target, in place of `message`.

        Raises
        ------
        ReadOnly, MisuseError, NoSuchService
            If it cannot work for any target; nothing was sent then.
        """
        found = self._targets(targets, shard_type)
        statement = self.backend.statement
        told = [statement(message)] * len(found) if messages is None else [statement(each) for each in messages]
        if len(told) != len(found):
            raise MisuseError(f"{len(found):,} targets and {len(told):,} messages: give one for each, or one message for all")
        return self._wait(self._tell_many(found, told))

    async def _tell_many(self, targets: list[AnyTarget], messages: list[Any]) -> int:
        backend = self.backend
        routes = [backend.route(target) for target in targets]
        for number, (route, message) in enumerate(zip(routes, messages, strict=True), 1):
            try:
                backend.tell(route, message)
            except Overloaded:
                await backend.drain()
                backend.tell(route, message)
            if number % BURST == 0:
                await backend.drain()
        return len(routes)

    def drain(self) -> None:
        """Wait until all that was told has left: nothing waits for a route, or for room in a socket."""
        self._wait(self.backend.drain())

    # --- what comes again and again ---------------------------------------------------------------------------------

    def listen(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False, limit: int = LIMIT,
        reply_field: str = "reply_to",
    ) -> BlockingListener[Any]:  # fmt: skip
        """Send a message with a ref of ours, and receive whatever is told to that ref until the listener is closed.

        The listener is an iterator and a context manager; ``listener.get(timeout=2.0)`` waits for one message. The actor is not
        told that nobody listens any more: tell it what it takes for that.

        Parameters
        ----------
        target, message, reply_field
            As in `ask`; the message is a subscription, a request for a stream.
        timeout
            How long the message may wait for a way to its target; `Settings.ask_timeout` if None.
        retry
            When the node is lost, send the message again. Otherwise the listener ends with `NodeUnreachable`.
        limit
            Messages kept for the reader; beyond it the oldest is dropped, counted and reported.

        Raises
        ------
        NoSuchService, UnsendableMessage, Overloaded, ClientClosed, MisuseError
            Before anything is sent.
        ReadOnly
            On a read-only connection, if the message's class is not one of its questions; nothing was sent.
        """
        asked = self.backend.question(message, reply_field)
        listening = self._listen(target, asked, timeout=timeout, retry=retry, limit=limit)
        return BlockingListener(self._loop, self._wait(listening))

    async def _listen(self, target: AnyTarget, asked: Any, *, timeout: float | None, retry: bool, limit: int) -> Heard:
        return self.backend.listen(self.backend.route(target), asked, timeout=timeout, retry=retry, limit=limit)

    def heard(
        self, target: AnyTarget, message: Any, *, count: int | None = None, seconds: float | None = None,
        progress: bool = True, **options: Any,
    ) -> tuple[list[Note], int, int]:  # fmt: skip
        """Listen for some time, or to so many messages: what came, and how many were received and dropped.

        Ctrl-C ends it early and keeps what has arrived.

        Parameters
        ----------
        count, seconds
            When to end, whichever comes first; without both after 10 seconds.
        **options
            timeout, retry, limit, reply_field, as in `listen`.
        """
        collecting = Collecting(count, seconds)
        with (
            self.listen(target, message, **options) as listener,
            ProgressBar(collecting, "listening", unit="messages", shown=progress) as bar,
        ):
            try:
                collecting.run(listener, self.backend.node_name, bar.tick)
            except KeyboardInterrupt:
                log.warning("%s: interrupted after %s messages; the table keeps them", self.name, f"{collecting.done:,}")
        return collecting.rows, listener.received, listener.dropped

    # --- many at once ----------------------------------------------------------------------------------------------

    def answers(
        self, targets: Iterable[Any] | str, message: Any, *, shard_type: str | None = None, timeout: float | None = None,
        concurrency: int = IN_FLIGHT, retry: bool = False, fail_fast: bool | None = None, reply_field: str = "reply_to",
        progress: bool = True, summary: bool = True, on_answer: Callable[[int, Answer], None] | None = None,
    ) -> list[Answer]:  # fmt: skip
        """Ask many targets the same; one row each, in the order given, failures included.

        Ctrl-C ends it early and keeps what has arrived: the rows of the others say so.

        Parameters
        ----------
        targets
            Targets as in `ask`; or, with `shard_type`, the ids of entities of that type: any collection, for example a
            DataFrame's column. A text is a pattern (``"counter/user-{1..100}"``), or a service: all its instances.
        concurrency
            Asks on their way at one time.
        progress
            Show a progress bar if it takes longer than a second.
        summary
            Where some failed, say in a line how many.
        on_answer
            Called with position and answer on the background loop as answers come. What it raises is logged.

        Raises
        ------
        ReadOnly, MisuseError
            If it cannot work for any target; nothing was sent then.
        NoSuchService
            If the only target is a service without instances.
        """
        asked = self.backend.question(message, reply_field)
        timeout = timeout if timeout is None else checked_seconds("timeout", timeout)
        each = partial(self.backend.ask, asked=asked, timeout=timeout, retry=retry, fail_fast=fail_fast)
        fan_out = FanOut(self.backend, each, self._targets(targets, shard_type), concurrency=concurrency)
        fan_out.on_answer = on_answer
        return self._run_fan_out(fan_out, "asking", progress=progress, summary=summary)

    def samples(
        self, target: AnyTarget, message: Any, *, count: int = 100, every: float = 0.1, timeout: float | None = None,
        fail_fast: bool | None = None, reply_field: str = "reply_to", progress: bool = True,
    ) -> list[Answer]:  # fmt: skip
        """Ask one target the same again and again: one row for each time. Ctrl-C ends it early and keeps what has arrived.

        Parameters
        ----------
        count
            How often; at most 100,000.
        every
            Seconds from one ask to the next, whether the first is answered or not; 0 asks again as soon as it is.
        """
        count, every = checked_count("count", count, most=MAX_TARGETS), checked_seconds("every", every, zero=True, most=3600)
        timeout = timeout if timeout is None else checked_seconds("timeout", timeout)
        asked = self.backend.question(message, reply_field)
        each = partial(self.backend.ask, asked=asked, timeout=timeout, retry=False, fail_fast=fail_fast)
        in_flight = IN_FLIGHT if every else 1
        fan_out = FanOut(self.backend, each, [target] * count, concurrency=in_flight, every=every)
        return self._run_fan_out(fan_out, "sampling", progress=progress)

    def _run_fan_out(self, fan_out: FanOut, what: str, *, progress: bool, summary: bool = True) -> list[Answer]:
        with ProgressBar(fan_out, what, shown=progress) as bar:
            try:
                self._wait(fan_out.run(), bar.tick)
            except KeyboardInterrupt:
                self._loop.run(fan_out.stop())
                arrived = f"{fan_out.done:,} of {fan_out.total:,}"
                log.warning("%s: interrupted after %s; the table keeps what has arrived", self.name, arrived)
            else:
                if fan_out.failed and summary:
                    log.warning("%s: %s", self.name, fan_out.summary)
        return fan_out.rows

    def _targets(self, targets: Iterable[Any] | str, shard_type: str | None) -> list[AnyTarget]:
        if shard_type is not None:
            return [*entity_targets(shard_type, [targets] if isinstance(targets, str) else targets)]
        if not isinstance(targets, str):
            return [each for target in targets for each in (expand_ranges(target) if isinstance(target, str) else [target])]
        found = expand_ranges(targets)
        if len(found) == 1 and isinstance(parse_target(found[0]), ServiceName):
            return [*self.instances(found[0])]
        return [*found]

    def instances(self, service: str) -> list[Any]:
        """The refs of all instances of a service (``payment``), or of those on one member (``payment@node-2``).

        Raises
        ------
        NoSuchService
            If there is none in the last snapshot.
        """
        return self._on_loop(lambda: self.backend.instances(service))

    # --- finding ---------------------------------------------------------------------------------------------------

    @overload
    def lookup(self, service: ServiceKey[M]) -> Listing[M]: ...
    @overload
    def lookup(self, service: Any) -> Listing: ...
    def lookup(self, service: Any) -> Listing[Any]:
        """The instances of a service in the last snapshot."""
        client = self._client_for("lookup", lambda kind: not kind.finds_types)
        return self._on_loop(lambda: client.lookup(service))

    def entity_ref(self, shard_type: str, num_shards: int | None = None) -> EntityRef:
        """Settle the number of shards of a type, so that its entities are reached with zero hops; None: the one given before."""
        client = self._client_for("entity_ref", lambda kind: not kind.every_key_has_a_place)
        if num_shards is None and (num_shards := self.shard_counts.get(shard_type)) is None:
            known = ", ".join(sorted(self.shard_counts)) or "none"
            raise MisuseError(f"the number of shards of {shard_type!r} is not known; give num_shards= (known: {known})")
        return self._on_loop(lambda: client.entity_ref(shard_type, num_shards))

    def where(self, target: AnyTarget) -> Location:
        """Shard, owner, replicas and reachability of a target, as known now; asks nobody."""
        return self._on_loop(lambda: self.backend.where(target))

    def _client_for(self, what: str, has_it: Callable[[Kind], bool]) -> Any:
        """The asyncio client, for `what` not every kind of cluster has."""
        kind = self.backend.kind
        if not has_it(kind):
            those = " and ".join(each.casty for each in KINDS.values() if has_it(each))
            raise MisuseError(f"{what} is for clusters of casty {those}; this one, of {kind.casty}, has {kind.services}")
        return self.backend.client

    # --- distributed structures -----------------------------------------------------------------------------------------

    def counter(self, name: str, **options: Any) -> Any:
        """The counter that the nodes call `name`.

        Parameters
        ----------
        shards
            Its number of shards, as the nodes created it. None: its messages go through a hosting node's own proxy, which
            knows it, since a wrong number would start a second counter of that name.
        timeout
            Seconds for each call; `Settings.ask_timeout` if None.
        """
        return self._structures().counter(name, **options)

    def dict(self, name: str, **options: Any) -> Any:
        """The map that the nodes call `name`; parameters as for `counter`."""
        return self._structures().dict(name, **options)

    def set(self, name: str, **options: Any) -> Any:
        """The set that the nodes call `name`; parameters as for `counter`."""
        return self._structures().set(name, **options)

    def queue(self, name: str, **options: Any) -> Any:
        """The queue that the nodes call `name`; parameters as for `counter`."""
        return self._structures().queue(name, **options)

    def _structures(self) -> Any:
        return self.backend.structures(self._wait, self.name)

    # --- messages and replies --------------------------------------------------------------------------------------

    def module(self, dotted: str) -> StandInModule:
        """Messages of a module that cannot be imported here: ``cluster.module("bank.messages").GetBalance(currency="EUR")``."""
        return module_proxy(dotted)

    def register(self, *classes: Any) -> None:
        """Name classes, or modules of them, that replies may become from now on; others arrive as inert stand-ins.

        Only dataclasses, enums, NamedTuples, attrs and msgspec classes and pydantic models: they declare their fields, so
        they are put together without running code of theirs on what a peer sent.

        Raises
        ------
        MisuseError
            For a class of another kind, or a module without any.
        """
        self._on_loop(lambda: self.backend.register(*classes))

    def close(self) -> None:
        """Unsubscribe, flush, close. Idempotent; in a forked child it only forgets, since the connections are the parent's."""
        if not self._closed:
            self._closed = True
            if not self._loop.gone:
                try:
                    self._loop.run(self._leave(), within=LEAVING + 3 * self.backend.settings.close_timeout)
                except TimeoutError:
                    log.warning("%s: not closed, since a listener keeps the background loop from everything else", self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
