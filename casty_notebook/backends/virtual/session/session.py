"""One session: all that a client knows of one virtual cluster, and every decision it takes. No clock, no IO."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Outcome
from casty_notebook.backends.virtual.session import failures
from casty_notebook.backends.virtual.session.asks import FOREVER, Envelope, Envelopes, Listening, RecentTells
from casty_notebook.backends.virtual.session.events import (
    Answer,
    AskCancelled,
    AskMade,
    Cancel,
    Close,
    Closed,
    Deliver,
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
    ListenMade,
    MakeRing,
    Publish,
    Replied,
    Report,
    Returned,
    RingMade,
    TableCame,
    TellMade,
    Tick,
    Unsent,
)
from casty_notebook.backends.virtual.session.links import Link, Peer, Peers
from casty_notebook.backends.virtual.session.members import Members, Tables, Unplaced, pinned_to
from casty_notebook.backends.virtual.session.misfits import Misfits
from casty_notebook.backends.virtual.session.room import ACTIVE, SHORT, Key
from casty_notebook.backends.virtual.wire import Limits
from casty_notebook.errors import CastyNotebookError, ContactAttempt
from casty_notebook.settings import Settings
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.traffic import Lanes, Traffic, TrafficHistory

__all__ = ["IN_FLIGHT", "Session"]

type Handler = Callable[[Any, float, list[Effect]], None]

IN_FLIGHT = 100
"""Asks on their way at one time to inactive keys of one node (see `Room`). Of 1,500 asked at once the nodes refused 291."""
RETURNED_PAUSE = 0.05
"""Seconds before a message that came back goes to the same node again; doubles each time, up to `RETURNED_PAUSE_CAP`."""
RETURNED_PAUSE_CAP = 1.0
CORRECTIONS = 4
"""Names and limits that nodes may tell us to say instead: one of each, and as much again of a contact point that is of another
cluster."""
RECENT_TELLS = 50_000
"""Tells that are known again when they come back."""
ENOUGH = 2
"""Failures of a contact point before a user is told: at the first one its node may have been restarting."""
PATIENCE = 5.0
"""Seconds for which the table of a silent member still counts beside those of the others."""


class Session:
    """open --Leave--> leaving --Close--> closed. Only `handle` changes anything.

    Parameters
    ----------
    cluster
        The name to say in hellos. A wrong one is corrected by the first node that says its own.
    contacts
        Where to begin, in order of preference.
    now
        The time in seconds, of any clock that only goes forward.
    in_flight
        Asks on their way to one node at one time, but for keys that are active.
    """

    def __init__(
        self, cluster: str, contacts: tuple[NodeAddress, ...], now: float, settings: Settings, *, in_flight: int = IN_FLIGHT
    ) -> None:
        self.cluster = cluster
        self.limits = Limits()
        self.settings = settings
        self.state = "open"
        self.members: Members | None = None
        self._picture = 0
        """How often `members` was replaced: owners are looked up once for each number (see `Key.under`)."""
        self.changed_at: float | None = None
        self.table_at: float | None = None
        self.contacts = contacts
        self.attempts: dict[NodeAddress, str] = {}
        self._refusals = dict.fromkeys(contacts, 0)
        self.counters = dict.fromkeys(("timed_out", "late_replies", "lost_links", "returned", "tables", "dropped"), 0)
        self.now = now
        self._wake = now
        self._envelopes = Envelopes(in_flight)
        self._misfits = Misfits(settings.max_shard_types)
        self._tables = Tables(PATIENCE)
        self._unplaced: Unplaced | None = None
        """Members whose ring is being made."""
        self._tables_since = False
        self._corrections = 0
        self._recent_tells = RecentTells(RECENT_TELLS)
        self._trace: deque[tuple[float, str]] = deque(maxlen=settings.story_length)
        self.traffic = Traffic(now)
        self.peers = Peers(settings, now=now)
        self.peers.add_contacts(contacts, now)
        self._handlers: dict[type[Event], Handler] = {
            AskMade: self._ask_made, ListenMade: self._ask_made, TellMade: self._tell_made, AskCancelled: self._cancelled,
            Replied: self._replied,
            Unsent: self._unsent, Returned: self._returned, TableCame: self._table_came, LinkOpened: self._link_opened,
            LinkRefused: self._link_refused, LinkHeard: self._link_heard, LinkLeaving: self._link_leaving,
            LinkLost: self._link_lost, RingMade: self._ring_made, Tick: self._tick, Leave: self._leave, Close: self._close,
        }  # fmt: skip

    # --- the one way in --------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event at time `now`; return what is wanted done, in order."""
        out: list[Effect] = []
        self.now = now
        kind = type(event)
        self._handlers[kind](event, now, out)
        if self._envelopes.stirred:
            self._review(now, out)
        # A sign of life makes nothing due: it only puts off what is looked at when its time comes.
        if kind is not Replied and kind is not AskMade and kind is not TellMade and kind is not LinkHeard:
            if now >= self.traffic.ends:
                self.traffic.roll(now, self._lanes())
            self._do_what_is_due(now, out)
        return out

    @property
    def deadline(self) -> float:
        """When a `Tick` is due at the latest; infinite if nothing waits for time to pass."""
        return min(self._wake, self._envelopes.deadline)

    def _do_what_is_due(self, now: float, out: list[Effect]) -> None:
        """After anything but the user's own traffic: do whatever time or the change has made due."""
        self._wake = FOREVER
        if self.state == "closed":
            return
        owes = self._envelopes.owes
        syncs, mute = self.peers.sync_due(now, out, owes)
        while mute:
            for link in mute:
                out.append(Hangup(link.id, flush=False))
                self._gone(link.id, self.peers.why_given_up(link, now), now, out)
            syncs, mute = self.peers.sync_due(now, out, owes)  # a loss makes the others be asked sooner
        dials = self.peers.dial_due(self.cluster, self.limits, now, out)
        retries = min((each.not_before for each in self._envelopes.held() if each.not_before > now), default=FOREVER)
        self._wake = min(dials, syncs, retries)

    # --- what the rooms above may read -----------------------------------------------------------------------------

    def health(self, now: float) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every member, and of the contact points that lead to none yet."""
        return {peer.address: peer.breaker.health(now) for peer in self.peers if peer.wanted or peer.link is not None}

    @property
    def pending(self) -> int:
        """Asks that are not over."""
        return len(self._envelopes.asks)

    @property
    def waiting(self) -> int:
        """Asks and tells that have not left."""
        return len(self._envelopes)

    @property
    def hopeless(self) -> bool:
        """Each contact point has failed twice, or kept silent, and there has been no table of members."""
        return self.members is None and all(count >= ENOUGH for count in self._refusals.values())

    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        return tuple(ContactAttempt(str(contact), outcome) for contact, outcome in self.attempts.items())

    def traffic_history(self, now: float) -> TrafficHistory:
        """What became of the asks."""
        return self.traffic.history(now, self._lanes())

    def _lanes(self) -> Lanes:
        return [(peer.address, peer.lane) for peer in self.peers]

    def trace(self) -> tuple[str, ...]:
        """The last things that happened to links and members, oldest first."""
        return tuple(f"{at - self.now:+.3f} s {line}" for at, line in self._trace)

    # --- links -----------------------------------------------------------------------------------------------------

    def _link_opened(self, event: LinkOpened, now: float, out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        if link is None or self.state == "closed":
            out.append(Hangup(event.link))
            return
        self._note(f"link {event.link} to {event.node} is open")
        self._attempted(link, f"connected to {event.node}, but no table of members came")
        if self.peers.opened(event.link, event.node, event.incarnation, now, out) is not None:
            self._review(now, out)

    def _link_refused(self, event: LinkRefused, now: float, out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        if link is None:
            return
        refusal = event.refusal
        if self._corrections >= CORRECTIONS:
            self._gone(event.link, f"it refused us: {refusal.reason}", now, out)
            return
        if self.members is None and refusal.cluster is not None and refusal.cluster != self.cluster:
            out.append(Report(f"the cluster at {link.dialled} is called {refusal.cluster!r}, not {self.cluster!r}"))
            self._corrected(now, cluster=refusal.cluster)
        elif self.members is None and refusal.limits is not None and refusal.limits != self.limits:
            self._corrected(now, limits=refusal.limits)
        else:
            self._gone(event.link, f"it refused us: {refusal.reason}", now, out)
            return
        self.peers.links.pop(event.link)
        link.peer.link = None

    def _corrected(self, now: float, *, cluster: str | None = None, limits: Limits | None = None) -> None:
        """A node said what it would have accepted: say that from now on, to all."""
        self._corrections += 1
        self.cluster, self.limits = cluster or self.cluster, limits or self.limits
        for peer in self.peers:
            peer.breaker.kick(now)

    def _link_heard(self, event: LinkHeard, now: float, out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        if link is not None and self.peers.heard(link, now):
            self._review(now, out)

    def _link_leaving(self, event: LinkLeaving, now: float, _out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        if link is not None and not link.leaving:
            link.leaving, link.heard = True, now
            self._note(f"{link.peer.address} says goodbye")
            self.peers.sync_soon(now, 0.0)

    def _link_lost(self, event: LinkLost, now: float, out: list[Effect]) -> None:
        self._gone(event.link, event.reason, now, out, tries=ENOUGH if event.silent else 1)

    def _gone(self, link_id: int, reason: str, now: float, out: list[Effect], *, tries: int = 1) -> None:
        link = self.peers.lost(link_id, reason, now)
        if link is None:
            return
        self._note(f"link {link_id} to {link.peer.address} is gone ({reason[:120]})")
        if link.opened:
            self.counters["lost_links"] += 1
            self.peers.sync_after_a_loss(now)
        self._attempted(link, reason)
        if link.dialled in self._refusals:
            self._refusals[link.dialled] += tries
        for envelope in self._envelopes.by_link(link):
            self._cut(envelope, reason, out)
        self._review(now, out)

    def _attempted(self, link: Link, outcome: str) -> None:
        """Note how an attempt to reach a contact point went. Not of other members: nodes can name any number of them."""
        if link.dialled in self._refusals:
            self.attempts[link.dialled] = outcome

    def _cut(self, envelope: Envelope, reason: str, out: list[Effect]) -> None:
        """The link by which an ask left is gone: it may have run, so only the user may say that it is asked again."""
        if envelope.retry and envelope.number is not None:
            self._envelopes.back(envelope.number)
            envelope.left, envelope.link = True, None
            self._envelopes.hold(envelope)
        else:
            self._fail(envelope, failures.connection_lost(self, envelope, reason), out)

    # --- members ---------------------------------------------------------------------------------------------------

    def awaits_table(self, link_id: int) -> bool:
        """Whether a table of members was asked for by that link."""
        link = self.peers.links.get(link_id)
        return link is not None and link.opened and link.asked is not None

    def _table_came(self, event: TableCame, now: float, out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        if link is None or not self.awaits_table(event.link):
            return  # nobody asked: who sends many tables is not to make us look at all members as often
        self.counters["tables"] += 1
        revived = self.peers.heard(link, now)
        self.peers.table_came(link, len(event.records), now)
        self._tables.take(link.peer.address, event.records, now, link.peer.incarnation or b"")
        self.table_at = now
        self._attempted(link, "connected, and tables of members come")
        if self._unplaced is None:
            self._look_at_tables(now, out)
        else:
            self._tables_since = True
        if revived:
            self._review(now, out)

    def _look_at_tables(self, now: float, out: list[Effect]) -> None:
        merged = self._tables.merged()
        if type(merged) is Unplaced:
            self._unplaced = merged
            out.append(MakeRing(merged.nodes, merged.before))
        elif type(merged) is Members and merged.unlike(self.members):
            self._take_members(merged, now, out)

    def _ring_made(self, event: RingMade, now: float, out: list[Effect]) -> None:
        """Publish the members that the ring was made for, even if newer tables came: steady changes would delay it for ever."""
        unplaced, self._unplaced = self._unplaced, None
        if unplaced is None or self.state == "closed":
            return
        self._take_members(self._tables.placed(unplaced, event.ring), now, out)
        if self._tables_since:
            self._tables_since = False
            self._look_at_tables(now, out)

    def _take_members(self, members: Members, now: float, out: list[Effect]) -> None:
        self.members, self.changed_at = members, now
        self._picture += 1
        self.peers.take_members(members, now)
        self._note("members: " + ", ".join(f"{each.address} {each.status}" for each in members.members[:8]))
        out.append(Publish(members))
        self._follow_moved(members, out)
        self._review(now, out)

    def _follow_moved(self, members: Members, out: list[Effect]) -> None:
        """Look after listeners whose key has moved: its actor was started on another node and no longer knows whom to tell."""
        for envelope in list(self._envelopes.listening.values()):
            owner = members.owner(envelope.actor, envelope.key)
            here = envelope.link.peer.address if envelope.link is not None else None
            if owner is None or owner.address == here or envelope.number is None:
                continue
            if envelope.retry:
                self._envelopes.back(envelope.number)
                envelope.left, envelope.link = True, None
                self._envelopes.hold(envelope)
            elif not envelope.moved:
                envelope.moved = True
                forgotten = "it may have forgotten who listens; listen again, or with retry=True"
                out.append(Report(f"{envelope.what} has moved from {here} to {owner.address}: {forgotten}"))

    # --- the user's messages ---------------------------------------------------------------------------------------

    def _ask_made(self, event: AskMade, now: float, out: list[Effect]) -> None:
        envelopes = self._envelopes
        envelope = (Envelope if type(event) is AskMade else Listening)(
            envelopes.next_seq(), envelopes.room.key(event.actor, event.key), event.actor, event.key, event.name, event.message,
            now, now + event.timeout, event.label, event.number, event.retry, event.fail_fast,
        )  # fmt: skip
        if self._refuses(event):
            refused = self._refusal(envelope, force=event.force)
            self._count(envelope, refused)
            out.append(Fail(event.number, refused))
            return
        envelopes.add_ask(event.number, envelope)
        self._place(envelope, now, out)

    def _tell_made(self, event: TellMade, now: float, out: list[Effect]) -> None:
        """Errors of a tell are raised before it gets here; what is lost later is reported and counted."""
        envelopes, actor, key, message = self._envelopes, event.actor, event.key, event.message
        to = envelopes.room.key(actor, key)
        peer = self._owner(to, actor, key)
        link = peer.link if peer is not None and peer.live else None
        if link is None or to.held or to.queued:
            self._place(self._told(event, now), now, out)
        else:
            # As nearly always: it leaves at once, and nothing is kept of it but a mark.
            self._recent_tells.left(link.id, actor, key, message, now + self.settings.tell_expiry)
            out.append(Deliver(link.id, envelopes.next_seq(), actor, key, message, None))

    def _owner(self, to: Key, actor: str, key: str) -> Peer | None:
        """The node that takes a key's messages, found once for each picture of the members."""
        if to.under != self._picture:
            owner = self.members.owner(actor, key) if self.members is not None else None
            # Where it has moved to it is not active yet.
            to.peer, to.under, to.active_until = self.peers.get(owner.address if owner is not None else None), self._picture, 0.0
        return to.peer

    def _told(self, event: TellMade, now: float) -> Envelope:
        expires = now + self.settings.tell_expiry
        seq, to = self._envelopes.next_seq(), self._envelopes.room.key(event.actor, event.key)
        return Envelope(seq, to, event.actor, event.key, event.name, event.message, now, expires, event.label)

    def refusal_of_tell(self, event: TellMade) -> CastyNotebookError | None:
        """Why a tell cannot be taken, before anything is done."""
        return self._refusal(self._told(event, self.now), force=event.force) if self._refuses(event) else None

    def overfull(self, event: TellMade, cause: str, advice: str) -> CastyNotebookError:
        """Why the connection did not take a tell."""
        return failures.unsent(self, self._told(event, self.now), cause, advice)

    def _refuses(self, event: AskMade | TellMade) -> bool:
        envelopes, settings = self._envelopes, self.settings
        return (
            self.state != "open"
            or len(envelopes.asks) >= settings.max_pending_asks
            or len(envelopes) >= settings.max_buffered
            or (
                not event.force and bool(self._misfits.kept)
                and self._misfits.said_to(event.actor, event.name, event.message) is not None
            )
        )

    def _refusal(self, envelope: Envelope, *, force: bool) -> CastyNotebookError:
        if self.state != "open":
            return failures.closed(self, envelope)
        misfit = None if force else self._misfits.said_to(envelope.actor, envelope.name, envelope.message)
        return failures.misfit(envelope, misfit) if misfit is not None else failures.overloaded(self, envelope)

    def _place(self, envelope: Envelope, now: float, out: list[Effect], *, in_turn: bool = False) -> None:
        """Send it, or let it wait: for a member that takes it, or for its turn."""
        envelopes = self._envelopes
        members, peer = self.members, self._owner(envelope.to, envelope.actor, envelope.key)
        link = peer.link if peer is not None and peer.live else None
        if link is None or (envelope.not_before > now and envelope.avoid is members):
            hopeless = envelope.fail_fast or (peer is None and self._is_nowhere(envelope.key))
            if hopeless and members is not None and not (peer is not None and peer.breaker.usable):
                self._fail(envelope, failures.unreachable(self, envelope), out)
            else:
                envelopes.hold(envelope)
        elif envelope.to.held:
            envelopes.hold(envelope)
        elif not in_turn and envelopes.must_queue(envelope, now):
            envelopes.queue(envelope)
        else:
            envelope.link = link
            if envelope.number is None:
                self._recent_tells.left(
                    link.id, envelope.actor, envelope.key, envelope.message, envelope.deadline, envelope.returned
                )
            elif type(envelope) is Listening:
                envelopes.listening[envelope.number] = envelope
            else:
                envelopes.room.send(envelope.number, envelope, now)
            out.append(Deliver(link.id, envelope.seq, envelope.actor, envelope.key, envelope.message, envelope.number))

    def _is_nowhere(self, key: str) -> bool:
        """The key is pinned to an address that nobody names: most likely a typing error, so that waiting is no use."""
        pinned = pinned_to(key)
        return pinned is not None and self.peers.get(pinned) is None

    def _take_turns(self, now: float, out: list[Effect]) -> None:
        room = self._envelopes.room
        while room.waiting and (envelope := room.next_in_turn(now)) is not None:
            self._place(envelope, now, out, in_turn=True)

    def _review(self, now: float, out: list[Effect]) -> None:
        """Something changed (members, a link, health): look at everything that waits again, in order."""
        self._envelopes.stirred = False
        if len(self._envelopes):
            for envelope in self._envelopes.take_all():
                self._place(envelope, now, out)

    # --- how they end ----------------------------------------------------------------------------------------------

    def _replied(self, event: Replied, now: float, out: list[Effect]) -> None:
        envelopes, misfits = self._envelopes, self._misfits
        for outcome in event.outcomes:
            # Only an ask that is on its way can be answered; its number cannot be guessed, so whoever answers was asked.
            envelope = envelopes.answered(outcome.number)
            if envelope is None:
                self._told_us(outcome, out)
            elif outcome.kind == "Value":
                if envelope.link is not None:
                    envelope.link.peer.lane[envelope.actor].append(now - envelope.started)
                envelope.to.active_until = now + ACTIVE if len(outcome.data) <= SHORT else 0.0
                if misfits.kept:
                    misfits.fitted(envelope.actor, envelope.name, envelope.message)
                out.append(Answer(outcome.number, outcome.data))
            else:
                self._fail(envelope, self._failure(envelope, outcome), out)
        envelopes.tidy()
        self._take_turns(now, out)

    def _told_us(self, outcome: Outcome, out: list[Effect]) -> None:
        """What is for a listener, or for nobody any more."""
        envelope = self._envelopes.listening.get(outcome.number)
        if envelope is None:
            self.counters["late_replies"] += 1
        elif outcome.kind == "Value":
            out.append(Heard(outcome.number, outcome.data))
        else:
            self._fail(envelope, self._failure(envelope, outcome), out)

    def _failure(self, envelope: Envelope, outcome: Outcome) -> CastyNotebookError:
        if outcome.kind == "Failed" and outcome.error == "SchemaError":
            self._misfits.add(envelope.actor, envelope.name, envelope.message, outcome.message)
        return failures.of_outcome(self, envelope, outcome)

    def _unsent(self, event: Unsent, now: float, out: list[Effect]) -> None:
        """The connection did not take a message."""
        envelope = self._envelopes.by_seq(event.envelope)
        if envelope is not None:
            self._fail(envelope, failures.unsent(self, envelope, event.cause, event.advice), out)
            self._take_turns(now, out)
            return
        self.counters["dropped"] += 1
        out.append(Report(f"a message was dropped: {event.cause}"))

    def _returned(self, event: Returned, now: float, out: list[Effect]) -> None:
        """A message came back unread: it was not processed, so that it may go elsewhere.

        Only what went out by the same link is believed to come back: nobody else is to send messages in our name.
        """
        known = event.link in self.peers.links
        came_back = self._asked_by if event.message.number is not None else self._tell_again
        envelope = came_back(event, now) if known else None
        if envelope is None:
            self.counters["late_replies"] += 1
            return
        self.counters["returned"] += 1
        self.peers.sync_soon(now, RETURNED_PAUSE)
        envelope.link = None
        envelope.returned += 1
        envelope.avoid = self.members
        envelope.not_before = now + min(RETURNED_PAUSE * 2.0 ** min(envelope.returned - 1, 20), RETURNED_PAUSE_CAP)
        self._place(envelope, now, out)
        self._take_turns(now, out)

    def _asked_by(self, event: Returned, _now: float) -> Envelope | None:
        """The ask that left by that link."""
        number = event.message.number
        envelope = self._envelopes.asks.get(number) if number is not None else None
        if number is None or envelope is None or envelope.link is None or envelope.link.id != event.link:
            return None
        self._envelopes.back(number)
        return envelope

    def _tell_again(self, event: Returned, now: float) -> Envelope | None:
        """Make the tell that came back once more from what the node sent back, with the deadline and count that we kept of it."""
        message = event.message
        known = self._recent_tells.came_back(event.link, message)
        if known is None:
            return None
        expires, returned = known
        if expires <= now or len(self._envelopes) >= self.settings.max_buffered:
            self.counters["dropped"] += 1
            return None
        seq, to = self._envelopes.next_seq(), self._envelopes.room.key(message.actor, message.key)
        return Envelope(seq, to, message.actor, message.key, "", message.message, now, expires, "", returned=returned)

    def _cancelled(self, event: AskCancelled, now: float, out: list[Effect]) -> None:
        envelope = self._envelopes.asks.get(event.number)
        if envelope is not None:
            self._stop(envelope, out)
            self._take_turns(now, out)

    def _stop(self, envelope: Envelope, out: list[Effect]) -> None:
        """Nobody waits for it any more: its node need not work on it."""
        link = envelope.link
        if link is not None and link.id in self.peers.links and envelope.number is not None:
            out.append(Cancel(link.id, envelope.actor, envelope.key, envelope.number))
        self._envelopes.over(envelope)

    def _fail(self, envelope: Envelope, error: CastyNotebookError, out: list[Effect]) -> None:
        self._envelopes.over(envelope)
        if envelope.number is not None:
            self._count(envelope, error)
            out.append(Fail(envelope.number, error))
        else:
            self.counters["dropped"] += 1
            out.append(Report(f"a message to {envelope.what} was dropped: {error}"))

    def _count(self, envelope: Envelope, error: CastyNotebookError) -> None:
        """Count a failed ask; the end of a listener is none."""
        if not envelope.listens:
            self.traffic.failed(envelope.actor, error)

    # --- time ------------------------------------------------------------------------------------------------------

    def _tick(self, _event: Tick, now: float, out: list[Effect]) -> None:
        late = self._envelopes.due(now)
        for envelope in late:
            if envelope.listens and (envelope.link is not None or envelope.left):
                continue  # it had left in time
            if envelope.number is not None:
                self.counters["timed_out"] += 1
            error = failures.timed_out(self, envelope)
            self._stop(envelope, out)
            self._fail(envelope, error, out)
        if late:
            self._take_turns(now, out)
        if any(each.not_before <= now for each in self._envelopes.held() if each.not_before):
            self._review(now, out)

    def _leave(self, _event: Leave, _now: float, out: list[Effect]) -> None:
        if self.state != "open":
            return
        self.state = "leaving"
        for envelope in list(self._envelopes.asks.values()):
            self._fail(envelope, failures.closed(self, envelope), out)

    def _close(self, _event: Close, now: float, out: list[Effect]) -> None:
        if self.state == "closed":
            return
        self._leave(Leave(), now, out)
        self.state = "closed"
        lost = len(self._envelopes.take_all())
        if lost:
            self.counters["dropped"] += lost
            out.append(Report(f"{lost} messages that had not left were dropped as the client was left"))
        self._envelopes.forget_deadlines()
        for link in list(self.peers.links.values()):
            self.peers.hang_up(link, out)
        out.append(Closed())

    def validate(self) -> None:
        """Check what holds between any two events; for tests, which call it after each.

        Raises
        ------
        AssertionError
            Says what does not hold.
        """
        said = [*self._envelopes.validate(self.now), *self.peers.validate()]
        said += [
            (ask.link is None or ask.link.id in self.peers.links, f"{ask.what} is on its way by a link that is gone")
            for ask in self._envelopes.asks.values()
        ]
        if self.state != "open":
            said.append((not self.pending, "an ask outlived its client"))
        if self.state == "closed":
            said += [
                (not self.peers.links, "a link outlived its client"),
                (not self.waiting, "a message waits for a client that was left"),
                (self.deadline == FOREVER, "a client that was left wants to be woken"),
            ]
        broken = [text for holds, text in said if not holds]
        if broken:
            raise AssertionError("; ".join(broken))

    def _note(self, line: str) -> None:
        self._trace.append((self.now, line))
