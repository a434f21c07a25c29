"""Nodes and the connections to them: who is dialled when, and what their silence means (VIRTUAL section 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from casty_notebook.address import NodeAddress
from casty_notebook.backends.breaker import Breaker
from casty_notebook.backends.rates import TokenBucket
from casty_notebook.backends.virtual.session.events import Dial, Effect, Hangup, Sync
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.backends.virtual.wire import Limits
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.traffic import Lane, new_lane

__all__ = ["Link", "Peer", "Peers"]

FOREVER = float("inf")
SYNC_EVERY = 1.0
"""Seconds between two tables of a member, which costs its node a tenth of a percent of a core; beyond `UNHURRIED` members the
pause grows with their number, so that what all of them send together grows no faster than the tables do."""
UNHURRIED = 32
NOTICED = 0.05
"""Seconds after which the other members' tables say that a node is gone, as those of casty 0.30 do."""
TABLE_PATIENCE = 60.0
"""Seconds for which other bytes of a node stand for the table that it owes, once it has sent one: it may lie behind long answers,
on a slow line."""
GOODBYE_PATIENCE = 30.0
"""Seconds of silence after which a node that said goodbye is taken to be gone; one that still works pings after 15."""
DIALS_AT_ONCE = 32
"""Dials on their way at one time; the rest of a large cluster waits for its turn."""


@dataclass(slots=True)
class Link:
    """dialling --LinkOpened--> open --LinkLost | Hangup--> gone."""

    id: int
    peer: Peer
    dialled: NodeAddress
    opened: bool = False
    leaving: bool = False
    """Its node said goodbye. It still answers what it was asked before; nothing new is sent to it."""
    heard: float = 0.0
    asked: float | None = None
    """When the sync went out whose table is still due."""
    trusted_until: float = 0.0
    """Until when other bytes of the node stand for that table."""
    next_sync: float = 0.0
    gave_table: bool = False
    """A table of members has come by it."""


@dataclass(slots=True)
class Load:
    """How many asks are on their way to one node (see `Room`)."""

    asks: int = 0
    activating: int = 0
    """Those to keys that may be inactive."""


@dataclass(slots=True, eq=False)
class Peer:
    """One node's address, with its breaker and at most one link."""

    address: NodeAddress
    breaker: Breaker
    link: Link | None = None
    via: NodeAddress | None = None
    """A contact point that turned out to be this node: another way to dial it."""
    contact: bool = False
    wanted: bool = False
    incarnation: bytes | None = None
    """The incarnation of the node at the other end of the link: another one after each restart."""
    answered: bool = False
    """Some node has accepted our hello at this address, this one or (behind a tunnel) another."""
    status: str = ""
    """What the members said of it last; a change is news worth a dial."""
    load: Load = field(default_factory=Load)
    lane: Lane = field(default_factory=new_lane)
    """How long each of its answers took, by type; `Session.traffic` sums them up now and then."""

    @property
    def known(self) -> bool:
        """It is a node of casty 0.30: it has answered, or those that have name it as one."""
        return self.answered or bool(self.status)

    @property
    def live(self) -> bool:
        """Messages can be handed over now."""
        link = self.link
        return link is not None and link.opened and not link.leaving and self.breaker.state is LinkState.live


