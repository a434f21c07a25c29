"""Whom an envelope is for: an entity of a sharded type, or an actor at a path on a node."""

from __future__ import annotations

from casty_notebook.address import NodeAddress
from casty_notebook.values.value_class import value

__all__ = ["ActorTarget", "EntityTarget", "Target"]



@value
class EntityTarget:
    """One entity of a sharded type."""

    shard_type: str
    entity_id: str

    @property
    def path(self) -> str:
        """Of the actor that takes messages for the type's entities on each node (PROTOCOL section 4.2)."""
        return f"/_region-{self.shard_type}"

    def __str__(self) -> str:
        return f"{self.shard_type}/{self.entity_id}"


@value
class ActorTarget:
    """One actor by node and path."""

    node: NodeAddress
    path: str

    def __str__(self) -> str:
        return f"{self.node}{self.path}"


type Target = EntityTarget | ActorTarget
