"""Which node pushes us its topology, and what to do when it falls silent (PROTOCOL sections 6.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Iterable

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.cluster.coordinator import Send
from casty_notebook.cluster.links import Link, Peer
from casty_notebook.cluster.messages import SubscribeTopology, UnsubscribeTopology
from casty_notebook.cluster.refs import ActorRef
from casty_notebook.settings import Settings

__all__ = ["SUBSCRIPTION_PATH", "TOPOLOGY_PATH", "Subscription"]

TOPOLOGY_PATH = "/_cluster/_topology"
SUBSCRIPTION_PATH = "/_topology_sub"
LAYOUTS = ("pkg", "flat")
MAX_DEBTS = 16


class _Request:
    """One ref given to one node's topology actor."""

    __slots__ = ("asked", "layouts", "link", "probed", "pushed", "ref")

    def __init__(self, link: Link, ref: ActorRef, now: float) -> None:
        self.link = link
        self.ref = ref
        self.asked = now
        self.pushed: float | None = None
        self.probed: float | None = None
        self.layouts: list[str] = []

    @property
    def peer(self) -> Peer:
        return self.link.peer

    @property
    def connected(self) -> bool:
        return self.link in self.peer.links and self.peer.live


class Subscription:
    """idle --live node--> asking --push--> following --silence--> probing --push--> following; probing --silence--> asking.

    While asking, a silent node is joined by the next one; a lost link leads back to asking from anywhere.
    Probing repeats the subscription with the same ref, which the node answers at once without a second subscription
    (section 6.2). What is left on a node that we cannot tell is kept as a debt, and paid when it is reached again,
    since a dead subscriber costs a node one dial every 5 s for ever (section 6.3).
    """

    def __init__(self, settings: Settings, system: str, send: Send) -> None:
        self._settings = settings
        self._system = system
        self._send = send
        self.layout: str | None = None
        self._following: _Request | None = None
        self._asking: list[_Request] = []
        self._debts: dict[NodeAddress, list[ActorRef]] = {}
        self.lively = False
        """The cluster has two or more nodes, so pushes are due every second."""

    @property
    def node(self) -> NodeAddress | None:
        """The node whose pushes we follow."""
        return self._following.peer.address if self._following else None

    def uses(self, link: Link) -> bool:
        return any(request.link is link for request in self._requests())

    def _requests(self) -> list[_Request]:
        return [self._following, *self._asking] if self._following else list(self._asking)

    # --- what comes in -----------------------------------------------------------------------------------------

    def pushed(self, link: Link, type_hint: str, now: float) -> bool:
        """A snapshot came by `link`. Returns False if it is one of a node that we follow no longer."""
        request = next((r for r in self._requests() if r.link is link), None)
        if request is None:
            return False
        # The node's own class path tells the layout (section 7); all of one cluster's nodes agree outside an upgrade.
        self.layout = "flat" if type_hint.startswith("casty.topology.") else "pkg"
        request.pushed, request.probed = now, None
        if request is not self._following:
            if self._following is not None and self._following.connected and self._following.probed is None:
                self._asking.remove(request)
                self._leave(request)
                return False
            others = [r for r in self._requests() if r is not request]
            self._following, self._asking = request, []
            for other in others:
                self._leave(other)
        return True

    def opened(self, link: Link) -> None:
        """A node is reached (again): pay what we owe it."""
        for ref in self._debts.pop(link.peer.address, ()):
            self._send(link, TOPOLOGY_PATH, UnsubscribeTopology(ref), None)

    # --- what time brings --------------------------------------------------------------------------------------

    def tick(self, peers: Iterable[Peer], now: float) -> float:
        """Subscribe, probe, move on. Returns when to look again."""
        self._drop_lost()
        self._follow_newest_link(now)
        wake = self._watch_following(now)
        if self._following is None or self._following.probed is not None:
            wake = min(wake, self._ask_around(peers, now))
        return wake

    def _drop_lost(self) -> None:
        for request in self._requests():
            if not request.connected:
                self._remove(request)
                self._leave(request)

    def _remove(self, request: _Request) -> None:
        if request is self._following:
            self._following = None
        else:
            self._asking.remove(request)

    def _follow_newest_link(self, now: float) -> None:
        """Move along when the followed node has a link under a newer identity, so that the older may end."""
        request = self._following
        if request is None or not request.connected:
            return
        newest = request.peer.receiving
        if newest is not request.link and newest.probe is None and not any(r.link is newest for r in self._asking):
            self._asking.append(self._subscribe(newest, now))
            request.probed = now

    def _watch_following(self, now: float) -> float:
        request = self._following
        if request is None:
            return float("inf")
        s = self._settings
        if request.probed is not None:
            if now - request.probed >= s.probe_timeout:
                self._remove(request)
                self._leave(request)
                return now
            return request.probed + s.probe_timeout
        patience = s.subscription_silence if self.lively else s.liveness_window - s.probe_timeout
        due = (request.pushed or request.asked) + patience
        if due > now:
            return due
        request.probed = now
        if request.link.probe is None:
            request.link.probe = now
        self._send(request.link, TOPOLOGY_PATH, SubscribeTopology(request.ref), None)
        return now + s.probe_timeout

    def _ask_around(self, peers: Iterable[Peer], now: float) -> float:
        """One node at a time gets a head start; in an unknown layout each is asked in the newer one, then the older."""
        s = self._settings
        wake = float("inf")
        for request in self._asking:
            if self.layout is None and len(request.layouts) < len(LAYOUTS):
                due = request.asked + s.layout_probe * len(request.layouts)
                if due <= now:
                    self._ask(request)
                    due = now + s.layout_probe
                wake = min(wake, due)
        head_start = 2 * s.layout_probe if self.layout is None else s.layout_probe
        youngest = max((request.asked for request in self._asking), default=None)
        if youngest is not None and now < youngest + head_start:
            return min(wake, youngest + head_start)
        asked = {request.peer.address for request in self._requests()}
        peer = next((p for p in peers if p.live and p.address not in asked), None)
        if peer is None:
            return min(wake, self._ask_again(now))
        self._asking.append(self._subscribe(peer.receiving, now))
        return min(wake, now + s.layout_probe)

    def _ask_again(self, now: float) -> float:
        """Nobody else to ask: repeat the oldest question, in every layout, once a probe's time."""
        if not self._asking:
            return float("inf")
        oldest = min(self._asking, key=lambda request: request.asked)
        due = oldest.asked + self._settings.probe_timeout
        if due > now:
            return due
        oldest.asked = now
        oldest.layouts.clear()
        self.layout = None
        self._ask(oldest)
        return now + self._settings.layout_probe

    def _subscribe(self, link: Link, now: float) -> _Request:
        ref = ActorRef(ActorAddress(self._system, SUBSCRIPTION_PATH, link.generation.identity))
        owed = self._debts.get(link.peer.address)
        if owed and ref in owed:
            owed.remove(ref)
        request = _Request(link, ref, now)
        self._ask(request)
        return request

    def _ask(self, request: _Request) -> None:
        layout = self.layout or LAYOUTS[len(request.layouts) % len(LAYOUTS)]
        request.layouts.append(layout)
        self._send(request.link, TOPOLOGY_PATH, SubscribeTopology(request.ref), layout)

    # --- leaving -----------------------------------------------------------------------------------------------

    def _leave(self, request: _Request) -> None:
        peer = request.peer
        if peer.links:
            self._send(peer.receiving, TOPOLOGY_PATH, UnsubscribeTopology(request.ref), None)
        if not request.connected:
            owed = self._debts.setdefault(peer.address, [])
            owed.append(request.ref)
            del owed[:-MAX_DEBTS]

    def close(self) -> list[Link]:
        """Unsubscribe everywhere. Returns the links by which the nodes were told."""
        told = [request.link for request in self._requests() if request.connected]
        for request in self._requests():
            self._leave(request)
        self._following, self._asking = None, []
        return told
