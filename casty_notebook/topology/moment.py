"""`Moment`: a cluster at one time, in one value. Whatever is above the backends is given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import getsizeof

from casty_notebook.address import NodeAddress
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.kinds import Kind
from casty_notebook.topology.names import member_at
from casty_notebook.topology.shard_columns import ShardColumn
from casty_notebook.topology.sharing import shows_the_same, size
from casty_notebook.topology.snapshot import Member, ServiceEntry, TopologySnapshot

__all__ = ["Moment"]


@dataclass(frozen=True, slots=True)
class Moment:
    """What a cluster said of itself, what our own connections said of its nodes, and when.

    Where nothing has been seen yet there is none (None), so that nobody has to ask a moment whether it is one.

    Attributes
    ----------
    time
        When this was seen, on the scale of the history (see `SteadyClock`).
    snapshot
        The cluster's word.
    health
        Ours, by node. A node that is missing is one that we know nothing of.
    ownerless
        How many shards of each type had had an owner before, and had none then; None before a history has worked it out.

    Examples
    --------
    >>> from datetime import UTC
    >>> moment = Moment(datetime(2026, 1, 2, tzinfo=UTC), TopologySnapshot(frozenset(), None, {}, 7))
    >>> moment.kind.placements, len(moment.members), moment.reach(NodeAddress("10.0.1.10", 25520))
    ('shards', 0, None)
    """

    time: datetime
    snapshot: TopologySnapshot
    health: Mapping[NodeAddress, NodeHealth] = field(default_factory=dict)
    ownerless: Mapping[str, int] | None = field(default=None, compare=False)

    @property
    def kind(self) -> Kind:
        """What kind of cluster it is: the words for its things, and what it can say."""
        return self.snapshot.kind

    @property
    def members(self) -> Mapping[NodeAddress, Member]:
        """The members by address, in the order of their names; put in order anew at each call."""
        return member_at(self.snapshot.members)

    @property
    def placements(self) -> Mapping[str, ShardColumn]:
        """What is placed on the members, by type, as columns: shards, or the slices of a ring."""
        return self.snapshot.columns

    @property
    def services(self) -> frozenset[ServiceEntry]:
        """What can be found by name: instances of services, or the types that members have met."""
        return self.snapshot.registry

    def reach(self, node: NodeAddress) -> bool | None:
        """Whether we reach a node; None while we do not know."""
        view = self.health.get(node)
        return None if view is None else view.reachable

    def flagged(self, node: NodeAddress) -> bool:
        """Whether the cluster calls a node unreachable."""
        return node in self.snapshot.unreachable

    def shows_the_same(self, other: Moment) -> bool:
        """Nobody who looked would see a difference. Round trips differ always, and are none."""
        if self.health.keys() != other.health.keys():
            return False
        reach = all(
            (mine.state, mine.reason) == (other.health[node].state, other.health[node].reason)
            for node, mine in self.health.items()
        )
        return reach and shows_the_same(self.snapshot, other.snapshot)

    def size(self, before: Moment | None) -> int:
        """Bytes, about, of what `before` does not hold already."""
        health = sum(200 + getsizeof(view.reason) for view in self.health.values())
        ownerless = 100 * len(self.ownerless or ())
        return size(self.snapshot, before.snapshot if before is not None else None) + health + ownerless
