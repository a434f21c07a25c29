"""What a snapshot may hold. A payload within its own bounds can still say more of a cluster than any cluster has."""

from __future__ import annotations

from collections.abc import Iterable

from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import TopologySnapshot

__all__ = ["MAX_NAME", "excess"]

MAX_NAME = 1_000
"""Characters of a name: of a member, role, service, path or sharded type. People choose them; a file's path is at most 4,096."""
MAX_ROLES = 100
"""Roles of one member."""
SERVICES_PER_MEMBER = 100
"""Service instances, for each member that there may be."""


def excess(snapshot: TopologySnapshot, settings: Settings) -> str | None:
    """Say what of a snapshot is beyond a bound, and beyond which; None if nothing is.

    Examples
    --------
    >>> excess(TopologySnapshot(frozenset(), None, {"x" * 5000: {}}, 0), Settings())
    'a name of 5,000 characters; at most 1,000 are believed'
    """
    most = settings.max_members
    for what, count, allowed in (
        ("members", max(len(snapshot.members), len(snapshot.unreachable)), most),
        ("service instances", len(snapshot.registry), SERVICES_PER_MEMBER * most),
    ):
        if count > allowed:
            return f"{count:,} {what}; at most {allowed:,} are believed (Settings.max_members)"
    if len(snapshot.shard_allocations) > settings.max_shard_types:
        return f"{len(snapshot.shard_allocations):,} sharded types; at most {settings.max_shard_types:,} (max_shard_types)"
    if any(len(member.roles) > MAX_ROLES for member in snapshot.members):
        return f"a member with more than {MAX_ROLES} roles"
    longest = max(map(len, _names(snapshot)), default=0)
    return f"a name of {longest:,} characters; at most {MAX_NAME:,} are believed" if longest > MAX_NAME else None


def _names(snapshot: TopologySnapshot) -> Iterable[str]:
    yield from snapshot.shard_allocations
    for member in snapshot.members:
        yield member.id
        yield member.address.host
        yield from member.roles
    for entry in snapshot.registry:
        yield entry.key
        yield entry.path