@dataclass(slots=True)
class Peers:
    """The table of nodes and links. Sends nothing but through effects."""

    settings: Settings
    by_address: dict[NodeAddress, Peer] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)
    now: float = 0.0
    _next_link: int = 1
    _dials: TokenBucket = field(init=False)

    def __post_init__(self) -> None:
        self._dials = TokenBucket(self.settings.dial_rate, self.settings.dial_burst, self.now)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.by_address.values())

    def get(self, address: NodeAddress | None) -> Peer | None:
        return self.by_address.get(address) if address is not None else None

    def _get_or_add(self, address: NodeAddress, now: float) -> Peer:
        peer = self.by_address.get(address)
        if peer is None:
            # The jitter of back-offs differs from node to node, reproducibly in tests.
            jitter = len(self.by_address) * 31 % 97 / 97.0
            peer = self.by_address[address] = Peer(address, Breaker(self.settings, now, jitter))
        return peer

    @property
    def any_live(self) -> bool:
        return any(peer.live for peer in self)

    # --- what is wanted --------------------------------------------------------------------------------------------

    def add_contacts(self, contacts: Iterable[NodeAddress], now: float) -> None:
        """Race the contact points: each gets a head start on the next (RFC 8305)."""
        for place, address in enumerate(contacts):
            peer = self._get_or_add(address, now)
            peer.contact = peer.wanted = True
            peer.breaker.retry_at = now + place * self.settings.contact_stagger

    def take_members(self, members: Members, now: float) -> None:
        """Want a link to every member, up to `Settings.eager_links`; forget who is no member any more."""
        addresses = set()
        for place, member in enumerate((*members.members, *members.missing)):
            addresses.add(member.address)
            peer = self._get_or_add(member.address, now)
            peer.wanted = place < self.settings.eager_links
            # A member that was only a contact point before stays one: it is a way back when all is lost.
            if peer.status != (said := f"{member.status} {member.incarnation.hex()}"):
                peer.status = said
                peer.breaker.kick(now)
        for peer in list(self):
            if peer.address not in addresses:
                peer.wanted = False
                if peer.link is None and not peer.contact:
                    del self.by_address[peer.address]

    def lost_everything(self, now: float) -> None:
        """No link is left: every contact point is a way back again."""
        for peer in self:
            if peer.contact and not peer.wanted:
                peer.wanted = True
                peer.breaker.kick(now)

    # --- links -----------------------------------------------------------------------------------------------------

    def opened(self, link_id: int, node: NodeAddress, incarnation: bytes, now: float, out: list[Effect]) -> Peer | None:
        """A node took our hello. Returns the peer that gained a link; None if it has one, or is another than was dialled."""
        link = self.links[link_id]
        dialled_as = link.peer
        if dialled_as.address != node and not dialled_as.contact:
            # A member's address led to another node (an address map, a tunnel). It must not get that member's messages.
            self.hang_up(link, out)
            if link.dialled == dialled_as.via:
                dialled_as.via = None
            self._led_astray(dialled_as, node, now)
            return None
        peer = self._get_or_add(node, now)
        dialled_as.answered = peer.answered = True
        if peer is not dialled_as:
            dialled_as.link = None
            dialled_as.wanted = False
            if peer.link is not None and peer.link.opened:
                self.hang_up(link, out)
                return None
            if peer.link is not None:
                # A dial of its own address may never be answered, as behind a tunnel; this one was.
                self.hang_up(peer.link, out)
            peer.via, link.peer, peer.link = link.dialled, peer, link
        link.opened, link.heard, link.next_sync = True, now, now
        peer.wanted, peer.incarnation = True, incarnation
        peer.breaker.opened(now)
        return peer

    def _led_astray(self, dialled_as: Peer, node: NodeAddress, now: float) -> None:
        reason = f"{dialled_as.address} answers as {node}: the address map or a tunnel leads to another node"
        dialled_as.breaker.lost(now, reason, last_route=False)

    def lost(self, link_id: int, reason: str, now: float) -> Link | None:
        """A dial failed or a connection ended. Returns the link if we still counted on it."""
        link = self.links.pop(link_id, None)
        if link is None:
            return None
        peer = link.peer
        peer.link = None
        if link.opened:
            peer.breaker.ended(now, reason, last_route=not self.any_live)
        else:
            peer.breaker.lost(now, reason, last_route=not self.any_live)
            self._next_contact(peer, now)
        if not self.any_live:
            self.lost_everything(now)
        return link

    def _next_contact(self, peer: Peer, now: float) -> None:
        """A contact point refused us: dial the next one now, without the head start that this one had."""
        waiting = [p for p in self if p.contact and p.wanted and not p.breaker.failures and p.breaker.retry_at > now]
        if peer.contact and waiting:
            min(waiting, key=lambda each: each.breaker.retry_at).breaker.kick(now)

    def hang_up(self, link: Link, out: list[Effect]) -> None:
        """Close a link on purpose."""
        self.links.pop(link.id, None)
        if link.peer.link is link:
            link.peer.link = None
        out.append(Hangup(link.id))

    def heard(self, link: Link, now: float) -> bool:
        """Something came by a link. Returns True if a suspicion ended with it."""
        link.heard = now
        if link.asked is not None and now > link.trusted_until:
            return False
        return link.peer.breaker.heard(now)

    # --- time ------------------------------------------------------------------------------------------------------

    def dial_due(self, cluster: str, limits: Limits, now: float, out: list[Effect]) -> float:
        """Dial whoever is wanted and due. Returns when the next one is."""
        wake, dialling = FOREVER, sum(not link.opened for link in self.links.values())
        for peer in self:
            if peer.link is not None or not peer.wanted:
                continue
            if peer.breaker.retry_at > now:
                wake = min(wake, peer.breaker.retry_at)
            elif dialling < DIALS_AT_ONCE and len(self.links) < self.settings.max_links:
                if not self._dials.available(now):
                    # A node decides which members it names: without a limit it could make us dial thousands of addresses.
                    wake = min(wake, self._dials.next_at(now))
                    continue
                self._dials.take()
                dialling += 1
                # With two known ways to a node, a failed one is followed by the other.
                address = peer.via if peer.via is not None and peer.breaker.failures % 2 == 0 else peer.address
                link = peer.link = self.links[self._next_link] = Link(self._next_link, peer, address)
                self._next_link += 1
                out.append(Dial(link.id, address, cluster, limits, peer.known))
        return wake

    def sync_due(self, now: float, out: list[Effect], owes: Callable[[Link, float], bool]) -> tuple[float, list[Link]]:
        """Ask whoever's table is due; judge whoever has not answered. Returns when to look again, and the links to give up.

        `owes`: whether an answer that was asked for before some time is still to come by a link.
        """
        wake, mute = FOREVER, []
        for link in self.links.values():
            if link.opened:
                due = self._leaving_due(link, now, owes) if link.leaving else self._sync_link(link, now, out, owes)
                if due is None:
                    mute.append(link)
                else:
                    wake = min(wake, due)
        return wake, mute

    def _sync_link(self, link: Link, now: float, out: list[Effect], owes: Callable[[Link, float], bool]) -> float | None:
        """When to look at a link again; None if its node has been silent for too long.

        Whatever comes is life, for a while: behind forty answers of 3 MB a table takes its time. Ahead of the first table of all
        there is nothing.
        """
        s = self.settings
        if link.asked is None:
            if link.next_sync > now:
                return link.next_sync
            link.asked = now
            link.trusted_until = now + TABLE_PATIENCE if link.gave_table else now
            out.append(Sync(link.id))
            return now + s.probe_timeout
        if link.heard > link.trusted_until > link.asked and owes(link, link.asked):
            link.trusted_until = now + s.liveness_window
        breaker, quiet = link.peer.breaker, max(link.asked, min(link.heard, link.trusted_until))
        if breaker.state is LinkState.live:
            if quiet + s.probe_timeout > now:
                return quiet + s.probe_timeout
            besides = "nothing else" if link.heard <= quiet else "other bytes came"
            breaker.missed(now, f"no table of members for {now - link.asked:.1f} s, and {besides}")
        return quiet + s.liveness_window if quiet + s.liveness_window > now else None

    def _leaving_due(self, link: Link, now: float, owes: Callable[[Link, float], bool]) -> float | None:
        """The same for a node that said goodbye: it is asked for nothing more, and judged by the answers that it owes."""
        due = link.heard + GOODBYE_PATIENCE
        if due > now:
            return due
        return now + GOODBYE_PATIENCE if owes(link, now) else None

    def why_given_up(self, link: Link, now: float) -> str:
        """What to say of a link that `sync_due` gave up."""
        if link.leaving:
            return f"silent for {now - link.heard:.1f} s after its goodbye"
        if link.asked is not None and link.heard > link.trusted_until:
            return f"no table of members for {now - link.asked:.1f} s, though other bytes came"
        return f"silent for {now - link.heard:.1f} s"

    def table_came(self, link: Link, members: int, now: float) -> None:
        """The answer to a sync; the next one goes out after a pause that grows with the size of the cluster."""
        link.gave_table = True
        if link.asked is not None:
            link.peer.breaker.rtt = now - link.asked
            link.asked = None
        link.next_sync = now + SYNC_EVERY * max(1.0, members / UNHURRIED)

    def sync_after_a_loss(self, now: float) -> None:
        """A node was lost: ask the others for their tables in a moment, when they will have noticed it as well."""
        for link in self.links.values():
            link.next_sync = min(link.next_sync, now + NOTICED)

    def sync_soon(self, now: float, pause: float) -> None:
        """A message came back, so our picture is out of date: ask all for their tables, each at most every `pause` seconds."""
        for link in self.links.values():
            if link.opened and not link.leaving and link.asked is None and now - link.heard >= pause:
                link.next_sync = now

    # --- for tests -------------------------------------------------------------------------------------------------

    def validate(self) -> list[tuple[bool, str]]:
        """What must hold, and how to say that it does not: a node has one link at most, and every link is its node's."""
        said = [(len(self.links) <= self.settings.max_links, "too many links")]
        for peer in self:
            link = peer.link
            said.append((link is None or self.links.get(link.id) is link, f"{peer.address} has a link that is gone"))
        for link in self.links.values():
            node = link.peer.address
            said += [
                (link.peer.link is link, f"link {link.id} is not that of {node}"),
                (self.by_address.get(node) is link.peer, f"link {link.id} leads to {node}, which was forgotten"),
            ]
        return said
