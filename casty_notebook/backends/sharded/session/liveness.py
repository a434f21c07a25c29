"""Silence is not death (DESIGN section 2.8): who is pinged when, and what a ping without an answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casty_notebook.address import ActorAddress
from casty_notebook.backends.sharded.session.events import Break, Effect
from casty_notebook.backends.sharded.session.links import Link
from casty_notebook.backends.sharded.session.messages import Find
from casty_notebook.topology.health import LinkState
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.services import ServiceKey

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.session.session import Session

__all__ = ["PING_PATH", "Vigil"]

PING_PATH = "/_ping/"
RECEPTIONIST_PATH = "/_cluster/_receptionist"
PING_KEY = "casty-notebook-ping"


class Vigil:
    """Per link: quiet --ping--> probed --anything heard--> quiet; --nothing--> broken if its node has another, else suspect."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ping(self, link: Link, now: float) -> str:
        """Ask what every node answers and what leaves nothing behind there (PROTOCOL section 5)."""
        session = self._session
        link.probe = link.pinged = now
        session.peers.changes += 1
        session.counters["probes"] += 1
        path = f"{PING_PATH}{link.id}"
        ref = ActorRef(ActorAddress(session.client_system, path, link.generation.identity))
        session.send_system(link, RECEPTIONIST_PATH, Find(ServiceKey(PING_KEY), ref), None)
        return path

    def doubt(self, link: Link, since: float, now: float) -> None:
        """An ask of `since` got no reply: if nothing else came by its link either, look now whether the node is there.

        A node that stands gains one question, one that does not is known for it seconds sooner than by its silence.
        """
        if link.opened is not None and link.probe is None and link.heard <= since and link in link.peer.links:
            self.ping(link, now)

    def watch(self, now: float, out: list[Effect]) -> float:
        """Ping the silent, judge the pinged, let go of what nothing needs. Returns when to look again."""
        session = self._session
        to_probe, missed, wake = session.peers.silent_links(now)
        for link in to_probe:
            self.ping(link, now)
        for link in missed:
            self._missed(link, now, out)
        idle, to_ping, look_again = session.peers.idle_links(now)
        for link in to_ping:
            self.ping(link, now)
        for link in idle:
            if not session.subscription.uses(link):
                session.peers.hang_up(link, out)
        return min(wake, look_again, now + session.settings.probe_timeout if missed else float("inf"))

    def _missed(self, link: Link, now: float, out: list[Effect]) -> None:
        """With another link that answers this one is dead (half-open TCP); without one the node is suspect."""
        peer = link.peer
        silence = f"no answer to a probe for {now - (link.probe or now):.1f} s"
        if any(other is not link and other.probe is None for other in peer.links):
            out.append(Break(link.id, silence))
        elif peer.breaker.state is LinkState.live:
            peer.breaker.missed(now, silence)
            self._session.router.review(now, out)
