"""What a session is told (events) and what it wants done (effects).

Nobody changes one. Those of every ask are not frozen, which would make each twice as dear as all that is done with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Outcome, Record, WrongOwner
from casty_notebook.backends.virtual.session.members import Members
from casty_notebook.backends.virtual.session.ring import NodeId, Ring
from casty_notebook.backends.virtual.wire import Limits, Refusal
from casty_notebook.errors import CastyNotebookError

__all__ = [
    "Answer", "AskCancelled", "AskMade", "Cancel", "Close", "Closed", "Deliver", "Dial", "Effect", "Event", "Fail", "Hangup",
    "Heard", "Leave", "LinkHeard", "LinkLeaving", "LinkLost", "LinkOpened", "LinkRefused", "ListenMade", "MakeRing", "Publish",
    "Replied", "Report",
    "Returned", "RingMade", "Sync", "TableCame", "TellMade", "Tick", "Unsent",
]  # fmt: skip


# --- events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """A node took our hello."""

    link: int
    node: NodeAddress
    incarnation: bytes


@dataclass(frozen=True, slots=True)
class LinkRefused:
    """A node refused our hello, and hangs up."""

    link: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class LinkLost:
    """A dial failed, or a connection ended. `silent`: nothing was said for as long as one waits for a hello."""

    link: int
    reason: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class LinkLeaving:
    """A node said goodbye: it answers what it was asked before, and reads nothing new."""

    link: int


@dataclass(frozen=True, slots=True)
class LinkHeard:
    """Bytes came by a link, whatever they are: part of a long answer, credit for what we send. Told now and then."""

    link: int


@dataclass(frozen=True, slots=True)
class TableCame:
    """A node's table of members, the answer to a `Sync`."""

    link: int
    records: tuple[Record, ...]


@dataclass(slots=True)
class Replied:
    """Asks ended on their node, in this order."""

    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Returned:
    """A message came back unread."""

    link: int
    message: WrongOwner


@dataclass(slots=True)
class AskMade:
    """A question of the user's. `name` is the message's, for errors and for what must not be sent twice."""

    number: int
    actor: str
    key: str
    name: str
    message: bytes
    timeout: float
    retry: bool = False
    fail_fast: bool = False
    force: bool = False
    label: str = ""

    listens: ClassVar[bool] = False


@dataclass(slots=True)
class ListenMade(AskMade):
    """A question that may be answered again and again: what comes does not end it."""

    listens: ClassVar[bool] = True


@dataclass(slots=True)
class TellMade:
    """A message of the user's that wants no answer."""

    actor: str
    key: str
    name: str
    message: bytes
    force: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class AskCancelled:
    """Nobody waits for the answer any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Unsent:
    """A `Deliver` that was not taken: too much waits for the node's credit, or the message is longer than it reads."""

    envelope: int
    cause: str
    advice: str


@dataclass(frozen=True, slots=True)
class RingMade:
    """The ring that a `MakeRing` wanted."""

    ring: Ring


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The client is about to be left: nothing new is taken, and what was told may still leave."""


@dataclass(frozen=True, slots=True)
class Close:
    """The client is left."""


type Event = (
    LinkOpened | LinkRefused | LinkHeard | LinkLeaving | LinkLost | TableCame | Replied | Returned | AskMade | TellMade
    | AskCancelled | Unsent | RingMade | Tick | Leave | Close
)  # fmt: skip


# --- effects -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a link to an address and say hello with this name and these limits."""

    link: int
    address: NodeAddress
    cluster: str
    limits: Limits
    known: bool = False
    """A node of casty 0.30 has answered there, or is a member there."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """Flush and close a link; nothing of it is reported any more.

    `flush` is False for a node that has fallen silent: it would keep the socket, and what waits in it, for as long as it is.
    """

    link: int
    flush: bool = True


@dataclass(frozen=True, slots=True)
class Sync:
    """Ask the node of a link for its table of members."""

    link: int


@dataclass(slots=True)
class Deliver:
    """Give the node of a link a message for one of its keys; `number` is that of an ask."""

    link: int
    envelope: int
    actor: str
    key: str
    message: bytes
    number: int | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Tell the node of a link that nobody waits for this answer any more."""

    link: int
    actor: str
    key: str
    number: int


@dataclass(slots=True)
class Answer:
    """The value that an ask was answered with, still to be read."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A value that came to a listener, still to be read."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Fail:
    """An ask that failed."""

    number: int
    error: CastyNotebookError


@dataclass(frozen=True, slots=True)
class MakeRing:
    """Make the ring of many nodes, beside whatever else there is to do; one at a time."""

    nodes: frozenset[NodeId]
    before: Ring | None


@dataclass(frozen=True, slots=True)
class Publish:
    """The members look different now."""

    members: Members


@dataclass(frozen=True, slots=True)
class Report:
    """Something that a person should be told once."""

    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """All is left."""


type Effect = Dial | Hangup | Sync | Deliver | Cancel | Answer | Heard | Fail | MakeRing | Publish | Report | Closed
