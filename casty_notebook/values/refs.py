"""Refs: what messages are told to. A ref is a plain value with an address, and sends through the client that made it."""

from __future__ import annotations

from typing import Any, Generic, Protocol

from casty_notebook.address import ActorAddress, NodeAddress
from casty_notebook.errors import MisuseError
from casty_notebook.printable import printable
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.generics import M_contra

__all__ = ["ActorRef", "EntityRef", "ReplyRef", "Sender", "Tellable"]


class Tellable(Protocol[M_contra]):
    """What takes messages of type `M`: an `ActorRef` of `M`, an `EntityRef` (which takes envelopes), a ref of casty's own."""

    def tell(self, message: M_contra, /) -> None: ...


class Sender(Protocol):
    """Whoever can send for a ref: the client."""

    def tell(self, target: ActorRef | EntityRef, message: Any) -> None: ...


class ActorRef(Generic[M_contra]):  # noqa: UP046 - see M
    """One actor by its address. Equal to every ref of the same address; `tell` goes through the client it came from.

    ``ActorRef[PaymentMsg]`` says to a type checker what may be told; nothing of that is kept or sent.
    """

    __slots__ = ("_sender", "address")

    def __init__(self, address: ActorAddress, sender: Sender | None = None) -> None:
        self.address = address
        self._sender = sender

    @property
    def uri(self) -> str:
        """The address as it travels."""
        return self.address.uri

    @property
    def id(self) -> str:
        """The path of the actor on its node, as casty's own refs call it."""
        return self.address.path

    def tell(self, message: M_contra) -> None:
        """Send one message, without waiting. Raises `MisuseError` if this ref came from no client."""
        if self._sender is None:
            raise MisuseError(f"{self!r} belongs to no client; get it from client.lookup, a reply, or client.actor_ref(uri)")
        self._sender.tell(self, message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorRef) and other.uri == self.uri

    def __hash__(self) -> int:
        return hash(self.uri)

    def __repr__(self) -> str:
        return printable(f"<ActorRef {self.uri}>")


class ReplyRef(ActorRef[M_contra]):
    """Where the reply to one ask goes. Its identity is settled when the ask is written, so that it can be routed again."""

    __slots__ = ("_identity", "path", "system")

    def __init__(self, system: str, path: str) -> None:
        # One is made for each ask, and its address is hardly ever read: `address` puts it together when it is.
        self._sender = None
        self.system = system
        self.path = path
        self._identity: NodeAddress | None = None

    @property
    def address(self) -> ActorAddress:  # type: ignore[override]
        return ActorAddress(self.system, self.path, self._identity)

    @property
    def uri(self) -> str:
        identity = self._identity
        if identity is None:
            return self.address.uri
        return f"casty://{self.system}@{identity[0]}:{identity[1]}{self.path}"

    def bind(self, identity: NodeAddress) -> None:
        """Make replies come by the connections that present `identity` (PROTOCOL section 3.1)."""
        self._identity = identity

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return printable(f"<ReplyRef {self.path}>")


class EntityRef(Generic[M_contra]):  # noqa: UP046 - see M
    """All entities of one sharded type; takes `ShardEnvelope`s of `M`. One per type and client."""

    __slots__ = ("_sender", "num_shards", "shard_type")

    def __init__(self, shard_type: str, num_shards: int, sender: Sender) -> None:
        self.shard_type = shard_type
        self.num_shards = num_shards
        self._sender = sender

    @property
    def id(self) -> str:
        """What casty's own client calls it: the path of the actor that routes for the type."""
        return f"/_proxy-{self.shard_type}"

    @property
    def sender(self) -> Sender:
        """The client that it was taken from."""
        return self._sender

    def tell(self, envelope: ShardEnvelope[M_contra]) -> None:
        """Send one `ShardEnvelope` to its entity, without waiting; buffered while the shard's owner is looked up."""
        self._sender.tell(self, envelope)

    def __repr__(self) -> str:
        return printable(f"<EntityRef {self.shard_type!r}, {self.num_shards} shards>")
