"""Whom an envelope is for: an entity of a sharded type, or an actor at a path on a node."""

from __future__ import annotations

from casty_notebook.address import NodeAddress
from casty_notebook.values.targets import EntityName
from casty_notebook.values.value_class import value

__all__ = ["NOT_IN_USE", "ActorTarget", "Target", "path_of"]

NOT_IN_USE = "{0!r} is not in use; call entity_ref({0!r}, num_shards=…) first"
"""Of a sharded type whose number of shards nobody has settled here."""


@value
class ActorTarget:
    """One actor by node and path."""

    node: NodeAddress
    path: str

    def __str__(self) -> str:
        return f"{self.node}{self.path}"


type Target = EntityName | ActorTarget


def path_of(target: Target) -> str:
    """The path that messages for it are sent to: of an entity, the actor that takes them on each node (PROTOCOL section 4.2)."""
    return f"/_region-{target.shard_type}" if isinstance(target, EntityName) else target.path
