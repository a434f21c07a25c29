"""Runs what the session decides: dials, sends, timers, answers. Decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.reach_log import ReachLog
from casty_notebook.backends.trace import Trace
from casty_notebook.backends.virtual.aio.link import LinkProtocol
from casty_notebook.backends.virtual.aio.watching import watched
from casty_notebook.backends.virtual.codec import protocol
from casty_notebook.backends.virtual.codec.protocol import Outcome
from casty_notebook.backends.virtual.codec.values import LARGE, ValueReader
from casty_notebook.backends.virtual.session.events import (
    Answer,
    Cancel,
    Close,
    Closed,
    Deliver,
    Dial,
    Effect,
    Event,
    Fail,
    Hangup,
    Heard,
    Leave,
    LinkHeard,
    LinkLeaving,
    LinkLost,
    LinkOpened,
    LinkRefused,
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
    Unsent,
)
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.backends.virtual.session.ring import Ring
from casty_notebook.backends.virtual.session.session import Session
from casty_notebook.backends.virtual.wire import Accepted, Hello, Message, Rejected
from casty_notebook.errors import CastyNotebookError, UndecodableMessage
from casty_notebook.logs import room_logger
from casty_notebook.loops.alarm import Alarm
from casty_notebook.loops.drain import Drain, OpenSockets
from casty_notebook.loops.sparing import Sparing
from casty_notebook.net.dialler import DialFailed, Dialler
from casty_notebook.settings import Settings

__all__ = ["Pump"]

log = room_logger(__name__)

OVERFULL = "the node reads more slowly than we send, and what waits for it is at the bound (max_buffered_bytes)."


class Pump:
    """Lives on one event loop. Every method is called there, except `calm` (any thread) and `cut` (the loop has stopped)."""

    def __init__(
        self, session: Session, reader: ValueReader, dialler: Dialler, incarnation: bytes, settings: Settings,
        on_change: Callable[[Members], None], on_failure: Callable[[], None], trace: Trace,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self.new_future = self._loop.create_future
        self.session = session
        self._trace = trace
        self._handle = watched(session, trace)
        self._reader = reader
        self._dialler = dialler
        self._incarnation = incarnation
        self._settings = settings
        self._on_change = on_change
        self._on_failure = on_failure
        self._sync = protocol.encode_sync(incarnation)
        self._deliver_writer = protocol.DeliverWriter(incarnation)
        self._links: dict[int, LinkProtocol] = {}
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._sockets = OpenSockets[LinkProtocol]()
        self._reading: set[asyncio.Task[None]] = set()
        self.futures: dict[int, asyncio.Future[Any]] = {}
        self.listeners: dict[int, Callable[[bytes, NodeAddress | None], None]] = {}
        """What takes the values that come to a listener, by its number."""
        self._from: NodeAddress | None = None
        """The node whose messages were handled last; what a listener hears and what is published came from it."""
        self._alarm = Alarm(self._loop, self._tick)
        self._reach_log = ReachLog(session.peers)
        self._drain = Drain(self._waits)
        self._sparing = Sparing(log)
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            Dial: self._dial, Hangup: self._hang_up, Sync: self._send_sync, Deliver: self._deliver, Cancel: self._cancel,
            Answer: self._answer, Heard: self._heard, Fail: self._fail, Publish: self._publish, Report: self._report,
            MakeRing: self._make_ring, Closed: self._closed,
        }  # fmt: skip

    # --- events in -------------------------------------------------------------------------------------------------

    def feed(self, event: Event, now: float | None = None) -> None:
        """Tell the session, and do what it wants. `now`: the time, where the caller has just read the clock."""
        try:
            self._perform(iter(self._handle(event, monotonic() if now is None else now)))
        finally:
            self._look_at_the_clock()

    def _perform(self, effects: Iterator[Effect]) -> None:
        performers = self._performers
        try:
            for effect in effects:
                performers[type(effect)](effect)
        except BaseException:
            # The session relies on all its effects, so the rest follow even if one raises (Ctrl-C, an exit in a listener).
            self._loop.call_soon(self._perform, effects)
            raise

    def _look_at_the_clock(self) -> None:
        if self._drain.wanted:
            self._drain.look()
        deadline = self.session.deadline
        if deadline < self._alarm.at:
            self._alarm.by(deadline)

    def _tick(self) -> None:
        self.feed(Tick())
        self._look_at_reach()

    def _look_at_reach(self) -> None:
        if self.session.state == "open":
            self._reach_log.look(self.session.cluster)

    def messages_came(self, link: LinkProtocol, messages: list[Message]) -> None:
        now = monotonic()
        self._from = link.node
        outcomes: list[Outcome] = []
        for message in messages:
            try:
                if message.service == protocol.REPLIES:
                    outcomes.append(protocol.read_reply(message.body))
                    continue
                event = self._event(link, message)
            except UndecodableMessage as error:
                self._warn(f"a message from {link.node} was refused: {error}")
                continue
            if event is None:
                continue
            if outcomes:  # these replies came before the message
                self.feed(Replied(outcomes), now)
                outcomes = []
            if not link.ended:
                self.feed(event, now)
            if link.ended:
                return
        if outcomes:
            self.feed(Replied(outcomes), now)

    def _event(self, link: LinkProtocol, message: Message) -> Event | None:
        """The event that a message other than a reply brings; None if it does not concern clients."""
        if message.service == protocol.MEMBERSHIP:
            if not self.session.awaits_table(link.id):
                return None  # not asked for; reading a table is costly
            records = protocol.read_membership(message.body)
            return TableCame(link.id, records) if records is not None else None
        if message.service == protocol.ACTORS:
            returned = protocol.read_actors(message.body)
            return Returned(link.id, returned) if returned is not None else None
        raise UndecodableMessage(f"the service {message.service[:40]!r}, which casty 0.30 does not have for clients")

    # --- links -----------------------------------------------------------------------------------------------------

    def _dial(self, effect: Dial) -> None:
        hello = Hello(effect.cluster, self._incarnation, effect.limits)
        link = LinkProtocol(
            effect.link, effect.address, hello, self._settings, self, secure=self._dialler.secure, known=effect.known
        )
        self._links[effect.link] = link
        self._trace.tell("dial", link=effect.link, node=effect.address)
        task = self._dials[effect.link] = self._loop.create_task(self._dial_link(effect.address, link))
        task.add_done_callback(lambda _: self._dials.pop(effect.link, None))

    async def _dial_link(self, address: NodeAddress, link: LinkProtocol) -> None:
        try:
            await self._dialler.dial(address, link)
        except DialFailed as failure:
            link.abort()
            self.link_ended(link, str(failure))
        except Exception as error:  # whatever it is, the session must learn that this link will not open
            link.abort()
            self.link_ended(link, f"dialling failed: {type(error).__name__}: {error}")

    def link_opened(self, link: LinkProtocol, event: Accepted) -> None:
        self._trace.tell("link.opened", link=link.id, node=event.node)
        self.feed(LinkOpened(link.id, event.node, event.incarnation))

    def link_heard(self, link: LinkProtocol) -> None:
        self.feed(LinkHeard(link.id))

    def link_leaving(self, link: LinkProtocol) -> None:
        log.debug("%s says goodbye on link %d", link.node, link.id)
        self.feed(LinkLeaving(link.id))

    def link_refused(self, link: LinkProtocol, event: Rejected) -> None:
        if self._links.pop(link.id, None) is not None:
            self._trace.tell("link.lost", link=link.id, node=link.dialled, reason=event.refusal.reason)
        self.feed(LinkRefused(link.id, event.refusal))
        self._on_failure()

    def link_ended(self, link: LinkProtocol, reason: str, *, silent: bool = False) -> None:
        if self._links.pop(link.id, None) is not None:
            self._trace.tell("link.lost", link=link.id, node=link.node or link.dialled, reason=reason)
            self.feed(LinkLost(link.id, reason, silent))
            self._on_failure()

    def socket_opened(self, link: LinkProtocol) -> None:
        self._sockets.opened(link)

    def socket_closed(self, link: LinkProtocol) -> None:
        self._sockets.closed(link)

    def _hang_up(self, effect: Hangup) -> None:
        link = self._links.pop(effect.link, None)
        if link is not None:
            link.hang_up() if effect.flush else link.abort()
        task = self._dials.pop(effect.link, None)
        if task is not None:
            task.cancel()

    # --- messages out ----------------------------------------------------------------------------------------------

    def _send_sync(self, effect: Sync) -> None:
        self._links[effect.link].send(protocol.MEMBERSHIP, self._sync, urgent=True)

    def tell(self, event: TellMade) -> None:
        """Feed a tell, and raise at once if the connection does not take it: nothing is kept then.

        Raises
        ------
        Overloaded, MisuseError, ClientClosed
            If too much waits for the node already, the message is longer than the cluster's limit or did not fit before.
        """
        refusal = self.session.refusal_of_tell(event)
        if refusal is not None:
            raise refusal
        untaken: tuple[str, str] | None = None
        left = False
        for effect in self._handle(event, monotonic()):
            if type(effect) is Deliver and effect.message is event.message:
                left, untaken = True, self._not_taken(effect)
            else:
                self._performers[type(effect)](effect)
        if not left:  # the session keeps it until a deadline, which may now be the earliest
            self._look_at_the_clock()
        if untaken is not None:
            raise self.session.overfull(event, *untaken)

    def tell_from_elsewhere(self, event: TellMade) -> None:
        """Carry out a tell that another thread handed over. That thread does not wait, so a refusal is logged, not raised."""
        try:
            self.tell(event)
        except CastyNotebookError as error:
            self._warn(f"a tell from another thread was not sent: {error}")

    def _deliver(self, effect: Deliver) -> None:
        untaken = self._not_taken(effect)
        if untaken is not None:
            # In a later turn of the loop: the effects of the session's present decision are still being carried out.
            self._loop.call_soon(self.feed, Unsent(effect.envelope, *untaken))

    def _not_taken(self, effect: Deliver) -> tuple[str, str] | None:
        """Give a message to its link. Returns None if the link took it, else cause and advice for the error."""
        body = self._deliver_writer.write(effect.actor, effect.key, effect.message, effect.number)
        try:
            return None if self._links[effect.link].send(protocol.ACTORS, body) else (OVERFULL, "Send less at once.")
        except ValueError as error:
            return f"the message is too long: {error}.", "Send it in parts."

    def _cancel(self, effect: Cancel) -> None:
        body = protocol.encode_cancel(self._incarnation, effect.actor, effect.key, effect.number)
        self._links[effect.link].send(protocol.ACTORS, body)

    # --- answers ---------------------------------------------------------------------------------------------------

    def _answer(self, effect: Answer) -> None:
        future = self.futures.pop(effect.number, None)
        if future is None or future.done():
            return
        if len(effect.data) > LARGE and not self._reader.is_quick(effect.data):
            task = self._loop.create_task(self._read_beside(effect.data, future))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
            return
        try:
            future.set_result(self._reader.read(effect.data))
        except Exception as error:  # `UndecodableMessage`, or a fault of ours: whoever asked is told, and the link goes on
            future.set_exception(error)

    def _heard(self, effect: Heard) -> None:
        listener = self.listeners.get(effect.number)
        if listener is not None:
            listener(effect.data, self._from)

    def listener_dropped(self, label: str, count: int, limit: int, *, first: bool) -> None:
        """Count messages that were dropped because their listener is read too slowly; the `first` time, warn of it."""
        self.session.counters["dropped"] += count
        if first:
            self._report(Report(f"what {label} tells is read too slowly: the oldest of {limit:,} is dropped"))

    async def _read_beside(self, data: bytes, future: asyncio.Future[Any]) -> None:
        try:
            value = await self._loop.run_in_executor(None, self._reader.read, data)
        except Exception as error:  # as in `_answer`, or no thread can be started because the interpreter ends
            if not future.done():
                future.set_exception(error)
            return
        if not future.done():
            future.set_result(value)

    def _fail(self, effect: Fail) -> None:
        future = self.futures.pop(effect.number, None)
        if future is not None and not future.done():
            future.set_exception(effect.error)

    def _make_ring(self, effect: MakeRing) -> None:
        task = self._loop.create_task(self._ring_beside(effect))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _ring_beside(self, effect: MakeRing) -> None:
        try:
            ring = await self._loop.run_in_executor(None, Ring.prepared, effect.nodes, effect.before)
        except RuntimeError:  # no thread can be started: compute it here, since the session waits for it
            ring = Ring.prepared(effect.nodes, effect.before)
        self.feed(RingMade(ring))

    def _publish(self, effect: Publish) -> None:
        self._look_at_reach()
        self._trace.tell("push", node=self._from, picture=effect.members)
        self._on_change(effect.members)

    def _report(self, effect: Report) -> None:
        self._warn(effect.text)

    def _warn(self, text: str) -> None:
        self._sparing.warning(f"{self.session.cluster}: {text}")

    # --- leaving ---------------------------------------------------------------------------------------------------

    def _closed(self, _effect: Closed) -> None:
        self._alarm.stop()

    async def drain(self) -> None:
        """Wait until nothing that was told or asked waits for a member, for a turn or for room in a connection."""
        await self._drain.wait()

    @property
    def calm(self) -> bool:
        """Whether a tell made now would leave at once: nothing waits, and every node keeps up. May be read from any thread."""
        return not self.session.waiting and not any(link.behind for link in tuple(self._links.values()))

    def _waits(self) -> bool:
        return self.session.waiting > 0 or any(link.unsent for link in self._links.values())

    def link_flushed(self) -> None:
        if self._drain.wanted:
            self._drain.look()

    async def close(self) -> None:
        """Let what was told leave, then close every connection; each bounded by `Settings.close_timeout`.

        If the caller is cancelled meanwhile, the connections are closed without waiting.
        """
        self.feed(Leave())
        try:
            async with asyncio.timeout(self._settings.close_timeout):
                await self.drain()
        except TimeoutError:
            self._say_what_is_lost()
        finally:
            self.feed(Close())
            dials = list(self._dials.values())
            for task in dials:
                task.cancel()
            self._drain.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        await self._sockets.wait(self._settings.close_timeout, LinkProtocol.abort)

    def _say_what_is_lost(self) -> None:
        for link in self._links.values():
            if link.unsent:
                log.warning(
                    "%s: %d bytes to %s were dropped: it read too slowly, for %g s while leaving",
                    self.session.cluster, link.unsent, link.dialled, self._settings.close_timeout,
                )  # fmt: skip

    def cut(self) -> None:
        """End every connection when the loop runs no more: the nodes see the connections end, nobody here is told."""
        for link in self._sockets:
            link.cut()
