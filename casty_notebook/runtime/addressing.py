"""What callers give as targets, contact points and names, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from casty_notebook.address import ActorAddress, NodeAddress, check_host, check_port
from casty_notebook.cluster.events import ActorTarget, EntityTarget, Target
from casty_notebook.cluster.messages import ShardEnvelope
from casty_notebook.cluster.refs import ActorRef, EntityRef
from casty_notebook.codec import casty_ref_uri
from casty_notebook.errors import InvalidAddress, MisuseError, UnsendableMessage
from casty_notebook.settings import Settings, checked_count

__all__ = ["checked_contacts", "checked_settings", "checked_shards", "checked_system", "checked_text", "resolve"]


def resolve(target: Any, message: Any) -> tuple[Target, Any]:
    """Where a message goes, and the message as it goes there.

    Raises
    ------
    MisuseError, InvalidAddress
        If the target is no ref and no ``casty://`` URI, or an entity is not given a `ShardEnvelope`.
    """
    if type(target) is EntityRef and type(message) is ShardEnvelope and type(message.entity_id) is str:
        entity_id = message.entity_id
        if not entity_id.isascii():
            checked_text(f"the entity id {entity_id!r}", entity_id)
        return EntityTarget(target.shard_type, entity_id), message
    if isinstance(target, EntityRef):
        envelope = _envelope(message)
        checked_text(f"the entity id {envelope.entity_id!r}", envelope.entity_id)
        return EntityTarget(target.shard_type, envelope.entity_id), envelope
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


def checked_system(name: str) -> str:
    """A system name that fits into a URI (PROTOCOL section 2.1), or `InvalidAddress`."""
    if not isinstance(name, str) or not name or any(ch in name for ch in "@/") or any(ord(ch) < 32 for ch in name):
        raise InvalidAddress(f"{name!r} cannot be a system name: it must not be empty or contain '@' or '/'")
    return name


def checked_settings(settings: Settings | None) -> Settings:
    """The settings given, or the usual ones; `MisuseError` for what is none."""
    if settings is not None and not isinstance(settings, Settings):
        raise MisuseError(f"settings takes Settings(…), for example Settings(ask_timeout=2.0), not {type(settings).__name__}")
    return settings or Settings()


def checked_shards(shards: Mapping[str, int] | None) -> dict[str, int]:
    """Sharded types with their numbers of shards; `MisuseError` for what cannot be either."""
    if shards is not None and not isinstance(shards, Mapping):
        raise MisuseError(f"shards takes each type with its number of shards, for example {{'counter': 100}}, not {shards!r}")
    return {
        checked_text(f"the sharded type's name {name!r}", name): checked_count(f"shards[{name!r}]", number)
        for name, number in (shards or {}).items()
    }


def checked_text(what: str, text: str) -> str:
    """A text that can be sent, or `UnsendableMessage`."""
    if not isinstance(text, str):
        raise MisuseError(f"{what} is no text")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnsendableMessage(f"{what} has a lone surrogate in it, half a character: no text for a node") from None
    return text


def checked_contacts(points: Iterable[tuple[str, int]]) -> tuple[NodeAddress, ...]:
    """Contact points that can be dialled, each once; `InvalidAddress` or `MisuseError` otherwise."""
    checked = tuple(dict.fromkeys(_checked_contact(point) for point in points))
    if not checked:
        raise MisuseError("contact_points is empty; give at least one (host, port) of a node")
    return checked


def _checked_contact(point: tuple[str, int]) -> NodeAddress:
    try:
        host, port = point
    except (TypeError, ValueError):
        raise InvalidAddress(f"a contact point is (host, port), not {point!r}") from None
    return NodeAddress(check_host(host), check_port(port))
