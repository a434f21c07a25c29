"""The things that a session is made of and that point at each other: nodes, their links, identities, envelopes, asks."""

from __future__ import annotations

from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.breaker import Breaker
from casty_notebook.backends.sharded.session.encodings import Encoding
from casty_notebook.backends.sharded.session.targets import Target, path_of
from casty_notebook.printable import printable
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.traffic import new_lane
from casty_notebook.values.refs import ReplyRef

__all__ = ["FOREVER", "Ask", "Generation", "Link", "Outgoing", "Peer", "insert_in_order"]

FOREVER = float("inf")


class Generation:
    """The life of one identity: what we present in handshakes and put into reply addresses (PROTOCOL section 3.5)."""

    __slots__ = ("asks", "identity", "number")

    def __init__(self, number: int, identity: NodeAddress) -> None:
        self.number = number
        self.identity = identity
        self.asks = 0
        """Asks on their way whose reply is addressed to this identity."""

    def __repr__(self) -> str:
        return f"<Generation {self.number} {self.identity}>"


class Link:
    """dialling --Connected--> greeted --LinkOpened--> open --LinkLost | Hangup--> gone."""

    __slots__ = (
        "asks", "dialled", "generation", "greeted", "heard", "id", "opened", "peer", "pinged", "probe", "read_up_to", "spare",
        "used",
    )  # fmt: skip

    def __init__(self, link_id: int, peer: Peer, dialled: NodeAddress, generation: Generation, *, spare: bool = False) -> None:
        self.id = link_id
        self.peer = peer
        self.dialled = dialled
        self.generation = generation
        self.spare = spare
        """Opened beside a healthy link only to receive replies under a newer identity."""
        self.greeted: float | None = None
        """When the handshake was sent. The node's loop, and ours, take at least as long for any other answer as for this one."""
        self.opened: float | None = None
        self.heard = 0.0
        self.used = 0.0
        self.probe: float | None = None
        """When the probe that waits for a sign of life was sent."""
        self.pinged: float | None = None
        """When the last ping was sent whose own answer is still due: it gives the round trip."""
        self.read_up_to = 0.0
        """The node has read everything that went out by this link before this time: it has answered a ping of then, and reads a
        connection in order."""
        self.asks: dict[str, Ask] = {}
        """Asks whose envelope went out by this link."""

    def __repr__(self) -> str:
        return f"<Link {self.id} to {self.peer.address} generation {self.generation.number}>"


class Peer:
    """One node: its breaker, its links (oldest first) and the envelopes that wait for the first of them.

    Envelopes keep leaving by one link (`sender`), so that their order holds while newer links are opened beside it;
    replies are addressed to the newest proven one. A link is proven by the answer to its first ping, or by the first push of
    what was subscribed to by it: only then has the node surely taken it up (PROTOCOL section 1.2: a handshake reply says
    nothing), and does not refuse its identity.
    """

    __slots__ = (
        "address", "breaker", "contact", "dialling", "lane", "links", "member", "opened", "queue", "receiver", "sender",
        "status", "stranger", "via", "wanted",
    )  # fmt: skip

    def __init__(self, address: NodeAddress, breaker: Breaker) -> None:
        self.address = address
        self.breaker = breaker
        self.lane = new_lane()
        """How long each of its answers took, by path; `Session.traffic` sums them up now and then."""
        self.links: list[Link] = []
        self.sender: Link | None = None
        """The link by which envelopes leave."""
        self.receiver: Link | None = None
        """The newest link that is proven: under its identity replies surely come."""
        self.dialling: Link | None = None
        self.queue: dict[int, Outgoing] = {}
        self.via: NodeAddress | None = None
        """A contact point that turned out to be this node: another way to dial it."""
        self.contact = False
        """Known only as a contact point; which node it is shows in the handshake."""
        self.member = False
        self.wanted = False
        """Dial it (again) whenever it has no link."""
        self.opened = False
        """It had a link before. The node may have refused that link's identity since, so the next link presents a fresh one
        (PROTOCOL section 3.2)."""
        self.stranger = ""
        """The system of the other cluster that answers at this address, until a node of ours does."""
        self.status = ""
        """What the last snapshot said of it; a change is news worth a dial."""

    @property
    def live(self) -> bool:
        """Envelopes can be handed over now."""
        return self.breaker.state is LinkState.live and self.sender is not None

    @property
    def heard(self) -> float:
        """When anything last came in from the node."""
        return max((link.heard for link in self.links), default=0.0)

    @property
    def receiving(self) -> Link:
        """The link whose identity goes into reply addresses; only for a peer that has links."""
        return self.receiver or self.links[-1]

    def __repr__(self) -> str:
        return f"<Peer {self.address} {self.breaker.state}, {len(self.links)} links>"


