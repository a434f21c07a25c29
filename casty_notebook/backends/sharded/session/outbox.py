"""Every envelope of the user's, from the call that made it to its end: handed over, answered, failed, timed out or withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from casty_notebook.backends.contract import Arrival
from casty_notebook.backends.sharded.session import failures
from casty_notebook.backends.sharded.session.asks import Asks
from casty_notebook.backends.sharded.session.events import (
    Arrived,
    AskCancelled,
    AskMade,
    Effect,
    Fail,
    Recall,
    Reclaimed,
    Refused,
    Reject,
    Replies,
    Reply,
    Report,
    TellMade,
)
from casty_notebook.backends.sharded.session.failures import Known
from casty_notebook.backends.sharded.session.listening import Listening
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.router import Router
from casty_notebook.backends.sharded.session.state import Ask, Link, Outgoing
from casty_notebook.errors import (
    AskFailed,
    AskTimeout,
    CastyNotebookError,
    NodeUnreachable,
    Overloaded,
    UndecodableMessage,
)
from casty_notebook.settings import Settings
from casty_notebook.topology.traffic import Traffic

__all__ = ["Outbox"]

TOO_LARGE = "Ask for less, or raise Settings(max_frame=…); asking again would end the connection again."

LISTED = 5
"""Targets named where messages are dropped."""


class Outbox:
    """made --route--> waiting | handed over; --reply | deadline | loss | cancel | close--> gone. Nothing ends in silence.

    Parameters
    ----------
    known
        What reports of failures quote.
    doubt
        Called with the link by which an answer is overdue, the time of the ask, and now: its node may be dead.
    traffic
        Counts the asks that fail. Those that are answered are noted in the lane of the node that answered.
    """

    def __init__(
        self, settings: Settings, peers: Peers, counters: dict[str, int], known: Known,
        doubt: Callable[[Link, float, float], None], traffic: Traffic,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._peers = peers
        self._counters = counters
        self._known = known
        self._doubt = doubt
        self._traffic = traffic
        self._router: Router
        self.asks = Asks()
        self._seq = 0
        self.closed_by: type[AskFailed] | CastyNotebookError | None = None
        """What everything further is refused with; None while the session is open."""

    def routed_by(self, router: Router) -> None:
        """Set the router. It is made after the outbox, since it is given `fail` and `drop` for what it cannot route."""
        self._router = router

    # --- beginnings ------------------------------------------------------------------------------------------------

    def ask_made(self, event: AskMade, now: float, out: list[Effect]) -> None:
        ask = event.ask
        self._seq += 1
        ask.seq = self._seq
        crowded = len(self.asks.pending) >= self._settings.max_pending_asks
        self.asks.add(ask)
        if crowded:
            cause = f"{len(self.asks) - 1} asks already wait for replies, which is the bound (max_pending_asks)."
            self.fail(ask, Overloaded, cause, "Wait for some of them.", out)
        elif self.closed_by is None or not self._refuses(self.closed_by, ask, out):
            self._router.begin(ask, now, out)

    def tell_made(self, event: TellMade, now: float, out: list[Effect]) -> None:
        self._seq += 1
        outgoing = Outgoing(self._seq, event.target, event.message, now + self._settings.tell_expiry)
        if self.closed_by is None or not self._refuses(self.closed_by, outgoing, out):
            self._router.begin(outgoing, now, out)

    def _refuses(self, error: type[AskFailed] | CastyNotebookError, outgoing: Outgoing, out: list[Effect]) -> bool:
        self.fail(outgoing, error, "the client is closed.", "Connect again.", out)
        return True

    # --- endings ---------------------------------------------------------------------------------------------------

    def replied(self, event: Replies, now: float, out: list[Effect]) -> None:
        asks = self.asks
        for ask_id, message, size in event.messages:
            ask = asks.pending.get(ask_id)
            if ask is None:
                self._counters["late_replies"] += 1
                continue
            if type(ask) is Listening:
                self._arrived(ask, event.link, message, size, now, out)
                continue
            link = ask.link
            asks.remove(ask_id)
            if isinstance(message, UndecodableMessage):
                self._failed(ask, message, out)
                continue
            if link is not None:
                link.peer.lane[ask.path].append(now - ask.started)
            out.append(Reply(ask_id, message))

    def _failed(self, ask: Ask, error: CastyNotebookError, out: list[Effect]) -> None:
        """Tell the asker, and count it unless it is a listener: the end of one is no failed ask."""
        if type(ask) is not Listening:
            self._traffic.failed(ask.path, error)
        out.append(Fail(ask.id, error))

    def _arrived(
        self, listening: Listening, link_id: int, message: Any, size: int, now: float, out: list[Effect]
    ) -> None:
        link = self._peers.links.get(link_id)
        arrival = Arrival(now, link.peer.address if link is not None else None, message, size)
        inbox = listening.inbox
        first = not inbox.dropped
        dropped = inbox.put(arrival)
        if dropped:
            self._counters["dropped"] += dropped
            if first:
                kept = f"the oldest of {inbox.limit:,} is dropped"
                out.append(Report(f"what {listening.label} tells is read too slowly: {kept}"))
        out.append(Arrived(listening.id))

    def cancelled(self, event: AskCancelled, _now: float, out: list[Effect]) -> None:
        self._withdraw(event.ask_id, out)

    def _withdraw(self, ask_id: str, out: list[Effect]) -> Ask | None:
        """End an ask, and take its envelope back if it has not left. Returns None if it was over already."""
        ask = self.asks.get(ask_id)
        if ask is None:
            return None
        if ask.link is not None:
            out.append(Recall(ask.link.id, ask))
        self.asks.remove(ask_id)
        self._router.withdraw(ask)
        return ask

    def time_out(self, now: float, out: list[Effect]) -> None:
        for ask in self.asks.due(now):
            self._counters["timed_out"] += 1
            sent = ask.may_have_run
            if ask.link is not None:
                self._doubt(ask.link, ask.started, now)
            cause, advice = failures.timeout(self._known, ask)
            if self._withdraw(ask.id, out) is not None:
                report = failures.report(self._known, ask, cause, advice, may_have_run=sent)
                self._failed(ask, AskTimeout(report), out)

    def fail(
        self, outgoing: Outgoing, error: type[AskFailed] | CastyNotebookError, cause: str, advice: str, out: list[Effect],
        *, may_have_run: bool = False,
    ) -> None:  # fmt: skip
        """Fail the ask, or refuse the tell being made, with all that is known."""
        if isinstance(error, type):
            may_have_run = may_have_run or (outgoing.ask is not None and outgoing.ask.left)
            error = error(failures.report(self._known, outgoing, cause, advice, may_have_run=may_have_run))
        if isinstance(error, Overloaded):
            self._counters["overflowed"] += 1
        if outgoing.ask is None:
            out.append(Reject(error))
        elif self.asks.remove(outgoing.ask.id) is not None:
            self._failed(outgoing.ask, error, out)

    def fail_all(self, error: type[AskFailed] | CastyNotebookError, cause: str, out: list[Effect]) -> None:
        """End every ask; what has not left is not sent any more."""
        for ask in self.asks:
            if ask.link is not None:
                out.append(Recall(ask.link.id, ask))
            self._router.withdraw(ask)
            self.fail(ask, error, cause, "Connect again.", out, may_have_run=ask.may_have_run)

    def drop(self, told: list[Outgoing], why: str, out: list[Effect]) -> None:
        """Give up tells that waited for a route in vain, and report how many there were for which targets."""
        targets = Counter(str(outgoing.target) for outgoing in told)
        if not targets:
            return
        count = targets.total()
        self._counters["undelivered"] += count
        listed = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in targets.most_common(LISTED))
        more = f" and {len(targets) - LISTED} more" if len(targets) > LISTED else ""
        what = "1 message that was told was dropped" if count == 1 else f"{count} messages that were told were dropped"
        out.append(Report(f"{what}: {why} (to {listed}{more})", loss=True))

    def refused(self, event: Refused, _now: float, out: list[Effect]) -> None:
        """A link did not take an envelope."""
        outgoing = event.outgoing
        if outgoing.seq < 0:  # a message of the session's own, which is sent again when it is needed
            return
        if outgoing.ask is not None:
            outgoing.ask.withdrawn()
        bound = self._settings.max_buffered_bytes
        cause = f"the node reads more slowly than we send: {bound:,} bytes wait for its socket, the bound (max_buffered_bytes)."
        self.fail(outgoing, event.error or Overloaded, cause, "Wait for it with drain(), or send less at once.", out)

    # --- lost links ------------------------------------------------------------------------------------------------

    def link_lost(
        self, link: Link, unsent: tuple[Outgoing, ...], reason: str, now: float, out: list[Effect], *, verdict: bool
    ) -> None:
        """What had not left looks for another way; what may have left is never sent twice by itself."""
        left = {outgoing.seq for outgoing in unsent}
        sent = list(link.asks.values())
        repeat = [ask for ask in sent if self._must_repeat(ask, link, left, reason, out, verdict=verdict)]
        self._router.reroute((*repeat, *self._ours(unsent)), link.peer, now, out)

    def reclaimed(self, event: Reclaimed, now: float, out: list[Effect]) -> None:
        """A link gave back what it had not sent."""
        self._router.reclaimed(self._ours(event.unsent), now, out)

    def _ours(self, unsent: tuple[Outgoing, ...]) -> list[Outgoing]:
        """The user's envelopes that are not over. The session's own messages are left out: they are sent again when needed."""
        return [o for o in unsent if o.seq > 0 and (o.ask is None or o.ask.id in self.asks)]

    def _must_repeat(
        self, ask: Ask, link: Link, unsent: set[int], reason: str, out: list[Effect], *, verdict: bool
    ) -> bool:
        """Whether an ask that a lost link had taken is to be sent again: the user allowed that (`retry`), and it can help.

        If not, it has not left and is rerouted as it is, or its answer can still come by another link, or it has failed now.
        """
        generation = ask.generation
        ask.withdrawn()
        if ask.seq in unsent:
            return False
        if ask.retry and not verdict:
            ask.left = True
            return True
        if generation is not None and any(other.generation is generation for other in link.peer.links):
            # The node can still answer: our reply address has a connection of its own there.
            generation.asks += 1
            ask.generation = generation
            return False
        cause = f"the connection to {link.peer.address} was lost while waiting for the answer ({reason})."
        advice = TOO_LARGE if verdict else "If asking twice does no harm, use retry=True."
        self.fail(ask, NodeUnreachable, cause, advice, out, may_have_run=True)
        return False
