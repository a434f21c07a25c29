"""Snapshots to test against, with the awkward parts of real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.topology.snapshot import Member, MemberStatus, ServiceEntry, ShardAllocation, TopologySnapshot

if TYPE_CHECKING:
    from casty_notebook import Cluster

HOSTILE = "<script>alert(1)</script>\x1b[2J\"'&\u202e"
"""A name as no honest node has it: markup, a terminal's escape sequence, quotes, a text-direction override."""


def node(number: int) -> NodeAddress:
    return NodeAddress(f"10.0.1.{number}", 25520)


def member(number: int, status: MemberStatus = MemberStatus.up, *roles: str, name: str | None = None) -> Member:
    return Member(node(number), status, frozenset(roles), f"node-{number}" if name is None else name)


def topology_of(cluster: Cluster) -> TopologySnapshot:
    """The newest snapshot of a cluster that has one."""
    assert cluster.topology is not None
    return cluster.topology


def topology(
    members: Iterable[Member] = (),
    *,
    leader: int | None = None,
    shards: Mapping[str, Mapping[int, ShardAllocation]] | None = None,
    unreachable: Iterable[int] = (),
    services: Iterable[ServiceEntry] = (),
    epoch: int = 0,
) -> TopologySnapshot:
    return TopologySnapshot(
        frozenset(members),
        None if leader is None else node(leader),
        shards or {},
        epoch,
        frozenset(map(node, unreachable)),
        frozenset(services),
    )


def owned_by(number: int, *replicas: int) -> ShardAllocation:
    return ShardAllocation(node(number), tuple(map(node, replicas)))
