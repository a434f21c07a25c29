"""Every node and link of a client: who is dialled when, under which identity, and whose silence means what."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from casty_notebook.address import NodeAddress
from casty_notebook.backends.breaker import Breaker
from casty_notebook.backends.rates import TokenBucket
from casty_notebook.backends.sharded.session.due_times import AT_ONCE, DueTimes
from casty_notebook.backends.sharded.session.events import Break, Dial, Effect, Hangup, Reclaim
from casty_notebook.backends.sharded.session.state import FOREVER, Generation, Link, Peer
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.snapshot import MemberStatus, TopologySnapshot
from casty_notebook.topology.traffic import Lanes

__all__ = ["Peers"]


class Peers:
    """The table of nodes and links. Knows no topology but what `take_members` is told, sends nothing but through effects.

    Each node has a time at which it is looked at next, so that thousands of quiet ones cost nothing. Code that may make a dial,
    a probe or the end of a link due sooner must `touch` the node.

    Parameters
    ----------
    mint
        Gives a fresh identity (PROTOCOL section 3.5); always the same one if `fixed`.
    fixed
        The user chose the identity. All links present it, and no node gets a second link, since it keeps one per identity.
    """

    def __init__(
        self, settings: Settings, mint: Callable[[], NodeAddress], now: float = 0.0, *, fixed: bool = False,
        named: set[NodeAddress] | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._mint = mint
        self._fixed = fixed
        self._by_address: dict[NodeAddress, Peer] = {}
        self.links: dict[int, Link] = {}
        self._next_link = 1
        self.current = Generation(1, mint())
        self._generations = 1
        self._spread_at = float("-inf")
        self._to_spread: Generation | None = None
        """A newer identity that one node has accepted, and under which the others are to get a link, too (see `_spread`)."""
        self._settling = True
        self._settling_until = float("inf")
        self._dials = TokenBucket(settings.dial_rate, settings.dial_burst, now)
        self._named = set() if named is None else named
        """Nodes that the user named, beside the contact points: they are dialled whether they are members or not."""
        self._to_dial = DueTimes[Peer]()
        self._to_watch = DueTimes[Peer]()
        self._ready: dict[Peer, None] = {}
        """Nodes whose dial is due, but waits until the dial rate and `max_links` allow it."""
        self._contacts: list[Peer] = []
        self._answering: dict[Peer, None] = {}
        """Nodes that have a link, or had one since the last `rolled`: no other lane can hold anything."""

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._by_address.values())

    def get(self, address: NodeAddress) -> Peer | None:
        return self._by_address.get(address)

    def get_or_add(self, address: NodeAddress, now: float) -> Peer:
        peer = self._by_address.get(address)
        if peer is None:
            # Back-off jitter differs from node to node and from client to client, reproducibly in tests.
            jitter = (hash(self.current.identity.port) % 97 + len(self._by_address) * 31) % 97 / 97.0
            peer = self._by_address[address] = Peer(address, Breaker(self._settings, now, jitter))
        return peer

    def touch(self, peer: Peer) -> None:
        """Look at a node again at once: something about it has changed. One without links that nobody wants is left alone."""
        if peer.links or peer.wanted or peer.queue or peer in self._ready:
            self._to_dial.sooner(peer, AT_ONCE)
        if peer.links:
            self._to_watch.sooner(peer, AT_ONCE)

    def _kick(self, peer: Peer, now: float) -> None:
        peer.breaker.kick(now)
        self.touch(peer)

    @property
    def linked(self) -> Iterable[Peer]:
        """The nodes that have an open link."""
        return {link.peer: None for link in self.links.values() if link.opened is not None}

    @property
    def any_live(self) -> bool:
        return any(peer.live for peer in self.linked)

    def lanes(self) -> Lanes:
        """The lanes of all nodes that may have answered something since the last `rolled`."""
        return [(peer.address, peer.lane) for peer in self._answering]

    def rolled(self) -> None:
        """Note that the lanes were emptied. Only nodes that have a link can put something into theirs from now on."""
        self._answering = {peer: None for peer in self._answering if peer.links}

    @property
    def due_at(self) -> float:
        """When the next node is to be looked at, if nothing happens before."""
        return min(self._to_dial.next, self._to_watch.next)

    # --- what is wanted ----------------------------------------------------------------------------------------

    def add_contacts(self, contacts: Iterable[NodeAddress], now: float) -> None:
        """Race the contact points: each gets a head start on the next (RFC 8305)."""
        for place, address in enumerate(contacts):
            peer = self.get_or_add(address, now)
            peer.contact = peer.wanted = True
            peer.breaker.retry_at = now + place * self._settings.contact_stagger
            self._contacts.append(peer)
            self.touch(peer)

    def race_no_more(self, now: float) -> None:
        """Dial the other contact points now, without their head starts.

        To be called when one has answered under the very address it was dialled at: the others most likely do so, too, and
        are to be connected in any case. Host names keep their pauses. Two of them may lead to one node, which keeps only one
        connection per identity.
        """
        for peer in self._contacts[: self._settings.eager_links]:
            literal = peer.address.host.replace(".", "").isdecimal()
            if literal and peer.breaker.retry_at > now and not peer.breaker.failures:
                peer.breaker.retry_at = now
                self.touch(peer)

    def take_members(self, snapshot: TopologySnapshot, now: float) -> list[Peer]:
        """Take over the members of a snapshot: dial the new ones, and at once those whose status has changed.

        Returns the members whose status has changed to neither joining, up nor leaving: the cluster takes them for lost.
        """
        unwell = []
        if self._settling_until == FOREVER:
            for peer in self:  # before the first snapshot no node could be a leftover (see `_is_leftover`)
                self.touch(peer)
        self._settling_until = min(self._settling_until, now + self._settings.settle_time)
        eager = self._settings.eager_links
        members = sorted(snapshot.members, key=lambda member: member.status is not MemberStatus.up)
        addresses = set()
        for place, member in enumerate(members):
            addresses.add(member.address)
            peer = self.get_or_add(member.address, now)
            wanted, news = place < eager, not peer.member
            if news or peer.wanted is not wanted:
                peer.member, peer.contact, peer.wanted = True, False, wanted
                self.touch(peer)
            status = member.status.name if member.address not in snapshot.unreachable else "unreachable"
            if peer.status != status:
                peer.status = status
                self._kick(peer, now)
                if status not in {"joining", "up", "leaving"}:
                    unwell.append(peer)
        for peer in list(self):
            if peer.address in addresses:
                continue
            # A contact point that is no member's address has done its work once another gave a snapshot.
            peer.member = peer.wanted = False
            self.touch(peer)
            if not (peer.links or peer.dialling or peer.queue or peer.contact):
                self._forget_peer(peer)
        return unwell

    def _forget_peer(self, peer: Peer) -> None:
        del self._by_address[peer.address]
        self._ready.pop(peer, None)
        self._to_dial.discard(peer)
        self._to_watch.discard(peer)

    def may_dial(self, address: NodeAddress) -> bool:
        """Whether a message to an actor there is a reason to dial it: of a member, or of a node that the user named.

        Any node can send a ref with any address in it: a ref alone must not make us dial that address.
        """
        peer = self._by_address.get(address)
        known = peer is not None and (peer.member or peer.contact or bool(peer.links))
        return known or address in self._named

    def lost_everything(self, now: float, *, just_now: bool) -> None:
        """No link is left: dial the contact points again, all at once if the last link was lost `just_now`."""
        for peer in self._contacts:
            if peer.contact and (just_now or not peer.wanted):
                peer.wanted = True
                self._kick(peer, now)

    # --- links -------------------------------------------------------------------------------------------------

    def opened(self, link_id: int, node: NodeAddress, now: float, out: list[Effect]) -> Peer | None:
        """A handshake was answered. Returns the peer that gained a link, or None if the link was of no use."""
        link = self.links[link_id]
        dialled_as, link.peer.dialling = link.peer, None
        self.touch(dialled_as)
        if dialled_as.address != node and not self._adopt(link, dialled_as, node, now, out):
            return None
        peer = link.peer
        if any(other.generation is link.generation for other in peer.links):
            # Two ways to one node: the node keeps one connection per identity (PROTOCOL section 3.3).
            self._drop(link, out)
            return None
        link.opened = link.heard = link.used = now
        for older in peer.links:
            # Both may be alive (the node was frozen) or only the new one (half-open TCP): give the older one more chance.
            older.probe = now if older.probe is not None else None
        peer.links.append(link)
        self._answering[peer] = None
        self.touch(peer)
        if peer.dialling is not None and peer.dialling.generation is link.generation:
            self._drop(peer.dialling, out)
            peer.dialling = None
        peer.opened = True
        if not peer.stranger:
            peer.breaker.opened(now)
        return peer

    def _adopt(self, link: Link, dialled_as: Peer, node: NodeAddress, now: float, out: list[Effect]) -> bool:
        """Another node than the one dialled has answered: a contact point may be any node, a member's address only itself.

        Returns False if the link was dropped.
        """
        if dialled_as.contact:
            peer = self.get_or_add(node, now)
            peer.via = link.dialled
            peer.wanted = True
            dialled_as.wanted = False
            dialled_as.opened = True
            link.peer = peer
            return True
        if link.dialled == dialled_as.via:
            dialled_as.via = None
        reason = f"{link.dialled} answers as {node}: the address map or a tunnel leads to another node"
        self._drop(link, out)
        if not dialled_as.links:
            dialled_as.breaker.lost(now, reason, last_route=not self.any_live)
        return False

    def lost(self, link_id: int, reason: str, now: float) -> Link | None:
        """A link has ended. Returns it, or None if it was given up before."""
        link = self.links.pop(link_id, None)
        if link is None:
            return None
        peer = link.peer
        self.touch(peer)
        if peer.dialling is link:
            peer.dialling = None
            if not peer.links or (peer.breaker.state is LinkState.suspect and not link.spare):
                peer.breaker.lost(now, reason, last_route=not self.any_live)
            if peer.contact and not self.any_live:
                self._next_contact(now)
        elif link in peer.links:
            self._forget(link, peer)
            if peer.stranger and not peer.links:
                peer.breaker.estranged(now, reason)
            elif not peer.links:
                peer.breaker.ended(now, reason, last_route=not self.any_live)
        return link

    def _next_contact(self, now: float) -> None:
        """A contact point refused us: dial the next one now, without the head start that this one had."""
        contacts = (peer for peer in self._contacts if peer.contact and peer.wanted)
        waiting = [peer for peer in contacts if not peer.breaker.failures and peer.breaker.retry_at > now]
        if waiting:
            self._kick(min(waiting, key=lambda peer: peer.breaker.retry_at), now)

    def hang_up(self, link: Link, out: list[Effect]) -> None:
        """Close a link that is not needed any more. If envelopes left by it, they leave by the newest proven link from now on."""
        peer = link.peer
        self.touch(peer)
        hand_over = peer.sender is link
        self._forget(link, peer)
        self._drop(link, out)
        if hand_over:
            peer.sender = peer.receiver

    def _forget(self, link: Link, peer: Peer) -> None:
        peer.links.remove(link)
        if peer.sender is link:
            # The others may be dying too (the node ended): none carries envelopes before it has answered a ping.
            peer.sender = None
        if peer.receiver is link:
            peer.receiver = None

    def _drop(self, link: Link, out: list[Effect]) -> None:
        self.links.pop(link.id, None)
        out.append(Hangup(link.id))

    # --- dialling ----------------------------------------------------------------------------------------------

    def dial_due(self, now: float, out: list[Effect]) -> float:
        """Dial whoever is wanted and due. Returns when the next one is."""
        for peer in self._to_dial.due(now):
            self._plan_dial(peer, now)
        self._spread(now, out)
        wake = self._spread_at + self._settings.generation_interval if self._to_spread else float("inf")
        if self._settling:
            wake = min(wake, self._settling_until)
        return min(wake, self._dial_ready(now, out), self._to_dial.next)

    def _plan_dial(self, peer: Peer, now: float) -> None:
        """Note when a node is to be dialled: at a time, as soon as it is its turn, or not at all."""
        self._ready.pop(peer, None)
        if peer.dialling is not None or not self._needs_dial(peer):
            return
        if peer.breaker.retry_at > now:
            self._to_dial.set(peer, peer.breaker.retry_at)
        else:
            self._ready[peer] = None

    def _dial_ready(self, now: float, out: list[Effect]) -> float:
        """Dial as many of `_ready` as the dial rate and `max_links` allow, the most urgent first.

        Returns when the rate allows the next one; infinite if there is none, or only the end of a link makes room for it.
        """
        room = self._settings.max_links - len(self.links)
        if not self._ready or room <= 0:
            return FOREVER
        allowed = min(self._dials.available(now), room)
        chosen = list(self._ready)
        if allowed < len(chosen):
            # A node that invents members must not keep us from those that we know, or that the user waits for.
            chosen = heapq.nsmallest(allowed, chosen, key=_urgency)
        for peer in chosen:
            self._dials.take()
            self._dial(peer, self._generation_for(peer), out)
        return self._dials.next_at(now) if self._ready and len(self.links) < self._settings.max_links else FOREVER

    def _needs_dial(self, peer: Peer) -> bool:
        if peer.breaker.state is LinkState.suspect:
            return not self._fixed or not peer.links
        return not peer.links and (peer.wanted or bool(peer.queue))

    def _generation_for(self, peer: Peer) -> Generation:
        """The current generation for a node that cannot have refused it, else a fresh one (PROTOCOL section 3.2)."""
        if self._fixed or (self._settling and not (peer.opened or peer.breaker.failures)):
            return self.current
        self._generations += 1
        return Generation(self._generations, self._mint())

    def _dial(self, peer: Peer, generation: Generation, out: list[Effect], *, spare: bool = False) -> None:
        # Where two addresses lead to a node, failed dials alternate between them.
        address = peer.via if peer.via is not None and peer.breaker.failures % 2 == 0 else peer.address
        link = Link(self._next_link, peer, address, generation, spare=spare)
        self._next_link += 1
        self.links[link.id] = link
        peer.dialling = link
        self._ready.pop(peer, None)
        out.append(Dial(link.id, address, generation.identity))

    def _spread(self, now: float, out: list[Effect]) -> None:
        """Give the healthy nodes a link under the newest identity too, at most once an interval."""
        newest = self._to_spread
        if newest is None or now < self._spread_at + self._settings.generation_interval:
            return
        self._to_spread = None
        self._spread_at = now
        self.current = newest
        for peer in self.linked:
            if peer.live and peer.dialling is None and peer.receiving.generation.number < newest.number:
                self._dial(peer, newest, out, spare=True)

    # --- silence -----------------------------------------------------------------------------------------------

    def heard(self, link_id: int, now: float) -> bool:
        """Bytes came by a link. Returns True if a suspicion ended with them."""
        link = self.links.get(link_id)
        if link is None or link.opened is None:
            return False
        link.probe = None
        link.heard = now
        breaker = link.peer.breaker
        if breaker.state is not LinkState.suspect:
            return False
        self.touch(link.peer)
        return breaker.heard(now)

    def pong(self, link_id: int, now: float, out: list[Effect]) -> bool:
        """A ping's own answer came by a link. Returns True if the node's envelopes leave by it from now on."""
        link = self.links.get(link_id)
        if link is None or link.opened is None:
            return False
        peer = link.peer
        if peer.stranger:
            peer.stranger = ""
            peer.breaker.opened(now)
        if link.pinged is not None:
            self.touch(peer)
            peer.breaker.rtt = now - link.pinged
            link.read_up_to = link.pinged
            link.pinged = None
        return self._proven(link, now, out)

    def pushed(self, link: Link, now: float, out: list[Effect]) -> bool:
        """A snapshot came by a link, which proves it as a pong does. Returns what `pong` returns."""
        return link.peer.receiver is None and self._proven(link, now, out)

    def _proven(self, link: Link, now: float, out: list[Effect]) -> bool:
        """Note that a link is proven (see `Peer`). Returns True if envelopes leave by it from now on.

        They change to it only from a sender that is lost, or whose probe was not answered in time.
        """
        peer = link.peer
        if peer.receiver is None or peer.receiver.generation.number < link.generation.number:
            peer.receiver = link
            self.touch(peer)
        if link.generation.number > self.current.number and not link.spare:
            self._to_spread = link.generation
        sender = peer.sender
        if sender is not None and (sender.probe is None or now - sender.probe < self._settings.probe_timeout):
            return False
        if sender is not None and sender is not link:
            out.append(Reclaim(sender.id))
        peer.sender = link
        self.touch(peer)
        return sender is not link

    def estrange(self, link: Link, system: str, reason: str, out: list[Effect]) -> bool:
        """A node of another cluster has answered a ping: its links are of no use. Returns True if that is news."""
        news, link.peer.stranger = link.peer.stranger != system, system
        out.append(Break(link.id, reason))
        return news

    @property
    def settling(self) -> bool:
        """A member is still being connected for the first time.

        A reply that such a node were to send us would be lost, and our identity refused there for 5 s (PROTOCOL
        section 3.2), so the user's messages wait for these few milliseconds.
        """
        return self._settling

    def settle_down(self, now: float) -> bool:
        """End `settling` once all first connections are made, or their time is over. Returns True if it has ended just now."""
        if not self._settling or self._settling_until == float("inf"):
            return False
        if now < self._settling_until and any(self._is_on_its_way(peer) for peer in self):
            return False
        self._settling = False
        return True

    @staticmethod
    def _is_on_its_way(peer: Peer) -> bool:
        return peer.member and peer.wanted and peer.receiver is None and peer.breaker.usable

    def due_to_watch(self, now: float) -> list[Peer]:
        """Nodes whose links are to be looked at now; `watched` says that this was done."""
        return self._to_watch.due(now)

    def watched(self, peers: Iterable[Peer], now: float) -> None:
        """Note when to look at these nodes' links again."""
        for peer in peers:
            # A link that is due even now was dealt with a moment ago, by a ping for instance, whose answer takes time.
            at = self._watch_at(peer, now)
            self._to_watch.set(peer, at if at > now else now + self._settings.probe_timeout)

    def _watch_at(self, peer: Peer, now: float) -> float:
        return min((self._idle_at(peer, now), *(self._silent_at(link) for link in peer.links)))

    def _silent_at(self, link: Link) -> float:
        """When a link's silence has lasted too long."""
        s = self._settings
        if link.probe is None:
            return link.heard + s.liveness_window - s.probe_timeout
        return link.probe + (s.liveness_window if link.peer.breaker.state is LinkState.suspect else s.probe_timeout)

    def silent_links(self, peers: Iterable[Peer], now: float) -> tuple[list[Link], list[Link]]:
        """Links of these nodes to probe, and those whose probe was missed."""
        to_probe: list[Link] = []
        missed: list[Link] = []
        for link in (link for peer in peers for link in peer.links):
            if self._silent_at(link) <= now:
                answer_due = link.probe is not None and link.peer.breaker.state is not LinkState.suspect
                (missed if answer_due else to_probe).append(link)
        return to_probe, missed

    def _is_leftover(self, peer: Peer) -> bool:
        """Whether a node is no member (any more) and nothing waits for it.

        Its idle links are closed: otherwise a node that invents members could use up all of `max_links`.
        """
        return not (peer.member or peer.contact or peer.queue) and self._settling_until < FOREVER

    def _idle_at(self, peer: Peer, now: float) -> float:
        """When to see whether links have become idle."""
        patience = self._settings.liveness_window
        if self._is_leftover(peer):
            busy = now + patience / 10
            return min((max(link.used + patience, busy if link.asks else 0.0) for link in peer.links), default=FOREVER)
        if len(peer.links) < 2 or peer.receiver is None:
            return FOREVER
        return now + self._settings.idle_before_switch

    def idle_links(self, peers: Iterable[Peer], now: float) -> tuple[list[Link], list[Link]]:
        """Links of these nodes that nothing needs any more, and those to ping first.

        The sender hands over only when it was idle for a while and the node has read all of it, so order holds.
        """
        done: list[Link] = []
        to_ping: list[Link] = []
        for peer in peers:
            if self._is_leftover(peer):
                patience = self._settings.liveness_window
                done += [link for link in peer.links if not link.asks and link.used + patience <= now]
            elif len(peer.links) > 1 and peer.receiver is not None:
                self._older_links(peer, peer.receiver, now, done, to_ping)
        return done, to_ping

    def _older_links(self, peer: Peer, receiver: Link, now: float, done: list[Link], to_ping: list[Link]) -> None:
        for link in peer.links:
            newer = link.generation.number >= receiver.generation.number
            if newer or link.asks or link.generation.asks:
                continue
            if link is not peer.sender or link.read_up_to > link.used:
                done.append(link)
            elif now - link.used >= self._settings.idle_before_switch and link.pinged is None:
                to_ping.append(link)

    # --- for tests -------------------------------------------------------------------------------------------------

    def validate(self, now: float) -> list[tuple[bool, str]]:
        """Pairs of whether something holds, and what to say if not: each node is dialled and looked at in time."""
        said = [*self._to_dial.validate(), *self._to_watch.validate()]
        for peer in self:
            needs_dial = peer.dialling is None and self._needs_dial(peer)
            planned = peer in self._ready or self._to_dial.of(peer) <= peer.breaker.retry_at
            latest = max(self._watch_at(peer, now), now + self._settings.probe_timeout)
            said += [
                (planned or not needs_dial, f"{peer} is never dialled"),
                (not peer.links or self._to_watch.of(peer) <= latest, f"{peer} is not looked at in time"),
            ]
        known = set(self)
        said.append((self._ready.keys() <= known, "a node that is gone waits to be dialled"))
        return said


def _urgency(peer: Peer) -> tuple[bool, bool, bool, int]:
    """The order of dials, lowest first: nodes that envelopes wait for, contact points, nodes we knew, those that failed least."""
    return not peer.queue, not peer.contact, not peer.opened, peer.breaker.failures
