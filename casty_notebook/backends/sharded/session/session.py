"""One session: all that a client knows of one cluster, and every decision it takes. No clock, no IO (DESIGN section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session import violations
from casty_notebook.backends.sharded.session.bounds import excess
from casty_notebook.backends.sharded.session.contacts import Contacts
from casty_notebook.backends.sharded.session.encodings import PICKLE, Encoding
from casty_notebook.backends.sharded.session.events import (
    AskCancelled,
    AskMade,
    Close,
    Closed,
    Connected,
    Effect,
    Event,
    Hangup,
    Heard,
    LinkLost,
    LinkOpened,
    Publish,
    Received,
    Reclaimed,
    Refused,
    Reject,
    Replies,
    Report,
    Ruin,
    TellMade,
    Tick,
    Transmit,
    TypeUsed,
    Unexpected,
)
from casty_notebook.backends.sharded.session.liveness import PING_PATH, Liveness
from casty_notebook.backends.sharded.session.messages import ShardLocation
from casty_notebook.backends.sharded.session.outbox import Outbox
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.router import Router
from casty_notebook.backends.sharded.session.shard_locator import PROXY_PATH
from casty_notebook.backends.sharded.session.shards import ShardTable
from casty_notebook.backends.sharded.session.state import FOREVER, Link, Outgoing
from casty_notebook.backends.sharded.session.subscription import SUBSCRIPTION_PATH, Subscription
from casty_notebook.backends.sharded.session.targets import ActorTarget
from casty_notebook.backends.sharded.session.trace import Trace
from casty_notebook.errors import CastyNotebookError, ClientClosed, ContactAttempt, MisuseError, UndecodableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.snapshot import MemberStatus, TopologySnapshot
from casty_notebook.topology.traffic import Traffic, TrafficHistory

__all__ = ["ASK_PATH", "Session"]

type Handler = Callable[[Any, float, list[Effect]], None]

ASK_PATH = "/_ask/"
COUNTED = ("overflowed", "undelivered", "timed_out", "late_replies", "lost_links", "probes", "snapshots", "dropped")


_QUIET = (Tick, Heard)
"""Events that are left out of the story unless they have an effect."""


class Session:
    """open --Close--> leaving --all has left--> closing --flushed--> closed; open --Ruin--> ruined. Only `handle` changes it.

    Parameters
    ----------
    system_name
        The cluster's system name; a node that states another ends the session (PROTOCOL section 2).
    contacts
        Where to begin, in order of preference.
    mint
        Gives a fresh identity at each call (PROTOCOL section 3.5); the same one for ever if `fixed_identity`.
    now
        The time in seconds, of any clock that only goes forward.
    names
        Gives a new name at each call, which nobody can guess: the end of the path that the answer to a question comes to.
    encodings
        What the nodes may understand, the likeliest first (PROTOCOL section 7).
    named
        Nodes that the user named, beside the contact points; may grow.
    """

    def __init__(
        self, system_name: str, contacts: tuple[NodeAddress, ...], mint: Callable[[], NodeAddress], now: float,
        settings: Settings, *, names: Callable[[], str], encodings: tuple[Encoding, ...] = PICKLE,
        fixed_identity: bool = False, named: set[NodeAddress] | None = None,
    ) -> None:  # fmt: skip
        self.system_name = system_name
        self.client_system = f"{system_name}-client"
        self.settings = settings
        self.state = "open"
        self.ruin: CastyNotebookError | None = None
        self.snapshot: TopologySnapshot | None = None
        self.snapshot_at: float | None = None
        self.contacts = Contacts(contacts)
        self.counters = dict.fromkeys(COUNTED, 0)
        self.now = now
        self._out: list[Effect] = []
        self._wake = self._look_again = now
        self._closing_until = FOREVER
        self._farewells: set[str] = set()
        self._story = Trace(settings.story_length)
        self.subscription = Subscription(settings, self.client_system, self.send_system, encodings)
        self.peers = Peers(settings, mint, now, fixed=fixed_identity, named=named)
        self.peers.add_contacts(contacts, now)
        self.liveness = Liveness(
            settings, self.client_system, self.peers, self.counters, self.send_system,
            followed=self.subscription.uses, review=lambda now, out: self.router.review(now, out),
        )  # fmt: skip
        self.traffic = Traffic(now, spoken=lambda path: path.removeprefix("/_region-"))
        self._outbox = outbox = Outbox(settings, self.peers, self.counters, self, self.liveness.doubt, self.traffic)
        self.router = Router(
            settings, self.client_system, self.peers, self.send_system, outbox.fail, outbox.drop, names
        )  # fmt: skip
        outbox.routed_by(self.router)
        # These events make nothing due and change no shard's way, so `handle` does not look at either after them: they are the
        # user's own traffic, and links that are not open yet.
        self._users_own: dict[type[Event], Handler] = {
            AskMade: outbox.ask_made, TellMade: outbox.tell_made, AskCancelled: outbox.cancelled,
            Refused: outbox.refused, Reclaimed: outbox.reclaimed, TypeUsed: self._type_used, Unexpected: self._unexpected,
            Connected: self._connected, Replies: self._replied,
        }  # fmt: skip
        self._others: dict[type[Event], Handler] = {
            Received: self._received, Tick: self._tick, LinkOpened: self._link_opened, LinkLost: self._link_lost,
            Close: self._close, Heard: self._heard,
        }  # fmt: skip

    # --- the one way in --------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event at time `now`; return what is wanted done, in order."""
        out: list[Effect] = []
        self._out, self.now = out, now
        kind = type(event)
        users_own = self._users_own.get(kind)
        if users_own is not None:
            users_own(event, now, out)
        else:
            if now >= self.traffic.ends:
                self.traffic.roll(now, self.peers.lanes())
                self.peers.rolled()
            self._others[kind](event, now, out)
            self._do_what_is_due(now, out, came=kind is Received)
            self.router.forget_ways()
            if out or kind not in _QUIET:
                self._story.note(now, event, out)
        self._out = []  # a batch of failed asks would stay in memory until the next event
        return out

    @property
    def deadline(self) -> float:
        """When a `Tick` is due at the latest; infinite if nothing waits for time to pass."""
        return min(self._wake, self.router.wake, self._closing_until, self._outbox.asks.deadline)

    # --- what the rooms above may read -----------------------------------------------------------------------------

    @property
    def contact(self) -> NodeAddress | None:
        """The node whose snapshots we follow."""
        return self.subscription.node

    @property
    def pending_asks(self) -> int:
        return len(self._outbox.asks)

    @property
    def buffered(self) -> int:
        """Envelopes that wait for a route."""
        return self.router.buffered

    def table(self, shard_type: str) -> ShardTable | None:
        return self.router.tables.get(shard_type)

    def expects(self, path: str) -> bool:
        """Is a message to this path wanted? Others need not even be decoded."""
        if path.startswith(ASK_PATH):
            return path in self._outbox.asks.pending
        return path == SUBSCRIPTION_PATH or path.startswith((PROXY_PATH, PING_PATH))

    def health(self, now: float) -> Mapping[NodeAddress, NodeHealth]:
        """Our own view of every node (DESIGN section 2.7)."""
        return {peer.address: peer.breaker.health(now) for peer in self.peers if peer.member or not peer.contact}

    @property
    def hopeless(self) -> bool:
        """No contact point can be used as configured."""
        return self.snapshot is None and self.contacts.hopeless

    def contact_attempts(self) -> tuple[ContactAttempt, ...]:
        return self.contacts.attempts(self.subscription.tried)

    def story(self) -> tuple[str, ...]:
        return self._story.lines(self.now)

    def traffic_history(self, now: float) -> TrafficHistory:
        """What became of the asks."""
        return self.traffic.history(now, self.peers.lanes())

    def _type_used(self, event: TypeUsed, _now: float, out: list[Effect]) -> None:
        try:
            self.router.register(event.shard_type, event.num_shards)
        except MisuseError as error:
            out.append(Reject(error))

    def _unexpected(self, event: Unexpected, _now: float, _out: list[Effect]) -> None:
        self.counters["late_replies"] += event.path.startswith(ASK_PATH)

    def validate(self) -> None:
        """Check what holds between any two events; for tests, which call it after each (compare dask's ``validate_state``).

        Raises
        ------
        AssertionError
            Says what does not hold.
        """
        waiting = self.router.everything()
        in_hand = {outgoing.seq for outgoing in waiting}
        said = [
            (len(waiting) == self.router.buffered, "what waits for a route is not what is counted"),
            (len(in_hand) == len(waiting), "an envelope waits in two places"),
            (all(link.peer.links.count(link) <= 1 for link in self.peers.links.values()), "a node has a link twice"),
        ]
        for ask in self._outbox.asks:
            sent = ask.link is not None
            held = ask.seq in in_hand
            said += [
                (not (sent and held), f"{ask} has left and waits for a route"),
                (ask.link is None or ask.link.asks.get(ask.id) is ask, f"the link that took {ask} does not know it"),
                (ask.link is None or ask.generation is not None, f"{ask} has left under no identity"),
            ]
        for link in self.peers.links.values():
            known = all(ask.id in self._outbox.asks for ask in link.asks.values())
            said.append((known, f"{link} holds an ask that is over"))
        if self.state in ("open", "leaving"):  # nobody is dialled or watched afterwards
            said += self.peers.validate(self.now)
            said += self.router.validate(self.now)
        broken = [text for holds, text in said if not holds]
        if broken:
            raise AssertionError("; ".join(broken))

    # --- links -----------------------------------------------------------------------------------------------------

    def _connected(self, event: Connected, now: float, _out: list[Effect]) -> None:
        """Ping a member right behind the handshake, whose answer alone proves nothing (see `Peer`): both take one round trip."""
        link = self.peers.links.get(event.link)
        if link is None:
            return
        link.greeted = now
        # Not while we do not know which node answers there, or which encoding it reads: that has to be found out first.
        if not link.peer.member or link.dialled != link.peer.address or self.subscription.encoding is None:
            return
        if self.state in ("open", "leaving"):
            self.liveness.ping(link, now)

    def _link_opened(self, event: LinkOpened, now: float, out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        if link is None or self.state not in ("open", "leaving"):
            out.append(Hangup(event.link))
            return
        peer = self.peers.opened(event.link, event.node, now, out)
        if peer is None:
            self.contacts.reached_twice(link.dialled, event.node)
            return
        self.contacts.reached(link.dialled, peer.address)
        if self.snapshot is None and link.dialled == event.node:
            self.peers.race_no_more(now)
        if link.pinged is not None:
            self.subscription.opened(link)
        elif self.subscription.encoding is not None:
            self._greet(link, now)

    def _greet(self, link: Link, now: float) -> None:
        """Ping a link to prove it, and end old subscriptions. Not before the encoding is known: a node logs each wrong guess."""
        self.liveness.ping(link, now)
        self.subscription.opened(link)

    def _link_lost(self, event: LinkLost, now: float, out: list[Effect]) -> None:
        link = self.peers.lost(event.link, event.reason, now)
        if link is None:
            return
        if link.opened is None or self.snapshot is None:
            self.contacts.failed(link.dialled, event.reason, verdict=event.verdict)
        else:
            self.counters["lost_links"] += 1
        if link.peer.links and link.peer.sender is None and self.subscription.encoding is not None:
            self.liveness.ping(link.peer.receiving, now)
        self._outbox.link_lost(link, event.unsent, event.reason, now, out, verdict=event.verdict)
        if not self.peers.any_live:
            # A dial that failed is no news: it keeps its pause.
            self.peers.lost_everything(now, just_now=link.opened is not None)
        self.router.review(now, out)

    # --- messages in -----------------------------------------------------------------------------------------------

    def _is_welcome(self, event: Received | Replies, now: float, out: list[Effect]) -> bool:
        """Note that the node lives. Returns whether what it sent is to be handled."""
        if self.state == "ruined" or (event.system != self.system_name and not self._is_our_cluster(event, out)):
            return False
        if self.peers.heard(event.link, now):
            self.router.review(now, out)
        return True

    def _heard(self, event: Heard, now: float, out: list[Effect]) -> None:
        if self.state != "ruined" and self.peers.heard(event.link, now):
            self.router.review(now, out)

    def _replied(self, event: Replies, now: float, out: list[Effect]) -> None:
        if self._is_welcome(event, now, out):
            self._outbox.replied(event, now, out)

    def _received(self, event: Received, now: float, out: list[Effect]) -> None:
        if not self._is_welcome(event, now, out):
            return
        path, message = event.path, event.message
        if isinstance(message, UndecodableMessage):
            out.append(Report(f"a message to {path} was refused: {message}"))
            link = self.peers.links.get(event.link)
            if link is not None and self.snapshot is None:
                self.contacts.refused(link.dialled, link.peer.address, str(message))
        elif path == SUBSCRIPTION_PATH:
            self._snapshot_pushed(event, now, out)
        elif path.startswith(PING_PATH):
            if self.peers.pong(event.link, now, out):
                self.router.review(now, out)
            self._farewells.discard(path)
        elif path.startswith(PROXY_PATH):
            if isinstance(message, ShardLocation):
                shard_type, _, name = path[len(PROXY_PATH) :].rpartition("/")
                self.router.located(shard_type, name, message, now, out)
            else:
                out.append(violations.misplaced(self._sender(event), event, "the location of a shard"))

    def _is_our_cluster(self, event: Received | Replies, out: list[Effect]) -> bool:
        if event.system is None:
            return True
        node = self._sender(event)
        link = self.peers.links.get(event.link)
        if self.snapshot is None:
            self._ruin(violations.wrong_system(node, event.system, self.system_name), out)
        elif link is None or isinstance(event, Replies) or not event.path.startswith(PING_PATH):  # our name is right
            out.append(violations.of_a_stranger(node, event.system))
        elif self.peers.estrange(link, event.system, violations.another_cluster(event.system), out):
            out.append(Report(f"{node} is no node of {self.system_name!r} any more: {violations.another_cluster(event.system)}"))
        return False

    def _sender(self, event: Received | Replies) -> str:
        link = self.peers.links.get(event.link)
        return str(link.peer.address) if link is not None else "a node"

    def _ruin(self, error: CastyNotebookError, out: list[Effect]) -> None:
        leaving = self.state == "leaving"
        self.ruin, self.state = error, "ruined"
        self._outbox.closed_by = error
        self._outbox.fail_all(error, "", out)
        self._outbox.drop(self.router.take_all(), str(error), out)
        self.subscription.close()
        self._hang_up_all(out)
        out.append(Ruin(error))
        if leaving:
            self.state = "closing"

    def _snapshot_pushed(self, event: Received, now: float, out: list[Effect]) -> None:
        link = self.peers.links.get(event.link)
        snapshot = event.message
        if link is None:
            return
        if not isinstance(snapshot, TopologySnapshot):
            out.append(violations.misplaced(self._sender(event), event, "a topology"))
            return
        changed = snapshot is not self.snapshot
        beyond = excess(snapshot, self.settings) if changed else None
        if beyond is not None:
            out.append(Report(f"a topology from {link.peer.address} was refused: {beyond}"))
            self.contacts.refused(link.dialled, link.peer.address, beyond)
            return
        if not self._is_followed(link, event, now, out):
            return
        if self.peers.pushed(link, now, out) and not changed:
            self.router.review(now, out)
        self.counters["snapshots"] += 1
        self.contacts.followed(link.dialled, link.peer.address)
        self.snapshot, self.snapshot_at = snapshot, now
        if changed:
            self.subscription.lively = sum(m.status is MemberStatus.up for m in snapshot.members) > 1
            for peer in self.peers.take_members(snapshot, now):
                # Our own view is shown beside the cluster's: ping the member now, instead of when it has been silent for long.
                self.liveness.doubt_all(peer, now)
            self.router.adopt(snapshot, now, out)
        out.append(Publish(snapshot))

    def _is_followed(self, link: Link, event: Received, now: float, out: list[Effect]) -> bool:
        """Hand a push to the subscription; if it shows another encoding, greet all nodes in that.

        Returns whether the snapshot is one of the node that we follow.
        """
        before = self.subscription.encoding
        followed = self.subscription.pushed(link, event.type_hint, event.written, now)
        if self.subscription.encoding != before:
            for each in self.peers.links.values():
                if each.opened is not None:
                    self._greet(each, now)
                else:
                    each.pinged = None  # that ping was written in another encoding: its answer will not come
            if before is None and self.subscription.wrong_guesses and self.subscription.was_found:
                out.append(Report(self.subscription.what_was_found(self.system_name)))
        return followed

    # --- messages out ----------------------------------------------------------------------------------------------

    def send_system(self, link: Link, path: str, message: object, encoding: Encoding | None) -> None:
        """A message of our own to a node: not buffered, not routed, not repeated by the session."""
        outgoing = Outgoing(-1, ActorTarget(link.peer.address, path), message, FOREVER)
        outgoing.encoding = encoding
        self._out.append(Transmit(link.id, outgoing))

    # --- time ------------------------------------------------------------------------------------------------------

    def _tick(self, _event: Tick, now: float, out: list[Effect]) -> None:
        self._outbox.time_out(now, out)

    def _do_what_is_due(self, now: float, out: list[Effect], *, came: bool) -> None:
        """After anything but the user's own traffic: do whatever time or the change has made due.

        After a message (`came`) only the subscription is looked at, unless envelopes wait or the time of something has come.
        """
        self._wake = FOREVER
        if self.state in ("open", "leaving"):
            subscription = self.subscription.tick(self.peers, now)
            if not came or self.buffered or now >= min(self._look_again, self.peers.due_at):
                self._look_around(now, out)
            self._wake = min(subscription, self._look_again)
        if self.state == "leaving" and (not self.buffered or now >= self._closing_until):
            self._leave(now, out)
        if self.state == "closing" and (not self._farewells or now >= self._closing_until):
            self.state, self._closing_until = "closed", FOREVER
            self._hang_up_all(out)
            out.append(Closed())

    def _look_around(self, now: float, out: list[Effect]) -> None:
        if self.peers.settle_down(now):
            self.router.review(now, out)
        self.router.tick(now, out)
        self.liveness.watch(now, out)
        self._look_again = min(self.peers.dial_due(now, out), self.peers.due_at)

    # --- leaving ---------------------------------------------------------------------------------------------------

    def _close(self, _event: Close, now: float, out: list[Effect]) -> None:
        """Fail all asks, and give the tells that wait for a route some time to find one."""
        if self.state not in ("open", "ruined"):
            return
        self._outbox.fail_all(ClientClosed, "the client was closed while it waited.", out)
        ruined, self.state = self.state == "ruined", "leaving"
        self._outbox.closed_by = self.ruin or ClientClosed
        self._closing_until = now if ruined else now + self.settings.close_timeout

    def _leave(self, now: float, out: list[Effect]) -> None:
        """Unsubscribe, and wait for a sign that the node has read it: closing sooner would make it dial us."""
        self.state = "closing"
        self._outbox.drop(self.router.take_all(), f"no route in {self.settings.close_timeout:g} s while leaving", out)
        if self.ruin is None:
            for link in self.subscription.close():
                self._farewells.add(self.liveness.ping(link, now))
        self._closing_until = now + self.settings.close_timeout / 4

    def _hang_up_all(self, out: list[Effect]) -> None:
        out.extend(Hangup(link_id) for link_id in self.peers.links)
        self.peers.links.clear()
        for peer in self.peers:
            peer.links.clear()
            peer.queue.clear()