class Outgoing:
    """One envelope in the session's outbox, from the call that made it until it is handed to a link (or fails).

    `message` is opaque here: what it looks like on the wire is the business of the rooms above.
    """

    __slots__ = ("admitted", "deadline", "encoding", "message", "path", "seq", "shard", "target")

    def __init__(self, seq: int, target: Target, message: Any, deadline: float) -> None:
        self.seq = seq
        self.target = target
        self.path = path_of(target)
        self.message = message
        self.deadline = deadline
        self.shard: int | None = None
        self.encoding: Encoding | None = None
        """What to write it in; None for that of the cluster."""
        self.admitted = False
        """Counted against the bound of what may wait; a message once taken is not refused later."""

    @property
    def ask(self) -> Ask | None:
        """The envelope itself, if it is an ask; None if it is a tell."""
        return None

    def sent(self, link: Link, generation: Generation) -> None:  # noqa: ARG002 - nothing comes back
        """The envelope was handed to `link`; replies come under `generation`'s identity."""
        self.admitted = True

    def __repr__(self) -> str:
        return printable(f"<Outgoing {self.seq} to {self.target}>")


class Ask(Outgoing):
    """waiting --transmit--> sent --reply | failure | deadline | cancel--> gone.

    An envelope that is looked after until its reply has come; the session numbers it when it takes it. `link` and
    `generation` are set once it was handed to a link: its reply can come as long as the generation's identity has a
    connection on the replying node.
    """

    __slots__ = ("_label", "fail_fast", "generation", "id", "left", "link", "reply_ref", "retry", "started")

    def __init__(
        self, ask_id: str, target: Target, message: Any, reply_ref: ReplyRef, started: float, deadline: float, *,
        retry: bool = False, fail_fast: bool = False, label: str = "",
    ) -> None:  # fmt: skip
        super().__init__(0, target, message, deadline)
        self.id = ask_id
        self.reply_ref = reply_ref
        self.started = started
        self.retry = retry
        """Send it again if it may have left and its node is lost."""
        self.fail_fast = fail_fast
        """Do not hold it until its deadline where its owner cannot be reached."""
        self._label = label
        self.link: Link | None = None
        self.generation: Generation | None = None
        self.left = False
        """An earlier try may have reached its node."""

    @property
    def ask(self) -> Ask:
        return self

    @property
    def label(self) -> str:
        """What a person calls the target."""
        return self._label or str(self.target)

    @property
    def may_have_run(self) -> bool:
        """It was handed to a link, now or in an earlier try."""
        return self.left or self.generation is not None

    def sent(self, link: Link, generation: Generation) -> None:
        self.admitted = True
        self.link, self.generation = link, generation
        self.reply_ref.bind(generation.identity)
        link.asks[self.id] = self
        generation.asks += 1

    def overdue(self) -> bool:
        """Asked when the deadline has passed: whether that ends the ask."""
        return True

    def withdrawn(self) -> None:
        """Detach the ask from its link: its envelope was taken back, or it is over."""
        if self.link is not None:
            self.link.asks.pop(self.id, None)
            self.link = None
        if self.generation is not None:
            self.generation.asks -= 1
            self.generation = None

    def __repr__(self) -> str:
        return printable(f"<Ask {self.label}>")


def insert_in_order(waiting: dict[int, Outgoing], outgoing: Outgoing) -> None:
    """Put an envelope where its number belongs: one that comes back from a lost link goes before younger ones."""
    in_order = not waiting or next(reversed(waiting)) < outgoing.seq
    waiting[outgoing.seq] = outgoing
    if not in_order:
        ordered = sorted(waiting.items())
        waiting.clear()
        waiting.update(ordered)
