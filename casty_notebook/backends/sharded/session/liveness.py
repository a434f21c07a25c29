"""Silence is not death (DESIGN section 2.8): who is pinged when, and what a ping without an answer means."""

from __future__ import annotations

from collections.abc import Callable

from casty_notebook.address import ActorAddress
from casty_notebook.backends.sharded.session.events import Break, Effect
from casty_notebook.backends.sharded.session.messages import Find
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.shard_locator import Send
from casty_notebook.backends.sharded.session.state import Link, Peer
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.services import ServiceKey

__all__ = ["PING_PATH", "Liveness"]

PING_PATH = "/_ping/"
RECEPTIONIST_PATH = "/_cluster/_receptionist"
PING_KEY = "casty-notebook-ping"


class Liveness:
    """Per link: quiet --ping--> probed --anything heard--> quiet; --nothing--> broken if its node has another, else suspect.

    Parameters
    ----------
    followed
        Whether a link's node is followed: such a link is kept, used or not.
    review
        Called when a node has become suspect: what waits for it may have another way.
    """

    def __init__(
        self, settings: Settings, system: str, peers: Peers, counters: dict[str, int], send: Send, *,
        followed: Callable[[Link], bool], review: Callable[[float, list[Effect]], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._system = system
        self._peers = peers
        self._counters = counters
        self._send = send
        self._followed = followed
        self._review = review

    def ping(self, link: Link, now: float) -> str:
        """Ask what every node answers and what leaves nothing behind there (PROTOCOL section 5)."""
        link.probe = link.pinged = now
        self._peers.touch(link.peer)
        self._counters["probes"] += 1
        path = f"{PING_PATH}{link.id}"
        ref = ActorRef(ActorAddress(self._system, path, link.generation.identity))
        self._send(link, RECEPTIONIST_PATH, Find(ServiceKey(PING_KEY), ref), None)
        return path

    def doubt(self, link: Link, since: float, now: float) -> None:
        """An ask made at `since` got no reply: if nothing else has come by its link since then, ping the node now.

        A node that lives has one question more to answer; a dead one is found out seconds sooner than by its silence.
        """
        if link.opened is not None and link.probe is None and link.heard <= since and link in link.peer.links:
            self.ping(link, now)

    def doubt_all(self, peer: Peer, now: float) -> None:
        """The cluster says that this node is not well: see whether it answers."""
        for link in list(peer.links):
            self.doubt(link, now, now)

    def watch(self, now: float, out: list[Effect]) -> None:
        """At all nodes whose time has come: ping silent links, act on pings without an answer, close links that nobody needs."""
        peers = self._peers.due_to_watch(now)
        to_probe, missed = self._peers.silent_links(peers, now)
        for link in to_probe:
            self.ping(link, now)
        for link in missed:
            self._missed(link, now, out)
        idle, to_ping = self._peers.idle_links(peers, now)
        for link in to_ping:
            self.ping(link, now)
        for link in idle:
            if not self._followed(link):
                self._peers.hang_up(link, out)
        self._peers.watched(peers, now)

    def _missed(self, link: Link, now: float, out: list[Effect]) -> None:
        """With another link that answers this one is dead (half-open TCP); without one the node is suspect."""
        peer = link.peer
        silence = f"no answer to a probe for {now - (link.probe or now):.1f} s"
        if any(other is not link and other.probe is None for other in peer.links):
            out.append(Break(link.id, silence))
        elif peer.breaker.state is LinkState.live:
            peer.breaker.missed(now, silence)
            self._peers.touch(peer)
            self._review(now, out)
