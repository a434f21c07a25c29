"""Frames of all links to events, in the order of each link, and never for long at a time.

A short payload is read where it arrives. A long one is read on another thread (see `PayloadThread`). What its link sends
meanwhile waits behind it, while the other links go on. The rest of a batch that has taken longer than `TURN` waits as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from casty_notebook.backends.sharded.aio.envelopes import Configuration, EnvelopeReader
from casty_notebook.backends.sharded.aio.link import LinkProtocol
from casty_notebook.backends.sharded.aio.payload_thread import PayloadThread
from casty_notebook.backends.sharded.codec.codec import TakesLonger
from casty_notebook.backends.sharded.session.events import Heard, Received, Replies, Unexpected
from casty_notebook.backends.sharded.session.session import ASK_PATH, Session
from casty_notebook.backends.sharded.session.subscription import SUBSCRIPTION_PATH
from casty_notebook.backends.sharded.wire import MESSAGE, Envelope
from casty_notebook.errors import ProtocolError, UndecodableMessage
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["Receiver"]

TURN = 0.05
"""Seconds that one batch may take before the other links have their turn."""

STILL = 1.0
"""While a long payload is read, the session is told every so many seconds that its node lives: the silence is our doing."""

type Frame = tuple[int, bytes]


class Queue:
    """Frames of one link that wait to be read. `ended`: why the link has ended, to be said when they are read."""

    __slots__ = ("ended", "frames", "size")

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self.size = sum(len(body) for _, body in frames)
        self.ended: str | None = None

    def add(self, frames: list[Frame]) -> None:
        self.frames += frames
        self.size += sum(len(body) for _, body in frames)


class Receiver:
    """idle --long payload--> waiting --read--> idle, for each link.

    Parameters
    ----------
    is_open
        Whether what a link sends still counts.
    deliver, settle
        Called with each event, and after a batch of them.
    warn
        Called with what was ignored, and why.
    end
        Called with a link and the reason when all that came before its end has been read.
    most
        Bytes of one link that may wait. While there are more, its socket is not read.
    """

    def __init__(
        self, session: Session, reader: EnvelopeReader, loop: asyncio.AbstractEventLoop, most: int, *,
        is_open: Callable[[LinkProtocol], bool], deliver: Callable[[Heard | Received | Replies | Unexpected, float], None],
        settle: Callable[[], None],
        warn: Callable[[str], None], end: Callable[[LinkProtocol, str], None],
    ) -> None:  # fmt: skip
        self._session = session
        self._reader = reader
        self._loop = loop
        self._most = most
        self._is_open = is_open
        self._deliver = deliver
        self._settle = settle
        self._warn = warn
        self._end = end
        self._payload_thread = PayloadThread(loop)
        self._queues: dict[int, Queue] = {}

    def receive(self, link: LinkProtocol, frames: list[Frame]) -> None:
        """Take up what one read of a link's socket brought."""
        queue = self._queues.get(link.id)
        if queue is None:
            self._take(link, frames)
            self._settle()
            return
        queue.add(frames)
        if queue.size > self._most:
            link.pause_reading()

    def ends(self, link: LinkProtocol, reason: str) -> bool:
        """A link has ended. Returns True if what it sent before is not all read yet: `end` is called when it is."""
        queue = self._queues.get(link.id)
        if queue is None:
            return False
        queue.ended = reason
        return True

    def forget(self, link_id: int) -> None:
        """What a link sent does not count any more."""
        self._queues.pop(link_id, None)

    def close(self) -> None:
        """Read nothing more."""
        self._queues.clear()
        self._payload_thread.close()

    # --- a batch -----------------------------------------------------------------------------------------------------

    def _take(self, link: LinkProtocol, frames: list[Frame]) -> None:
        """Read frames in order, until a payload is too long to be read here or the time of a `TURN` is over; the rest waits."""
        newest: tuple[Frame, Envelope] | None = None
        now, reader, expects = monotonic(), self._reader, self._session.expects
        replies: Replies | None = None
        for at, frame in enumerate(frames):
            # Nodes may send nothing but messages here; other types are ignored as nodes do (PROTOCOL section 1.1).
            if frame[0] != MESSAGE:
                continue
            try:
                envelope, path = reader.open(frame[1])
            except ProtocolError as error:
                self._warn(f"{link.node} sent a malformed envelope, which was ignored: {error}")
                continue
            if not expects(path):
                self._tell(link, Unexpected(path), now)
                continue
            if path == SUBSCRIPTION_PATH:
                # Only the newest snapshot of a batch matters (PROTOCOL section 9: drain, conflate, never pause).
                newest = frame, envelope
                continue
            try:
                read = reader.message(envelope, link.node)
            except TakesLonger:
                self._tell(link, replies, now)
                self._read_beside(link, envelope, path, self._behind(frames, at, newest))
                return
            if path.startswith(ASK_PATH):
                system = reader.system(envelope)
                if replies is None or replies.system != system:
                    self._tell(link, replies, now)
                    replies = Replies(link.id, system, [])
                replies.messages.append((path, read[0], len(envelope.data)))
            else:
                self._tell(link, replies, now)
                replies = None
                self._tell(link, self._event(link, envelope, path, read), now)
            if monotonic() - now > TURN and at + 1 < len(frames):
                self._tell(link, replies, now)
                self._postpone(link, self._behind(frames, at, newest))
                return
        self._tell(link, replies, now)
        if newest is not None and self._is_open(link):
            self._take_snapshot(link, newest[1], now)

    @staticmethod
    def _behind(frames: list[Frame], at: int, newest: tuple[Frame, Envelope] | None) -> list[Frame]:
        """What is left of a batch, with the snapshot that was put off until its end."""
        return frames[at + 1 :] if newest is None else [newest[0], *frames[at + 1 :]]

    def _take_snapshot(self, link: LinkProtocol, envelope: Envelope, now: float) -> None:
        try:
            read = self._reader.snapshot(envelope, link.node)
        except TakesLonger:
            self._read_beside(link, envelope, SUBSCRIPTION_PATH, [])
        else:
            self._tell(link, self._event(link, envelope, SUBSCRIPTION_PATH, read), now)

    def _event(
        self, link: LinkProtocol, envelope: Envelope, path: str, read: tuple[Any, Configuration | None]
    ) -> Replies | Received:
        message, written = read
        system = self._reader.system(envelope)
        if path.startswith(ASK_PATH):
            return Replies(link.id, system, [(path, message, len(envelope.data))])
        return Received(link.id, path, system, envelope.type_hint, message, written)

    def _tell(self, link: LinkProtocol, event: Replies | Received | Unexpected | None, now: float) -> None:
        """Deliver what came of a link, if anything did, and if it still counts."""
        if event is not None and self._is_open(link):
            self._deliver(event, now)

    # --- what takes longer ---------------------------------------------------------------------------------------------

    def _postpone(self, link: LinkProtocol, behind: list[Frame]) -> None:
        self._queues[link.id] = Queue(behind)
        self._loop.call_soon(self._go_on, link)

    def _read_beside(self, link: LinkProtocol, envelope: Envelope, path: str, behind: list[Frame]) -> None:
        self._queues[link.id] = Queue(behind)
        self._payload_thread.submit(self._reader.job(envelope, link.node), partial(self._was_read, link, envelope, path))
        self._loop.call_later(STILL, self._still_reads, link, self._queues[link.id])

    def _still_reads(self, link: LinkProtocol, queue: Queue) -> None:
        if self._queues.get(link.id) is queue and self._is_open(link):
            self._deliver(Heard(link.id), monotonic())
            self._settle()
            self._loop.call_later(STILL, self._still_reads, link, queue)

    def _was_read(self, link: LinkProtocol, envelope: Envelope, path: str, read: Any) -> None:
        if link.id not in self._queues:
            return
        if isinstance(read, Exception):
            read = UndecodableMessage(f"from {link.node}: reading it failed: {type(read).__name__}: {str(read)[:200]}"), None
        if isinstance(read[0], TopologySnapshot):
            self._reader.keep(envelope, read)
        self._tell(link, self._event(link, envelope, path, read), monotonic())
        self._go_on(link)

    def _go_on(self, link: LinkProtocol) -> None:
        """Take up what waited."""
        queue = self._queues.pop(link.id, None)
        if queue is None:
            return
        self._take(link, queue.frames)
        later = self._queues.get(link.id)
        if later is not None:
            later.ended = queue.ended
        else:
            link.resume_reading()
            if queue.ended is not None:
                self._end(link, queue.ended)
        self._settle()
