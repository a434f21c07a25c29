"""Carries events into the session and its effects out: the only caller of `Session.handle`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.reach_log import ReachLog
from casty_notebook.backends.sharded.aio.codecs import Codecs
from casty_notebook.backends.sharded.aio.envelopes import EnvelopeReader, EnvelopeWriter
from casty_notebook.backends.sharded.aio.link import LinkProtocol
from casty_notebook.backends.sharded.aio.receiving import Receiver
from casty_notebook.backends.sharded.aio.watching import watched
from casty_notebook.backends.sharded.session.events import (
    Arrived,
    Break,
    Close,
    Closed,
    Connected,
    Dial,
    Effect,
    Event,
    Fail,
    Hangup,
    Heard,
    LinkLost,
    LinkOpened,
    Publish,
    Recall,
    Received,
    Reclaim,
    Reclaimed,
    Refused,
    Reject,
    Replies,
    Reply,
    Report,
    Ruin,
    TellMade,
    Tick,
    Transmit,
    TypeUsed,
    Unexpected,
)
from casty_notebook.backends.sharded.session.session import Session
from casty_notebook.backends.trace import Trace
from casty_notebook.errors import CastyNotebookError
from casty_notebook.logs import room_logger
from casty_notebook.loops.alarm import Alarm
from casty_notebook.loops.drain import Drain, OpenSockets
from casty_notebook.loops.sparing import Sparing
from casty_notebook.net.dialler import DialFailed, Dialler
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["Pump"]

log = room_logger(__name__)

ANSWER_LATE = 0.25
"""Seconds without an answer to a handshake after which we find out what it is that does not answer."""

MANY = 1_000
"""With so many envelopes waiting for a route a tell may be refused soon. From then on a thread that tells waits for the loop, so
that the refusal is raised where the tell was made."""

MOST_EXAMINATIONS = 4
"""How often we do so at one address: a frozen node must not wake up to hundreds of connections of ours."""


class Pump:
    """Lives on one event loop; every method is to be called there.

    Parameters
    ----------
    on_publish, on_ruin, on_hopeless
        Called with each accepted snapshot, once with the error if the session cannot work, and when no contact point
        can be used as configured.
    """

    def __init__(
        self, session: Session, codecs: Codecs, dialler: Dialler, settings: Settings, *,
        on_publish: Callable[[TopologySnapshot], None], on_ruin: Callable[[Exception], None],
        on_hopeless: Callable[[], None], trace: Trace,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self.new_future = self._loop.create_future
        self.session = session
        self._trace = trace
        self._handle = watched(session, trace)
        self.writer = EnvelopeWriter(codecs, session)
        self._reach_log = ReachLog(session.peers)
        self._receiver = Receiver(
            session, EnvelopeReader(codecs, session, settings), self._loop, settings.max_frame,
            is_open=self._is_open, deliver=self._came, settle=self._keep_time, warn=self._warn, end=self.link_ended,
        )  # fmt: skip
        self._dialler = dialler
        self._settings = settings
        self._on_publish = on_publish
        self._on_ruin = on_ruin
        self._on_hopeless = on_hopeless
        self._links: dict[int, LinkProtocol] = {}
        self._stuffed: set[int] = set()
        """Links whose nodes read more slowly than we write."""
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._dialling: set[asyncio.Task[None]] = set()
        """All dials that have not ended, also cancelled ones: `close` waits for them."""
        self._drain = Drain(self._waits)
        self._examined: Counter[NodeAddress] = Counter()
        self._sockets = OpenSockets[LinkProtocol]()
        self.futures: dict[str, asyncio.Future[Any]] = {}
        self.bells: dict[str, Callable[[], None]] = {}
        """Whom to call when something came to a listener."""
        self._rejection: Exception | None = None
        self._alarm = Alarm(self._loop, self._tick)
        self._sparing = Sparing(log)
        self.closed = asyncio.Event()
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            Transmit: self._transmit, Reply: self._reply, Arrived: self._arrived, Fail: self._fail, Reject: self._reject,
            Publish: self._publish, Dial: self._dial, Hangup: self._hang_up, Break: self._break, Recall: self._recall,
            Reclaim: self._reclaim, Report: self._report, Ruin: self._ruin, Closed: self._closed,
        }  # fmt: skip

    @property
    def now(self) -> float:
        return monotonic()

    def feed(self, event: Event, now: float | None = None) -> None:
        """Tell the session, and do what it wants. `now`: the time, where the caller has just read the clock."""
        self._tell(event, monotonic() if now is None else now)
        self._keep_time()

    def _tell(self, event: Event, now: float) -> None:
        performers = self._performers
        for effect in self._handle(event, now):
            performers[type(effect)](effect)

    def _came(self, event: Heard | Received | Replies | Unexpected, now: float) -> None:
        """Handle what a socket brought.

        While a tick is overdue, which is when something has kept the loop, this counts as come in time for it: it may have lain
        in the socket for long, and the tick itself waits until all sockets are read (see `Alarm`).
        """
        self._tell(event, self._alarm.at if self._alarm.overdue(now) else now)

    def tell(self, told: TellMade | TypeUsed) -> None:
        """Hand a tell or the use of a type to the session, and raise the error if it is refused."""
        self._rejection = None
        self.feed(told)
        if self._rejection is not None:
            rejection, self._rejection = self._rejection, None
            raise rejection

    @property
    def calm(self) -> bool:
        """Whether a tell made now will not be refused as too much, as far as can be seen from any thread."""
        session = self.session
        return session.state == "open" and not self._stuffed and session.buffered < MANY

    def link_stuffed(self, link: LinkProtocol, *, stuffed: bool) -> None:
        """Note that a link's node does not keep up, or does again."""
        if stuffed:
            self._stuffed.add(link.id)
        else:
            self._stuffed.discard(link.id)

    def tell_from_elsewhere(self, told: TellMade) -> None:
        """Carry out a tell that another thread handed over. A refusal is logged, since that thread does not wait for it."""
        try:
            self.tell(told)
        except CastyNotebookError as error:
            self._warn(f"a tell from another thread was not sent: {error}")

    def _keep_time(self) -> None:
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
            self._reach_log.look(self.session.system_name, self.session.contact)

    # --- links: effects --------------------------------------------------------------------------------------------

    def _dial(self, effect: Dial) -> None:
        self._trace.tell("dial", link=effect.link, node=effect.address)
        protocol = LinkProtocol(effect.link, effect.address, effect.identity, self._settings, self)
        self._links[effect.link] = protocol
        self._start_dial(effect.link, self._run_dial(effect, protocol))

    def _start_dial(self, link_id: int, dial: Coroutine[Any, Any, None]) -> None:
        task = self._dials[link_id] = self._loop.create_task(dial)
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _run_dial(self, effect: Dial, protocol: LinkProtocol) -> None:
        try:
            await self._dialler.dial(effect.address, protocol)
        except DialFailed as failure:
            protocol.abort()
            self._lost(effect.link, str(failure), verdict=failure.verdict)
        except Exception as error:
            # A fault of ours. The session must hear of it, too, or the link would count as being dialled for ever.
            log.exception("dialling %s", effect.address)
            protocol.abort()
            self._lost(effect.link, f"dialling failed: {type(error).__name__}: {error}")
        finally:
            self._forget_dial(effect.link)

    def _forget_dial(self, link_id: int) -> None:
        if self._dials.get(link_id) is asyncio.current_task():
            del self._dials[link_id]

    def _hang_up(self, effect: Hangup) -> None:
        log.debug("link %d: hanging up", effect.link)
        dial = self._dials.pop(effect.link, None)
        protocol = self._links.pop(effect.link, None)
        self._receiver.forget(effect.link)
        if dial is not None:
            dial.cancel()
        if protocol is not None:
            self.writer.forget(effect.link)
            protocol.hang_up()

    def _break(self, effect: Break) -> None:
        protocol = self._links.get(effect.link)
        if protocol is not None:
            log.debug("link %d: given up: %s", effect.link, effect.reason)
            protocol.abort()
            self._lost(effect.link, effect.reason, protocol)

    def _transmit(self, effect: Transmit) -> None:
        outgoing = effect.outgoing
        protocol = self._links.get(effect.link)
        if protocol is None:
            return
        try:
            # What leaves before the handshake is answered is for the node that was dialled: if another answers, we hang up.
            frame = self.writer.frame(protocol.id, protocol.node or protocol.dialled, protocol.identity, outgoing)
        except CastyNotebookError as error:
            self.feed(Refused(effect.link, outgoing, error))
            return
        if not protocol.send(outgoing, frame):
            self.feed(Refused(effect.link, outgoing))

    def _recall(self, effect: Recall) -> None:
        protocol = self._links.get(effect.link)
        if protocol is not None:
            protocol.recall(effect.outgoing)

    def _reclaim(self, effect: Reclaim) -> None:
        protocol = self._links.get(effect.link)
        self.feed(Reclaimed(protocol.take_back() if protocol is not None else ()))

    # --- links: what happens ---------------------------------------------------------------------------------------

    def link_connected(self, link: LinkProtocol) -> None:
        self.feed(Connected(link.id))

    def link_opened(self, link: LinkProtocol, node: NodeAddress) -> None:
        self._trace.tell("link.opened", link=link.id, node=node)
        self.feed(LinkOpened(link.id, node))
        self._look_at_reach()

    def link_ended(self, link: LinkProtocol, reason: str) -> None:
        if self._receiver.ends(link, reason):
            return
        if link.mute and self.session.snapshot is None and link.id in self._links:
            self._start_dial(link.id, self._explain(link, reason))
            return
        if link.mute and self.session.snapshot is not None:
            # Other nodes of this cluster have answered, so this is no casty of another version, and no TLS node.
            reason = "closed the connection before it answered the handshake, as a node that is ending or starting does"
        self._lost(link.id, reason, link, verdict=link.verdict)

    async def _explain(self, link: LinkProtocol, reason: str) -> None:
        """Find out what ended the connection without sending a byte, by dialling it once more in other ways."""
        try:
            reason, verdict = await self._dialler.explain(link.dialled, reason)
        finally:
            self._forget_dial(link.id)
        self._lost(link.id, reason, link, verdict=verdict)

    def _examine_silence(self, link: LinkProtocol) -> None:
        """If the handshake is still unanswered, which takes a round trip, find out what is there. The answer may yet come."""
        waits = link.node is None and not link.ended and not link.heard and link.id in self._links
        if waits and self.session.snapshot is None and link.id not in self._dials:
            self._examined[link.dialled] += 1
            self._start_dial(link.id, self._explain_silence(link))

    async def _explain_silence(self, link: LinkProtocol) -> None:
        try:
            reason = await self._dialler.explain_silence(link.dialled)
        finally:
            self._forget_dial(link.id)
        if reason is not None and link.node is None and not link.ended:
            link.abort()
            self._lost(link.id, reason, link, verdict=True)

    def _lost(self, link_id: int, reason: str, protocol: LinkProtocol | None = None, *, verdict: bool = False) -> None:
        link = self._links.pop(link_id, None)
        if link is None:
            return
        self._stuffed.discard(link_id)
        self._receiver.forget(link_id)
        self.writer.forget(link_id)
        if protocol is not None and protocol.node is None and self._dialler.unanswered(protocol.dialled, protocol.reached):
            verdict = False  # it is the verdict on one address, and the host name has others to try
        self._trace.tell("link.lost", link=link_id, node=link.node or link.dialled, reason=reason)
        self.feed(LinkLost(link_id, reason, protocol.unsent if protocol is not None else (), verdict))
        self._look_at_reach()
        if self.session.hopeless:
            self._on_hopeless()

    def frames_received(self, link: LinkProtocol, frames: list[tuple[int, bytes]]) -> None:
        self._receiver.receive(link, frames)

    def _is_open(self, link: LinkProtocol) -> bool:
        return self._links.get(link.id) is link

    # --- answers ---------------------------------------------------------------------------------------------------

    def _reply(self, effect: Reply) -> None:
        future = self.futures.pop(effect.ask_id, None)
        if future is not None and not future.done():
            future.set_result(effect.message)

    def _arrived(self, effect: Arrived) -> None:
        bell = self.bells.get(effect.ask_id)
        if bell is not None:
            bell()

    def _fail(self, effect: Fail) -> None:
        future = self.futures.pop(effect.ask_id, None)
        if future is not None and not future.done():
            future.set_exception(effect.error)

    def _reject(self, effect: Reject) -> None:
        self._rejection = effect.error

    def _publish(self, effect: Publish) -> None:
        self._look_at_reach()
        self._trace.tell("push", node=self.session.contact, picture=effect.snapshot)
        self._on_publish(effect.snapshot)

    def _ruin(self, effect: Ruin) -> None:
        log.info("%s cannot be followed: %s", self.session.system_name, effect.error)
        self._on_ruin(effect.error)

    def _report(self, effect: Report) -> None:
        if effect.loss:
            log.warning("%s: %s", self.session.system_name, effect.text)
        else:
            self._warn(effect.text)

    def _closed(self, _effect: Closed) -> None:
        self._alarm.stop()
        self.closed.set()

    def _warn(self, text: str) -> None:
        self._sparing.warning(text)

    # --- leaving ---------------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Wait until nothing that was told or asked waits for a route or for room in a socket."""
        await self._drain.wait()

    def _waits(self) -> bool:
        return self.session.buffered > 0 or any(link.waits for link in self._links.values())

    def link_flushed(self, link: LinkProtocol) -> None:  # noqa: ARG002 - whichever it is
        if self._drain.wanted:
            self._drain.look()

    async def close(self) -> None:
        """Let what was told find its way, unsubscribe, flush, close every connection; bounded by `Settings.close_timeout`."""
        self.feed(Close())
        try:
            # The session's own bounds come first: one for what seeks a route, a quarter of it for the farewell.
            async with asyncio.timeout(self._settings.close_timeout * 1.5):
                await self.closed.wait()
        except TimeoutError:
            log.info("leaving %s without a sign that its nodes have read it", self.session.system_name)
        self._receiver.close()
        for link in tuple(self._links.values()):
            link.hang_up()
        dials = tuple(self._dialling)
        for task in dials:
            task.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        self._alarm.stop()
        await asyncio.sleep(0)
        await self._sockets.wait(self._settings.close_timeout, self._give_up)
        self._drain.cancel()

    def cut(self) -> None:
        """Close every socket where the loop runs no more. The nodes see their connections end; nothing is reported here."""
        for link in self._sockets:
            link.cut()

    def _give_up(self, link: LinkProtocol) -> None:
        messages, size = link.unread
        if messages:
            log.warning(
                "%s: at least %d messages (%d bytes) to %s were dropped: it read too slowly, for %g s while leaving",
                self.session.system_name, messages, size, link.dialled, self._settings.close_timeout,
            )  # fmt: skip
        link.abort()

    def socket_opened(self, link: LinkProtocol) -> None:
        self._sockets.opened(link)
        if self.session.snapshot is None and self._examined[link.dialled] < MOST_EXAMINATIONS:
            self._loop.call_later(ANSWER_LATE, self._examine_silence, link)

    def socket_closed(self, link: LinkProtocol) -> None:
        self._sockets.closed(link)
