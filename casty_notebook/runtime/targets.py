"""What a target written by a person means: ``counter/user-42``, ``payment``, ``casty://system@host:port/path``."""

from __future__ import annotations

from dataclasses import dataclass

from casty_notebook.address import ActorAddress
from casty_notebook.errors import InvalidAddress, MisuseError

__all__ = ["EntityName", "ServiceName", "parse_target"]


@dataclass(frozen=True, slots=True)
class EntityName:
    """An entity of a sharded type."""

    shard_type: str
    entity_id: str

    def __str__(self) -> str:
        return f"{self.shard_type}/{self.entity_id}"


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A discoverable service."""

    name: str

    def __str__(self) -> str:
        return self.name


def parse_target(text: str) -> EntityName | ServiceName | ActorAddress:
    """Read a target. Only the first slash separates, so entity ids may contain more.

    Raises
    ------
    MisuseError
        If the text is empty or lacks a part.

    Examples
    --------
    >>> parse_target("counter/user-42")
    EntityName(shard_type='counter', entity_id='user-42')
    >>> parse_target("payment")
    ServiceName(name='payment')
    >>> parse_target("casty://shop@10.0.1.10:25520/payments").path
    '/payments'
    """
    if text.startswith("casty://"):
        address = ActorAddress.parse(text)
        if address.node is None:
            raise InvalidAddress(f"{text!r} names no node; expected casty://SYSTEM@HOST:PORT/PATH")
        return address
    name, slash, entity_id = text.partition("/")
    if not name or (slash and not entity_id):
        raise MisuseError(
            f"{text!r} is no target; write an entity (counter/user-42), a service (payment) or a casty:// address"
        )
    return EntityName(name, entity_id) if slash else ServiceName(name)
