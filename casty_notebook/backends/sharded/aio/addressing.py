"""What callers give as targets, contact points and names, checked before anything is sent."""

from __future__ import annotations

from typing import Any

from casty_notebook.address import ActorAddress
from casty_notebook.backends.arguments import checked_text
from casty_notebook.backends.sharded.session.targets import ActorTarget, Target
from casty_notebook.errors import InvalidAddress, MisuseError
from casty_notebook.values.castys_refs import casty_ref_uri
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.refs import ActorRef, EntityRef
from casty_notebook.values.targets import EntityName

__all__ = ["resolve"]


def resolve(target: Any, message: Any) -> tuple[Target, Any]:
    """Where a message goes, and the message as it goes there: for an entity that is named, in the envelope that it travels in.

    Raises
    ------
    MisuseError, InvalidAddress
        If the target is no name, no ref and no ``casty://`` URI, or an entity ref is not given a `ShardEnvelope`.
    """
    if type(target) is EntityName:
        if not target.entity_id.isascii():
            checked_text(f"the entity id {target.entity_id!r}", target.entity_id)
        return target, ShardEnvelope(target.entity_id, message)
    if type(target) is EntityRef and type(message) is ShardEnvelope and type(message.entity_id) is str:
        entity_id = message.entity_id
        if not entity_id.isascii():
            checked_text(f"the entity id {entity_id!r}", entity_id)
        return EntityName(target.shard_type, entity_id), message
    if isinstance(target, EntityRef):
        envelope = _envelope(message)
        checked_text(f"the entity id {envelope.entity_id!r}", envelope.entity_id)
        return EntityName(target.shard_type, envelope.entity_id), envelope
    if isinstance(target, ActorRef):
        address = target.address
    else:
        uri = target if isinstance(target, str) else casty_ref_uri(target)
        if uri is None:
            raise MisuseError(f"a message goes to a ref or a casty:// URI, not to {type(target).__name__}")
        address = ActorAddress.parse(uri)
    if address.node is None:
        raise InvalidAddress(f"{address} names no node; expected casty://SYSTEM@HOST:PORT/PATH")
    if not address.path.isascii():
        checked_text(f"the path {address.path!r}", address.path)
    return ActorTarget(address.node, address.path), message


def _envelope(message: Any) -> ShardEnvelope:
    """Ours, or ours made from casty's own."""
    envelope: ShardEnvelope = message
    if not isinstance(message, ShardEnvelope):
        name = type(message).__name__
        if name != "ShardEnvelope" or not hasattr(message, "entity_id") or not hasattr(message, "message"):
            raise MisuseError(
                f"an entity ref takes ShardEnvelope(entity_id, message), not {name}; write ShardEnvelope('the-id', {name}(…))"
            )
        envelope = ShardEnvelope(message.entity_id, message.message)
    if not isinstance(envelope.entity_id, str):
        raise MisuseError(f"an entity id is a string, not {type(envelope.entity_id).__name__}")
    return envelope
