"""What the demo's actors understand and answer.

Plain frozen dataclasses, so that a notebook imports them as it would import those of its own system: without casty.
A field named ``reply_to`` is where the answer goes; an ask fills it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "Balance",
    "Deposit",
    "Echo",
    "Forward",
    "GetBalance",
    "GetCount",
    "Increment",
    "PaymentReceipt",
    "ProcessPayment",
    "ReplyTo",
    "Slow",
    "Stop",
    "WhereAreYou",
    "Whereabouts",
]


class ReplyTo[Reply](Protocol):
    """Whatever an answer can be told to: a ref of casty's on a node, a ref of ours in a notebook."""

    def tell(self, msg: Reply, /) -> None: ...


# --- counter ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Increment:
    """Add to a counter. Nothing is answered.

    Examples
    --------
    >>> Increment(1)
    Increment(amount=1)
    """

    amount: int = 1


@dataclass(frozen=True)
class GetCount:
    """Ask a counter for its count, an int."""

    reply_to: ReplyTo[int]


# --- account ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Balance:
    """What is on an account."""

    account: str
    amount: int


@dataclass(frozen=True)
class Deposit:
    """Pay into an account; answered with the new `Balance` if somebody wants to know."""

    amount: int
    reply_to: ReplyTo[Balance] | None = None


@dataclass(frozen=True)
class GetBalance:
    """Ask an account for its `Balance`."""

    reply_to: ReplyTo[Balance]


# --- payment ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PaymentReceipt:
    """A payment went through: the number of it on the node that did it."""

    number: int
    amount: int
    node: str


@dataclass(frozen=True)
class ProcessPayment:
    """Have a payment done; answered with a `PaymentReceipt` if somebody wants one."""

    amount: int
    reply_to: ReplyTo[PaymentReceipt] | None = None


# --- every actor of the demo --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Whereabouts:
    """Where an actor runs: the node's name, its process, and the actor's own id."""

    node: str
    pid: int
    actor: str


@dataclass(frozen=True)
class WhereAreYou:
    """Ask any actor of the demo for its `Whereabouts`."""

    reply_to: ReplyTo[Whereabouts]


@dataclass(frozen=True)
class Echo:
    """Ask for a value back, whatever it is (None too)."""

    value: Any
    reply_to: ReplyTo[Any]


@dataclass(frozen=True)
class Forward:
    """Have another entity, ``TYPE/ID``, answer with its `Whereabouts`: the reply comes from that entity's node."""

    entity: str
    reply_to: ReplyTo[Whereabouts]


@dataclass(frozen=True)
class Slow:
    """Be busy for so many seconds, then answer with them. What comes meanwhile waits in the mailbox."""

    seconds: float
    reply_to: ReplyTo[float]


@dataclass(frozen=True)
class Stop:
    """End the actor. An entity starts afresh with its next message; a service stays ended."""
