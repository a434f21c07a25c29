"""What kinds of cluster there are, what each can say, and what its things are called."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "SHARDED", "VIRTUAL", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of cluster: the words for its things, and what it knows.

    Attributes
    ----------
    name
        ``"sharded"`` or ``"virtual"``.
    casty
        The releases that make such clusters.
    placement, placements
        What is placed on members: one, many.
    service, services
        What can be found by name: one, many.
    has_leader
        A member leads, members have roles, and are told unreachable by the cluster.
    has_opinions
        Each member says of each what it thinks; members have lives (incarnations).
    every_key_has_a_place
        Any entity's owner can be computed, used or not, without its type's number of shards.
    tells_activity
        Its nodes can say which keys are active, where they have the helper (`nodeside`).
    """

    name: str
    casty: str
    placement: str
    placements: str
    service: str
    services: str
    has_leader: bool
    has_opinions: bool
    every_key_has_a_place: bool
    tells_activity: bool


SHARDED = Kind("sharded", "0.15 to 0.21", "shard", "shards", "service", "services", True, False, False, False)
"""Shards placed by a coordinator, services in a registry, one gossip (docs/protocol-sharded.md)."""
VIRTUAL = Kind("virtual", "0.30", "ring slice", "ring slices", "type", "types", False, True, True, True)
"""Virtual actors on a hash ring, types that members have met, opinions (docs/protocol-virtual.md)."""

KINDS = {kind.name: kind for kind in (SHARDED, VIRTUAL)}
