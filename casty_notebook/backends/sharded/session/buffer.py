"""Everything that waits for a route: at a shard that is being located, or at a node that is being connected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.shards import ShardTable, Waiting
from casty_notebook.backends.sharded.session.state import Outgoing, Peer, insert_in_order
from casty_notebook.backends.sharded.session.targets import ActorTarget
from casty_notebook.values.targets import EntityName

__all__ = ["Buffer", "shard_type_of"]


class Buffer:
    """Puts envelopes where they wait, in order, and takes them out again. `count` is all that wait now."""

    def __init__(self, tables: Mapping[str, ShardTable], peers: Peers) -> None:
        self._tables = tables
        self._peers = peers
        self._holding: dict[Peer, None] = {}
        self.count = 0

    def at_shard(self, table: ShardTable, shard: int, outgoing: Outgoing, now: float) -> Waiting:
        """Wait until the shard is located."""
        self.count += 1
        return table.wait(outgoing, shard, now)

    def at_peer(self, peer: Peer, outgoing: Outgoing) -> None:
        """Wait until the node is connected."""
        self.count += 1
        insert_in_order(peer.queue, outgoing)
        self._changed(peer)
        if outgoing.shard is not None:
            self._tables[shard_type_of(outgoing)].queued[outgoing.shard] = peer

    def leave_shard(self, table: ShardTable, shard: int) -> Iterable[Outgoing]:
        """All that waited for the shard, in order."""
        items = table.waiting.pop(shard).items
        self.count -= len(items)
        return items.values()

    def leave_peer(self, peer: Peer) -> Iterable[Outgoing]:
        """All that waited for the node, in order."""
        queue, peer.queue = peer.queue, {}
        self._changed(peer)
        self.count -= len(queue)
        return queue.values()

    def leave_peer_for_shard(self, peer: Peer, table: ShardTable, shard: int) -> list[Outgoing]:
        """What waited at the node for one shard, in order."""
        older = [o for o in peer.queue.values() if o.shard == shard and shard_type_of(o) == table.shard_type]
        for outgoing in older:
            del peer.queue[outgoing.seq]
        self._changed(peer)
        self.count -= len(older)
        return older

    def take(self, outgoing: Outgoing) -> bool:
        """Take one envelope out of wherever it waits."""
        if outgoing.shard is not None:
            table = self._tables[shard_type_of(outgoing)]
            waiting = table.waiting.get(outgoing.shard)
            if waiting is not None and waiting.items.pop(outgoing.seq, None) is not None:
                if not waiting.items:
                    del table.waiting[outgoing.shard]
                self.count -= 1
                return True
        for peer in self._where_it_may_be(outgoing):
            if peer.queue.pop(outgoing.seq, None) is not None:
                self._changed(peer)
                self.count -= 1
                return True
        return False

    def _changed(self, peer: Peer) -> None:
        """A node has a queue, or has none any more: whether it is dialled may depend on that."""
        if peer.queue:
            self._holding[peer] = None
        else:
            self._holding.pop(peer, None)
        self._peers.touch(peer)

    @property
    def holding(self) -> list[Peer]:
        """Nodes that something waits for."""
        return list(self._holding)

    def _where_it_may_be(self, outgoing: Outgoing) -> list[Peer]:
        if isinstance(outgoing.target, ActorTarget):
            peer = self._peers.get(outgoing.target.node)
            return [peer] if peer is not None else []
        return self.holding

    def everything(self) -> list[Outgoing]:
        """All that waits, shard by shard, then node by node."""
        waits = [w.items.values() for t in self._tables.values() for w in t.waiting.values()]
        queues = [peer.queue.values() for peer in self._holding]
        return [outgoing for group in (*waits, *queues) for outgoing in group]


def shard_type_of(outgoing: Outgoing) -> str:
    """The sharded type that an envelope is for, or an empty text."""
    return outgoing.target.shard_type if isinstance(outgoing.target, EntityName) else ""
