"""What a node says of itself, where it can be asked: active keys, mailboxes, counts, its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from casty_notebook.address import NodeAddress

__all__ = ["HELPER", "TYPE_KINDS", "Activation", "LogLine", "NodeReport", "TypeLoad", "key_of", "short_of", "type_kind"]

HELPER = "casty_nodeside:look"
COLLECTIONS = "casty."
"""Where the types of casty's own collections live."""

TYPE_KINDS = ("application", "collection", "helper")
"""What a type may be for, in the order in which somebody looks for one."""
"""The type that tells it, pinned to each node that has the file (`nodeside`)."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A key that is active: since when, and how many messages wait in its mailbox."""

    actor: str
    key: str
    since: datetime
    queued: int


@dataclass(frozen=True, slots=True)
class TypeLoad:
    """The active keys of one type on a node, the messages in their mailboxes, and in the deepest of them."""

    actor: str
    active: int
    queued: int
    deepest: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A record of the node's own log, by its number there."""

    number: int
    time: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node at one moment.

    Attributes
    ----------
    casty
        Its version of casty.
    activations
        The deepest mailboxes first, then the longest active.
    left_out
        Active keys that are not among them.
    writes, writes_failed, bytes_sent, bytes_received
        Counted since the node has started.
    """

    address: NodeAddress
    casty: str
    activations: tuple[Activation, ...]
    left_out: int
    loads: tuple[TypeLoad, ...]
    asks: int
    writes: int
    writes_failed: int
    connections: int
    bytes_sent: int
    bytes_received: int
    log: tuple[LogLine, ...] = field(default=())


def short_of(actor: str) -> str:
    """A type without its module, as people call it.

    Examples
    --------
    >>> short_of("shop.actors:counter")
    'counter'
    """
    module, _, name = actor.partition(":")
    return name or module


def key_of(actor: str, key: str) -> str:
    """What a key is called, as it is asked.

    Examples
    --------
    >>> key_of("shop.actors:counter", "user-42")
    'counter/user-42'
    """
    return f"{short_of(actor)}/{key}"


def type_kind(name: str) -> str:
    """Whose a type is: the application's, casty's own collections', or what lets the nodes be looked into.

    Examples
    --------
    >>> type_kind("shop.actors:counter"), type_kind("casty.collections:register")
    ('application', 'collection')
    """
    return "helper" if name == HELPER else "collection" if name.startswith(COLLECTIONS) else "application"
