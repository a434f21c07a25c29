"""The node that says where a shard lives: which one to ask, and asking it (PROTOCOL sections 6.4 and 6.6)."""

from __future__ import annotations

from collections.abc import Callable

from casty_notebook.address import ActorAddress
from casty_notebook.backends.sharded.session.encodings import Encoding
from casty_notebook.backends.sharded.session.messages import GetShardLocation
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.shards import Question, ShardTable
from casty_notebook.backends.sharded.session.state import Link, Peer
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import MemberStatus, TopologySnapshot
from casty_notebook.values.refs import ActorRef

__all__ = ["PROXY_PATH", "Send", "ShardLocator"]

PROXY_PATH = "/_proxy-"

type Send = Callable[[Link, str, object, Encoding | None], None]
"""(link, path on the node, message, encoding or None for the known one): a message of the session's own."""


class ShardLocator:
    """Asks the leader for shards. Its questions are repeated, with growing pauses, as long as somebody waits."""

    def __init__(self, settings: Settings, system: str, peers: Peers, send: Send, names: Callable[[], str]) -> None:
        self._settings = settings
        self._system = system
        self._peers = peers
        self._send = send
        self._names = names
        self.snapshot: TopologySnapshot | None = None

    def find(self, turn: int = 0) -> Peer | None:
        """The leader, or who becomes it when the cluster notices the leader's death; None if nobody can be asked now.

        A snapshot may name a dead leader for ever (PROTOCOL section 6.5); the leader is the lowest address among the
        ``up`` members (section 6.6). The survivors do not all know the same then, so they are asked in `turn`.
        """
        if self.snapshot is None:
            return None
        leader = self._peers.get(self.snapshot.leader) if self.snapshot.leader is not None else None
        if leader is not None and leader.breaker.usable:
            # While the leader is being connected, nobody is asked: a follower would forward the question to it, and it would
            # answer to an identity that has no connection there yet, which loses the answer.
            return leader if leader.live else None
        candidates = sorted(m.address for m in self.snapshot.members if m.status is MemberStatus.up)
        peers = [peer for address in candidates if (peer := self._peers.get(address)) is not None and peer.live]
        return peers[turn % len(peers)] if peers else None

    def ask(self, table: ShardTable, shard: int, question: Question, now: float) -> None:
        """Ask where a shard lives, and note in `question` when to ask again."""
        peer = self.find(question.count)
        if peer is None:
            question.retry_at = now + self._settings.shard_retry
            return
        question.asked(peer.address, now, self._settings)
        table.census.ours.add(shard)
        link = peer.receiving
        # Any node that the question is forwarded to may answer it (PROTOCOL section 3.5), and none that has not seen this path.
        question.name = question.name or self._names()
        path = f"{PROXY_PATH}{table.shard_type}/{question.name}"
        ref = ActorRef(ActorAddress(self._system, path, link.generation.identity))
        self._send(link, f"/_coord-{table.shard_type}", GetShardLocation(shard, ref), None)
