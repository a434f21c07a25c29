"""Which node pushes us its topology, in which encoding it is asked, and what to do when it falls silent.

PROTOCOL sections 6.1 to 6.3, and 7 for the encodings.
"""

from __future__ import annotations

from collections.abc import Iterable

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.backends.sharded.session.encodings import PICKLE, Encoding, guesses_logged
from casty_notebook.backends.sharded.session.messages import SubscribeTopology, UnsubscribeTopology
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.shard_locator import Send
from casty_notebook.backends.sharded.session.state import Link, Peer
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from casty_notebook.values.refs import ActorRef

__all__ = ["SUBSCRIPTION_PATH", "TOPOLOGY_PATH", "Subscription"]

TOPOLOGY_PATH = "/_cluster/_topology"
SUBSCRIPTION_PATH = "/_topology_sub"
MAX_DEBTS = 16
"""Subscriptions that one node may still have of us, and that we remember to end; the oldest is forgotten first."""
PATIENCE = 5.0
"""A node has so many times as long for an answer as it took for the handshake, before it is asked in another encoding. A
handshake takes one turn of the node's loop, a first push several, of three actors."""


class _Request:
    """One ref given to one node's topology actor, in one encoding after the other until it answers."""

    __slots__ = ("asked", "blind", "link", "next_guess", "probed", "pushed", "ref", "tried")

    def __init__(self, link: Link, ref: ActorRef, now: float, *, blind: bool) -> None:
        self.link = link
        self.ref = ref
        self.blind = blind
        """Made on a link that is not proven (see `Subscription._can_ask`)."""
        self.asked = now
        self.pushed: float | None = None
        self.probed: float | None = None
        self.tried: list[Encoding] = []
        self.next_guess = now

    @property
    def peer(self) -> Peer:
        return self.link.peer

    @property
    def connected(self) -> bool:
        peer = self.peer
        return self.link in peer.links and (peer.live or (self.blind and peer.breaker.state is LinkState.live))


