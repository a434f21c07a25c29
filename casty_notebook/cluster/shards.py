"""What is known of one sharded type: where its shards are, and the envelopes that wait for one to be located."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.cluster.events import Outgoing, insert_in_order
from casty_notebook.cluster.messages import ShardAllocation, entity_shard
from casty_notebook.errors import ShardCountMismatch, UnsendableMessage
from casty_notebook.settings import Settings

if TYPE_CHECKING:
    from casty_notebook.cluster.links import Peer

__all__ = ["ShardTable", "Waiting"]

FRESH = 5.0
"""A coordinator's own answer outranks a snapshot for so long: gossip reaches our node a second later (PROTOCOL section 6.1)."""


class Waiting:
    """Envelopes for one shard, in order, while its location is asked for."""

    __slots__ = ("asked_of", "attempts", "items", "retry_at")

    def __init__(self) -> None:
        self.items: dict[int, Outgoing] = {}
        self.attempts = 0
        self.retry_at = float("-inf")
        self.asked_of: NodeAddress | None = None

    def asked(self, node: NodeAddress, now: float, settings: Settings) -> None:
        self.attempts += 1
        self.asked_of = node
        self.retry_at = now + min(settings.shard_retry_cap, settings.shard_retry * 2.0 ** min(self.attempts - 1, 10))


class ShardTable:
    """unknown --envelope--> locating --location--> located --(owner unreachable)--> locating.

    The snapshot's own mapping is read in place (no copy for each of four snapshots a second); only what a coordinator
    answered us directly is kept beside it.
    """

    __slots__ = ("_answers", "_refused", "_snapshot", "carriers", "mismatch", "num_shards", "queued", "shard_type", "waiting")

    def __init__(self, shard_type: str, num_shards: int) -> None:
        self.shard_type = shard_type
        self.num_shards = num_shards
        self.waiting: dict[int, Waiting] = {}
        self.carriers: dict[int, int] = {}
        """The link that last took an envelope for a shard."""
        self.queued: dict[int, Peer] = {}
        """The node for whose link an envelope of a shard waited last."""
        self.mismatch: ShardCountMismatch | None = None
        self._snapshot: Mapping[int, ShardAllocation] = {}
        self._answers: dict[int, tuple[NodeAddress, float]] = {}
        self._refused: dict[int, float] = {}

    def shard_of(self, entity_id: str) -> int:
        try:
            return entity_shard(entity_id, self.num_shards)
        except UnicodeEncodeError:
            raise UnsendableMessage(
                f"the entity id {entity_id!r} has a lone surrogate in it, half a character: no text for a node"
            ) from None

    def adopt(self, allocations: Mapping[int, ShardAllocation]) -> None:
        """Take a snapshot's allocations of this type; a shard id outside `num_shards` stops the traffic to it."""
        if allocations is self._snapshot:
            return
        self._snapshot = allocations
        # The cluster has moved something: who could only name a lost owner a moment ago may know better now.
        self._refused.clear()
        highest = max(allocations, default=-1)
        if highest >= self.num_shards:
            self.mismatch = ShardCountMismatch(
                f"the cluster uses shard {highest} of {self.shard_type!r}, but it was given as {self.num_shards} shards "
                f"(0 to {self.num_shards - 1}): messages would go to wrong entities; use the num_shards that the nodes use"
            )

    def locate(self, shard: int, now: float) -> NodeAddress | None:
        """The owner as far as known. Absence from a snapshot does not mean unallocated (PROTOCOL section 6.4)."""
        answer = self._answers.get(shard)
        if answer is not None and now - answer[1] < FRESH:
            return answer[0]
        allocation = self._snapshot.get(shard)
        if allocation is not None:
            return allocation.primary
        return answer[0] if answer is not None else None

    def replicas(self, shard: int) -> tuple[NodeAddress, ...]:
        allocation = self._snapshot.get(shard)
        return allocation.replicas if allocation is not None else ()

    def located(self, shard: int, node: NodeAddress, now: float) -> None:
        """A coordinator named a reachable owner."""
        if 0 <= shard < self.num_shards:
            self._answers[shard] = (node, now)
            self._refused.pop(shard, None)

    def refused(self, shard: int, now: float) -> None:
        """A coordinator named an owner that we cannot reach."""
        self._refused[shard] = now

    def was_refused(self, shard: int, now: float, within: float) -> bool:
        at = self._refused.get(shard)
        return at is not None and now - at < within

    def wait(self, outgoing: Outgoing, shard: int) -> Waiting:
        waiting = self.waiting.get(shard)
        if waiting is None:
            waiting = self.waiting[shard] = Waiting()
        insert_in_order(waiting.items, outgoing)
        return waiting
