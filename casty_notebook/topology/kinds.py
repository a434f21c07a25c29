"""What kinds of cluster there are, what each can say, and what its things are called.

Whoever shows a cluster asks its kind for a word or a capability, never which kind it is: a third kind is one more row.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "SHARDED", "VIRTUAL", "Kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
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
    number
        What the number of a placement is called in tables.
    service, services
        What can be found by name: one, many.
    entity, entity_type
        What stands behind the slash of ``counter/user-42``, and before it.
    statuses
        What its members can be, in the order of a member's life, and `well` of them: what one is that does its work.
    has_leader
        A member leads, members have roles, and are told unreachable by the cluster.
    has_opinions
        Each member says of each what it thinks; members have lives (incarnations).
    every_key_has_a_place
        Any entity's owner can be computed, used or not, without its type's number of shards. Members then own shares of all
        keys by chance; otherwise the cluster chooses an owner when a shard is first used.
    places_by_type
        Each type has placements of its own; otherwise those that there are serve the keys of all types.
    finds_types
        What is found by name are the types of entities, from their first use on; otherwise instances that registered.
    tells_activity
        Its nodes can say which keys are active, where they have the helper (`nodeside`).
    """

    name: str
    casty: str
    placement: str
    placements: str
    number: str
    service: str
    services: str
    entity: str
    entity_type: str
    statuses: tuple[str, ...]
    well: str
    has_leader: bool
    has_opinions: bool
    every_key_has_a_place: bool
    places_by_type: bool
    finds_types: bool
    tells_activity: bool


SHARDED = Kind(
    name="sharded", casty="0.15 to 0.21", placement="shard", placements="shards", number="shard", service="service",
    services="services", entity="entity", entity_type="shard type",
    statuses=("joining", "up", "leaving", "down", "removed"), well="up",
    has_leader=True, has_opinions=False, every_key_has_a_place=False, places_by_type=True, finds_types=False,
    tells_activity=False,
)  # fmt: skip
"""Shards placed by a coordinator, services in a registry, one gossip (docs/protocol-sharded.md)."""
VIRTUAL = Kind(
    name="virtual", casty="0.30", placement="ring slice", placements="ring slices", number="slice", service="type",
    services="types", entity="key", entity_type="type",
    statuses=("alive", "leaving", "suspect", "dead"), well="alive",
    has_leader=False, has_opinions=True, every_key_has_a_place=True, places_by_type=False, finds_types=True,
    tells_activity=True,
)  # fmt: skip
"""Virtual actors on a hash ring, types that members have met, opinions (docs/protocol-virtual.md)."""

KINDS = {kind.name: kind for kind in (SHARDED, VIRTUAL)}
