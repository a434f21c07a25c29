"""What a `Session` is told (events) and what it wants done (effects). Plain values; an effect is final, never filtered."""

from __future__ import annotations

from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.state import Ask, Outgoing
from casty_notebook.backends.sharded.session.targets import Target
from casty_notebook.errors import CastyNotebookError
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.value_class import value

__all__ = [
    "Arrived",
    "AskCancelled",
    "AskMade",
    "Break",
    "Close",
    "Closed",
    "Connected",
    "Dial",
    "Effect",
    "Event",
    "Fail",
    "Hangup",
    "Heard",
    "LinkLost",
    "LinkOpened",
    "Publish",
    "Recall",
    "Received",
    "Reclaim",
    "Reclaimed",
    "Refused",
    "Reject",
    "Replies",
    "Reply",
    "Report",
    "Ruin",
    "TellMade",
    "Tick",
    "Transmit",
    "TypeUsed",
    "Unexpected",
]


# --- events ------------------------------------------------------------------------------------------------------


@value
class Connected:
    """A dialled link has its socket, and the handshake was written: what is sent by it now is read right after that."""

    link: int


@value
class LinkOpened:
    """The handshake of a dialled link was answered by `node` (its canonical address, PROTOCOL section 1.2)."""

    link: int
    node: NodeAddress


@value
class LinkLost:
    """A link could not be opened or has ended. `unsent` never reached the socket; everything else may have.

    `verdict`: dialling again cannot help before something is configured differently (TLS, a login).
    """

    link: int
    reason: str
    unsent: tuple[Outgoing, ...] = ()
    verdict: bool = False


@value
class Received:
    """A decoded message for one of our paths but those of asks, or the `UndecodableMessage` that came of it.

    `written`: the serializer and compression that its first bytes show; None where only one is allowed.
    """

    link: int
    path: str
    system: str | None
    type_hint: str
    message: Any
    written: tuple[str, str | None] | None = None


@value
class Replies:
    """Decoded messages for the paths of asks, in the order in which one link brought them at one time, all of one system.

    Each as path, message (or the `UndecodableMessage` that came of it) and size of its frame.
    """

    link: int
    system: str | None
    messages: list[tuple[str, Any, int]]


@value
class Heard:
    """A node lives: what it sent is still being read, and what it sent since waits behind that."""

    link: int


@value
class Reclaimed:
    """What a link had not given to its socket was taken back, as `Reclaim` asked."""

    unsent: tuple[Outgoing, ...]


@value
class Refused:
    """An envelope was not taken by a link: it cannot be written (`error`), or what waits for the socket is at the bound."""

    link: int
    outgoing: Outgoing
    error: CastyNotebookError | None = None


@value
class AskMade:
    """A question; the ask's own deadline runs from now."""

    ask: Ask


@value
class AskCancelled:
    """The asker no longer waits."""

    ask_id: str


@value
class TellMade:
    """A one-way message."""

    target: Target
    message: Any


@value
class TypeUsed:
    """The user names a sharded type and its number of shards; `Reject` where that cannot be."""

    shard_type: str
    num_shards: int


@value
class Unexpected:
    """A message came to a path that nothing is expected at; it was not read."""

    path: str


@value
class Tick:
    """The time a deadline asked for has come, or the client starts."""


@value
class Close:
    """Leave: unsubscribe, flush, hang up."""


type Event = (
    Connected | LinkOpened | LinkLost | Heard | Reclaimed | Refused | Received | Replies | Unexpected | AskMade | AskCancelled
    | TellMade | TypeUsed | Tick | Close
)  # fmt: skip


# --- effects -----------------------------------------------------------------------------------------------------


@value
class Dial:
    """Open a link to `address` (before any address map) and present `identity` in the handshake."""

    link: int
    address: NodeAddress
    identity: NodeAddress


@value
class Transmit:
    """Hand an envelope to a link. Once a byte of it is with the socket it is never handed to another."""

    link: int
    outgoing: Outgoing


@value
class Recall:
    """Take an envelope back if its link has not handed it to the socket yet."""

    link: int
    outgoing: Outgoing


@value
class Reclaim:
    """Take back everything that a link has not handed to the socket: a shard moved, and its older envelopes go first."""

    link: int


@value
class Hangup:
    """Flush what was handed to the link, then close it. No `LinkLost` follows."""

    link: int


@value
class Break:
    """Close a link that does not work, without flushing. Its `LinkLost` follows, with what it had not sent."""

    link: int
    reason: str


@value
class Reply:
    """An ask has its answer."""

    ask_id: str
    message: Any


@value
class Arrived:
    """A message has come to a listener, and is in its inbox."""

    ask_id: str


@value
class Fail:
    """An ask has failed."""

    ask_id: str
    error: Exception


@value
class Reject:
    """What is being handled was refused: raise this to its caller."""

    error: Exception


@value
class Publish:
    """A new snapshot, to be shown to whoever listens."""

    snapshot: TopologySnapshot


@value
class Report:
    """Something to log: never silent, never a print. A `loss` is logged even where many others are summed up."""

    text: str
    loss: bool = False


@value
class Ruin:
    """The session cannot work (for example the wrong system name); everything further fails with `error`."""

    error: Exception


@value
class Closed:
    """All that is to be flushed was handed to the links."""


type Effect = (
    Dial | Transmit | Recall | Reclaim | Hangup | Break | Reply | Arrived | Fail | Reject | Publish | Report | Ruin | Closed
)