class Subscription:
    """idle --live node--> asking --push--> following --silence--> probing --push--> following; probing --silence--> asking.

    While asking, a silent node is joined by the next one; a lost link leads back to asking from anywhere.
    Probing repeats the subscription with the same ref, which the node answers at once without a second subscription
    (section 6.2). A subscription that we cannot end, since its node cannot be reached, is kept as a debt and ended when the
    node is reached again: a dead subscriber costs a node one dial every 5 s for ever (section 6.3).

    Until the first push nothing is known of the cluster's encoding, and a node is silent to a wrong one: it is asked in
    each of `encodings`, with the same ref, so that only one subscription comes of it whichever is understood.
    """

    def __init__(
        self, settings: Settings, system: str, send: Send, encodings: tuple[Encoding, ...] = PICKLE
    ) -> None:
        self._settings = settings
        self._system = system
        self._send = send
        self._encodings = encodings
        self.encoding: Encoding | None = encodings[0] if len(encodings) == 1 else None
        """The encoding that the cluster reads; None until it is known."""
        self._doubted = False
        """No node has answered a whole round of questions: all encodings are tried again, even if one was known."""
        self._tried: dict[Encoding, None] = {}
        self.wrong_guesses = 0
        """So many requests in another encoding went out until the first was answered; each is a line in a node's log."""
        self.was_found = False
        """The cluster's encoding is another than the first one tried. If it is the first, wrong guesses only went out because the
        answer came late."""
        self._following: _Request | None = None
        self._asking: list[_Request] = []
        self._debts: dict[NodeAddress, list[ActorRef]] = {}
        self.lively = False
        """The cluster has two or more nodes, so pushes are due every second."""

    @property
    def node(self) -> NodeAddress | None:
        """The node whose pushes we follow."""
        return self._following.peer.address if self._following else None

    @property
    def likely(self) -> Encoding:
        """The encoding to write in: that of the cluster, or the likeliest while it is not known."""
        return self.encoding or self._encodings[0]

    @property
    def exhausted(self) -> bool:
        """Every encoding was tried, and none was answered."""
        return self.encoding is None and self._doubted

    @property
    def tried(self) -> tuple[Encoding, ...]:
        """What nodes have been asked in since the last one answered."""
        return tuple(self._tried)

    @property
    def _guessing(self) -> bool:
        return self.encoding is None or self._doubted

    def uses(self, link: Link) -> bool:
        return any(request.link is link for request in self._requests())

    def _requests(self) -> list[_Request]:
        return [self._following, *self._asking] if self._following else list(self._asking)

    # --- what comes in -----------------------------------------------------------------------------------------

    def pushed(self, link: Link, type_hint: str, written: tuple[str, str | None] | None, now: float) -> bool:
        """A snapshot came by `link`. Returns False if it is to be ignored, since another node is followed."""
        request = next((r for r in self._requests() if r.link is link), None)
        if request is None:
            return False
        # The node's own class path tells the layout, the first bytes tell the rest (section 7).
        layout = "flat" if type_hint.startswith("casty.topology.") else "pkg"
        self._learn(Encoding(layout, *(written or self.likely.configuration)))
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

    def _learn(self, encoding: Encoding) -> None:
        """Take over the encoding that a node has shown. From now on only its layouts are tried.

        All nodes of a cluster have the same encoding. Only an upgrade may change its layout (section 7), and nothing else of it.
        """
        if self.encoding is None:
            self.wrong_guesses = sum(tried != encoding for request in self._requests() for tried in request.tried)
            self.was_found = encoding != self._encodings[0]
        self.encoding, self._doubted = encoding, False
        self._tried.clear()
        alike = (each for each in self._encodings if each.configuration == encoding.configuration)
        self._encodings = tuple(dict.fromkeys((encoding, *alike)))

    @property
    def note(self) -> str:
        """What is worth a line where the encoding is shown: what guesses left in the nodes' logs, and why."""
        if self.encoding is None or not self.wrong_guesses:
            return ""
        how = "found by asking" if self.was_found else "though its nodes were slow to say so"
        return f"{self.encoding}, {how}: {guesses_logged(self.wrong_guesses)}"

    def what_was_found(self, system: str) -> str:
        """For the log: what asking found out, and what it cost."""
        found, wrong = self.likely, self.wrong_guesses
        hint = "this process remembers it" if found.layout == "flat" else f"{found.options} avoids that"
        return (
            f"found by asking that {system!r} is configured for {found}: {guesses_logged(wrong)} as warnings; {hint}"
        )

    def opened(self, link: Link) -> None:
        """A node is reached (again), and its encoding is known: end the subscriptions that it still has of us."""
        for ref in self._debts.pop(link.peer.address, ()):
            self._send(link, TOPOLOGY_PATH, UnsubscribeTopology(ref), None)

    # --- what time brings --------------------------------------------------------------------------------------

    def tick(self, peers: Peers, now: float) -> float:
        """Subscribe, probe, move on. Returns when to look again."""
        self._drop_lost()
        self._follow_newest_link(now)
        wake = self._watch_following(peers, now)
        if self._following is None or self._following.probed is not None:
            wake = min(wake, self._ask_around(peers.linked, now))
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
        """Subscribe anew by the newest link of the followed node, so that its older link, of an older identity, may end."""
        request = self._following
        if request is None or not request.connected:
            return
        newest = request.peer.receiving
        if newest is not request.link and newest.probe is None and not any(r.link is newest for r in self._asking):
            self._asking.append(self._subscribe(newest, now))
            request.probed = now

    def _watch_following(self, peers: Peers, now: float) -> float:
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
            peers.touch(request.peer)
        self._send(request.link, TOPOLOGY_PATH, SubscribeTopology(request.ref), None)
        return now + s.probe_timeout

    def _ask_around(self, peers: Iterable[Peer], now: float) -> float:
        """One node at a time gets a head start on the next; each is asked in one encoding after the other."""
        wake = float("inf")
        for request in self._asking:
            if self._guessing and len(request.tried) < len(self._encodings):
                if request.next_guess <= now:
                    self._ask(request, now)
                wake = min(wake, request.next_guess)
        head_start = self._head_start()
        youngest = max((request.asked for request in self._asking), default=None)
        if youngest is not None and now < youngest + head_start:
            return min(wake, youngest + head_start)
        asked = {request.peer.address for request in self._requests()}
        waiting = [peer for peer in peers if peer.address not in asked]
        peer = next((p for p in waiting if self._can_ask(p, now)), None)
        if peer is None:
            unproven = (self._proof_due(p) for p in waiting if self._is_unproven(p))
            return min(wake, self._ask_again(now), *unproven)
        request = self._subscribe(peer.receiving, now)
        self._asking.append(request)
        return min(wake, now + head_start, request.next_guess)

    def _can_ask(self, peer: Peer, now: float) -> bool:
        """Whether a node may be asked to push its topology: one with a proven link (see `Peer`), and others if need be.

        A link is proven by an answer, and a node answers only what is written in its encoding. So before the first push nodes
        with an unproven link are asked as well, and later those whose link stays unproven: the cluster may have been upgraded.
        """
        return peer.live or (self._is_unproven(peer) and (self.encoding is None or now >= self._proof_due(peer)))

    @staticmethod
    def _is_unproven(peer: Peer) -> bool:
        return not peer.live and bool(peer.links) and peer.breaker.state is LinkState.live

    def _proof_due(self, peer: Peer) -> float:
        return (peer.receiving.opened or 0.0) + self._settings.layout_probe

    def _head_start(self) -> float:
        """Seconds until the next node is asked, too.

        While the encoding is guessed, that is time for the first three guesses; for more, one silent node would be a long wait.
        """
        s = self._settings
        if not self._guessing:
            return s.layout_probe
        return s.layout_probe * min(len(self._encodings), 3)

    def _ask_again(self, now: float) -> float:
        """Nobody else to ask: repeat the oldest question, in every encoding, once a probe's time after its last turn."""
        if not self._asking:
            return float("inf")
        oldest = min(self._asking, key=lambda request: request.asked)
        if self._guessing and len(oldest.tried) < len(self._encodings):
            return oldest.next_guess
        due = max(oldest.asked, oldest.next_guess - self._settings.layout_probe) + self._settings.probe_timeout
        if due > now:
            return due
        oldest.asked = now
        oldest.tried.clear()
        self._doubted = len(self._encodings) > 1
        self._ask(oldest, now)
        return oldest.next_guess

    def _subscribe(self, link: Link, now: float) -> _Request:
        ref = ActorRef(ActorAddress(self._system, SUBSCRIPTION_PATH, link.generation.identity))
        owed = self._debts.get(link.peer.address)
        if owed and ref in owed:
            owed.remove(ref)
        request = _Request(link, ref, now, blind=not link.peer.live)
        self._ask(request, now)
        return request

    def _ask(self, request: _Request, now: float) -> None:
        encoding = self._encodings[len(request.tried) % len(self._encodings)] if self._guessing else self.likely
        request.tried.append(encoding)
        self._tried[encoding] = None
        # The first two are all that most clusters need, and get time for an answer: each further one is a line in the
        # node's log. Later answers are recognised just as well, so the rarer ones follow each other more quickly.
        pause = self._settings.layout_probe if len(request.tried) <= 2 else self._settings.encoding_probe
        request.next_guess = now + max(pause, self._busy(request.link))
        self._send(request.link, TOPOLOGY_PATH, SubscribeTopology(request.ref), encoding)

    def _busy(self, link: Link) -> float:
        """Seconds of silence that mean nothing yet: a node slow to answer the handshake is busy. At most a probe's time."""
        if link.greeted is None or link.opened is None:
            return 0.0
        return min(PATIENCE * (link.opened - link.greeted), self._settings.probe_timeout)

    # --- leaving -----------------------------------------------------------------------------------------------

    def _leave(self, request: _Request) -> None:
        peer = request.peer
        if peer.links:
            # A node that has not answered may yet read our subscription, in whichever encoding: each must be followed by its end.
            for encoding in (None,) if self.encoding is not None else request.tried:
                self._send(peer.receiving, TOPOLOGY_PATH, UnsubscribeTopology(request.ref), encoding)
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
