"""Links (one TCP connection each), generations (one identity each) and peers (one node each, with its links)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.backends.breaker import Breaker
from casty_notebook.topology.health import LinkState

if TYPE_CHECKING:
    from casty_notebook.backends.sharded.session.asks import Ask
    from casty_notebook.backends.sharded.session.events import Outgoing

__all__ = ["Generation", "Link", "Peer"]


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
    """dialling --LinkOpened--> open --LinkLost | Hangup--> gone."""

    __slots__ = (
        "asks", "dialled", "generation", "heard", "id", "opened", "peer", "pinged", "probe", "read_up_to", "spare", "used",
    )  # fmt: skip

    def __init__(self, link_id: int, peer: Peer, dialled: NodeAddress, generation: Generation, *, spare: bool = False) -> None:
        self.id = link_id
        self.peer = peer
        self.dialled = dialled
        self.generation = generation
        self.spare = spare
        """Opened beside a healthy link only to receive replies under a newer identity."""
        self.opened: float | None = None
        self.heard = 0.0
        self.used = 0.0
        self.probe: float | None = None
        """When the probe that waits for a sign of life was sent."""
        self.pinged: float | None = None
        """When the last ping was sent whose own answer is still due: it gives the round trip."""
        self.read_up_to = 0.0
        """The node has read everything that went out by this link before then: it reads a connection in order."""
        self.asks: dict[str, Ask] = {}
        """Asks whose envelope went out by this link."""

    def __repr__(self) -> str:
        return f"<Link {self.id} to {self.peer.address} generation {self.generation.number}>"


class Peer:
    """One node: its breaker, its links (oldest first) and the envelopes that wait for the first of them.

    Envelopes keep leaving by one link (`sender`), so that their order holds while newer links are opened beside it;
    replies are addressed to the newest proven one. A link is proven by the answer to its first ping: only then has the
    node surely taken it up (PROTOCOL section 1.2: a handshake reply says nothing), and does not refuse its identity.
    """

    __slots__ = (
        "address", "breaker", "contact", "dialling", "links", "member", "opened", "queue", "receiver", "sender", "status",
        "stranger", "via", "wanted",
    )  # fmt: skip

    def __init__(self, address: NodeAddress, breaker: Breaker) -> None:
        self.address = address
        self.breaker = breaker
        self.links: list[Link] = []
        self.sender: Link | None = None
        """By which envelopes leave."""
        self.receiver: Link | None = None
        """The newest link that has answered a ping: under its identity replies surely come."""
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
        """Had a link once: the node may have been given an identity that it has refused since (PROTOCOL section 3.2)."""
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
