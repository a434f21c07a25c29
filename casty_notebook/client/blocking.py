"""`BlockingClient`: a `ClusterClient` behind the background loop, for plain calls from any cell, script or thread."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Self, overload

from casty_notebook.address import ClusterURI, NodeAddress
from casty_notebook.backends.arguments import checked_settings, checked_shards
from casty_notebook.backends.sharded.aio.client import ClusterClient
from casty_notebook.backends.sharded.aio.listener import LIMIT, BlockingListener, Listener
from casty_notebook.backends.sharded.aio.read_only import Questions, ReadOnlyClient
from casty_notebook.backends.sharded.aio.resolver import AnyTarget, Location, Placing, Route
from casty_notebook.backends.sharded.aio.structures import HasStructures
from casty_notebook.client.collecting import Collecting, Note
from casty_notebook.client.fan_out import Answer, FanOut
from casty_notebook.client.progress import EVERY, ProgressBar, ProgressLine
from casty_notebook.errors import MisuseError, Overloaded
from casty_notebook.logs import room_logger
from casty_notebook.loops.background import background_loop
from casty_notebook.loops.home import asyncio_needed
from casty_notebook.net.dialler import AddressMap
from casty_notebook.net.ssh import SSH, SSHGateway
from casty_notebook.net.tls import TLS
from casty_notebook.settings import Settings, checked_count, checked_seconds
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.refs import ActorRef, EntityRef, M, R
from casty_notebook.values.request import question, statement
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


class BlockingClient(HasStructures):
    """One connection to one cluster. Every method may be called from any thread but the background loop's own.

    Parameters are those of `ClusterClient`, and:

    ssh
        A bastion to go through, as ``[user@]host[:port]`` or `SSH`.
    read_only, questions
        Refuse every tell, and every ask whose message is not of a class in `questions`: classes, modules of them, or dotted
        names. A safety rail for the user, not a guard against the user.

    Raises
    ------
    NoContactPoint
        If no contact point gives a snapshot within `timeout` seconds; lists each with what happened there.
    SystemNameMismatch, InvalidAddress, ShardCountMismatch, MisuseError
        If the arguments do not fit the cluster, or each other.
    """

    def __init__(
        self, uri: str | ClusterURI, *, shards: Mapping[str, int] | None = None, name: str | None = None,
        address_map: AddressMap = None, timeout: float = 10.0, serializer: str = "auto",
        compression: str | None = None, tls: TLS | ssl.SSLContext | None = None, messages: Iterable[Any] = (),
        settings: Settings | None = None, ssh: SSH | str | None = None, read_only: bool = False,
        questions: Iterable[Any] = (), send_main: bool = False,
    ) -> None:  # fmt: skip
        parsed = uri if isinstance(uri, ClusterURI) else ClusterURI.parse(uri)
        self.uri = str(parsed)
        self.name = name or parsed.system
        settings = checked_settings(settings)
        counts, timeout = checked_shards(shards), checked_seconds("timeout", timeout)
        self._gateway = SSHGateway(ssh, settings) if ssh is not None else None
        self.read_only = read_only
        self.client = _kind_of_client(self.name, read_only, questions)(
            contact_points=parsed.contacts, system_name=parsed.system, address_map=address_map, serializer=serializer,
            compression=compression, tls=tls, messages=messages, settings=settings,
            connector=self._gateway, send_main=send_main,
        )  # fmt: skip
        self._placing = Placing(self.client)
        self._loop = background_loop()
        self._closed = False
        with ProgressLine(self._connecting) as line:
            self._loop.run(self._enter(counts, timeout), tick=line.tick, every=EVERY)

    def _connecting(self) -> str:
        seen = "; ".join(map(str, self.client.contact_attempts)) or "nothing has answered yet"
        return f"connecting to {self.uri}: {seen}"

    async def _enter(self, shards: dict[str, int], timeout: float) -> None:
        await self.client.__aenter__()
        try:
            await self.client.wait_for_topology(timeout)
            for shard_type, num_shards in shards.items():
                self.client.entity_ref(shard_type, num_shards)
        except BaseException:
            await self._leave()
            raise

    async def _leave(self) -> None:
        await self.client.__aexit__()
        if self._gateway is not None:
            await self._gateway.close()

    @property
    def questions(self) -> tuple[str, ...]:
        """The dotted names of the messages that a read-only connection may ask; empty for any other."""
        return self.client.questions.names if isinstance(self.client, ReadOnlyClient) else ()

    # --- state -----------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def system_name(self) -> str:
        return self.client.system_name

    @property
    def topology(self) -> TopologySnapshot | None:
        """The last snapshot."""
        return self.client.topology

    @property
    def health(self) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every node."""
        return self._on_loop(lambda: self.client.health)

    @property
    def shard_counts(self) -> Mapping[str, int]:
        """Sharded types whose number of shards is known."""
        return self.client.shard_counts

    def _on_loop[T](self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return self._wait(call())

    def _wait[T](self, coroutine: Coroutine[Any, Any, T], tick: Callable[[], None] | None = None) -> T:
        """Wait for the loop, and say on the caller's own thread what there is to say of the way that was chosen."""
        try:
            return self._loop.run(coroutine, tick=tick, every=EVERY)
        finally:
            notices, self._placing.notices = self._placing.notices, []
            for text in notices:
                log.warning("%s: %s", self.name, text)

    # --- tell and ask ----------------------------------------------------------------------------------------------

    @overload
    def ask(
        self, target: AnyTarget, message: Callable[[ActorRef[R]], Any], *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to",
    ) -> R: ...  # fmt: skip
    @overload
    def ask(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to",
    ) -> Any: ...  # fmt: skip
    def ask(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to",
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

        Raises
        ------
        AskTimeout, NodeUnreachable, NoSuchService, Overloaded, ClientClosed
            Each with a report of all that is known.
        ReadOnly
            On a read-only connection, if the message's class is not one of its questions; nothing was sent.
        MisuseError
            If it cannot work as written; nothing was sent then.
        """
        return self._wait(self._ask(target, question(message, reply_field), timeout, retry=retry, fail_fast=fail_fast))

    async def ask_async(
        self, target: AnyTarget, message: Any, *, timeout: float | None = None, retry: bool = False,
        fail_fast: bool | None = None, reply_field: str = "reply_to",
    ) -> Any:  # fmt: skip
        """`ask`, awaitable on any event loop of asyncio's.

        Raises
        ------
        WrongThread
            Under another kind of loop (trio), before anything is sent.
        """
        asyncio_needed("ask_async", "Elsewhere let a thread wait: await trio.to_thread.run_sync(cluster.ask, target, message)")
        asked = self._ask(target, question(message, reply_field), timeout, retry=retry, fail_fast=fail_fast)
        return await asyncio.wrap_future(self._loop.submit(asked))

    async def _ask(
        self, target: AnyTarget, asked: Callable[[ActorRef], Any], timeout: float | None, *, retry: bool = False,
        fail_fast: bool | None = None,
    ) -> Any:  # fmt: skip
        route = self._placing.route(target)
        return await self._ask_on(route, asked=asked, timeout=timeout, retry=retry, fail_fast=fail_fast)

    async def _ask_on(
        self, route: Route, *, asked: Callable[[ActorRef], Any], timeout: float | None, retry: bool, fail_fast: bool | None
    ) -> Any:
        return await self.client.ask(
            route.ref, lambda reply_to: route.wrap(asked(reply_to)), timeout=timeout, retry=retry, fail_fast=fail_fast,
            label=route.target,
        )  # fmt: skip

    def tell(self, target: AnyTarget, message: Any) -> None:
        """Send without waiting for anything but the hand-over to the background loop.

        Raises
        ------
        UnsendableMessage, Overloaded, NoSuchService, ClientClosed, MisuseError
            At once.
        ReadOnly
            On a read-only connection; nothing was sent.
        """
        told = statement(message)
        self._on_loop(lambda: self._tell(target, told))

    def _tell(self, target: AnyTarget, message: Any) -> None:
        route = self._placing.route(target)
        self.client.tell(route.ref, route.wrap(message))

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
        told = [message] * len(found) if messages is None else list(messages)
        if len(told) != len(found):
            raise MisuseError(f"{len(found):,} targets and {len(told):,} messages: give one for each, or one message for all")
        return self._wait(self._tell_many(found, told))

    async def _tell_many(self, targets: list[AnyTarget], messages: list[Any]) -> int:
        routes = [self._placing.route(target) for target in targets]
        for number, (route, message) in enumerate(zip(routes, messages, strict=True), 1):
            wrapped = route.wrap(message)
            try:
                self.client.tell(route.ref, wrapped)
            except Overloaded:
                await self.client.drain()
                self.client.tell(route.ref, wrapped)
            if number % BURST == 0:
                await self.client.drain()
        return len(routes)

    def drain(self) -> None:
        """Wait until all that was told has left: nothing waits for a route, or for room in a socket."""
        self._wait(self.client.drain())

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
        listening = self._listen(target, question(message, reply_field), timeout=timeout, retry=retry, limit=limit)
        return BlockingListener(self._loop, self._wait(listening))

    async def _listen(self, target: AnyTarget, asked: Callable[[ActorRef], Any], **options: Any) -> Listener[Any]:
        route = self._placing.route(target)
        return self.client.listen(route.ref, lambda ref: route.wrap(asked(ref)), label=route.target, **options)

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
                collecting.run(listener, self._placing.node_name, bar.tick)
            except KeyboardInterrupt:
                log.warning("%s: interrupted after %s messages; the table keeps them", self.name, f"{collecting.done:,}")
        return collecting.rows, listener.received, listener.dropped

    # --- many at once ----------------------------------------------------------------------------------------------

    def answers(
        self, targets: Iterable[Any] | str, message: Any, *, shard_type: str | None = None, timeout: float | None = None,
        concurrency: int = IN_FLIGHT, retry: bool = False, fail_fast: bool | None = None, reply_field: str = "reply_to",
        progress: bool = True, on_answer: Callable[[int, Answer], None] | None = None,
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
        on_answer
            Called with position and answer on the background loop as answers come. What it raises is logged.

        Raises
        ------
        ReadOnly, MisuseError
            If it cannot work for any target; nothing was sent then.
        NoSuchService
            If the only target is a service without instances.
        """
        asked = question(message, reply_field)
        timeout = timeout if timeout is None else checked_seconds("timeout", timeout)
        each = partial(self._ask_on, asked=asked, timeout=timeout, retry=retry, fail_fast=fail_fast)
        fan_out = FanOut(self._placing, each, self._targets(targets, shard_type), concurrency=concurrency)
        fan_out.on_answer = on_answer
        return self._run_fan_out(fan_out, "asking", progress=progress)

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
        asked = question(message, reply_field)
        each = partial(self._ask_on, asked=asked, timeout=timeout, retry=False, fail_fast=fail_fast)
        in_flight = IN_FLIGHT if every else 1
        fan_out = FanOut(self._placing, each, [target] * count, concurrency=in_flight, every=every)
        return self._run_fan_out(fan_out, "sampling", progress=progress)

    def _run_fan_out(self, fan_out: FanOut, what: str, *, progress: bool) -> list[Answer]:
        with ProgressBar(fan_out, what, shown=progress) as bar:
            try:
                self._wait(fan_out.run(), bar.tick)
            except KeyboardInterrupt:
                self._loop.run(fan_out.stop())
                arrived = f"{fan_out.done:,} of {fan_out.total:,}"
                log.warning("%s: interrupted after %s; the table keeps what has arrived", self.name, arrived)
            else:
                if fan_out.failed:
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

    def instances(self, service: str) -> list[ActorRef]:
        """The refs of all instances of a service (``payment``), or of those on one member (``payment@node-2``).

        Raises
        ------
        NoSuchService
            If there is none in the last snapshot.
        """
        return self._on_loop(lambda: [instance.ref for instance in self._placing.instances(service)])

    # --- finding ---------------------------------------------------------------------------------------------------

    @overload
    def lookup(self, service: ServiceKey[M]) -> Listing[M]: ...
    @overload
    def lookup(self, service: Any) -> Listing: ...
    def lookup(self, service: Any) -> Listing[Any]:
        """The instances of a service in the last snapshot."""
        return self._on_loop(lambda: self.client.lookup(service))

    def entity_ref(self, shard_type: str, num_shards: int) -> EntityRef:
        """Settle the number of shards of a type, so that its entities are reached with zero hops."""
        return self._on_loop(lambda: self.client.entity_ref(shard_type, num_shards))

    def where(self, target: AnyTarget) -> Location:
        """Shard, owner, replicas and reachability of a target, as known now; asks nobody."""
        return self._on_loop(lambda: self._placing.where(target))

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
        self._on_loop(lambda: self.client.register(*classes))

    def close(self) -> None:
        """Unsubscribe, flush, close. Idempotent; in a forked child it only forgets, since the connections are the parent's."""
        if not self._closed:
            self._closed = True
            if not self._loop.gone:
                try:
                    self._loop.run(self._leave(), within=LEAVING + 3 * self.client.settings.close_timeout)
                except TimeoutError:
                    log.warning("%s: not closed, since a listener keeps the background loop from everything else", self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _kind_of_client(name: str, read_only: bool, questions: Iterable[Any]) -> Callable[..., ClusterClient]:
    if read_only:
        return partial(ReadOnlyClient, name=name, questions=Questions(questions))
    if questions:
        raise MisuseError("questions are what a read-only connection may ask; add read_only=True, or leave them out")
    return ClusterClient
