"""Where an envelope goes: straight to the shard's owner, else after asking the coordinator, else it fails with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from casty_notebook.backends.sharded.session.buffer import Buffer, shard_type_of
from casty_notebook.backends.sharded.session.events import Effect, Reclaim, Report, Transmit
from casty_notebook.backends.sharded.session.messages import ShardLocation
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.shard_locator import Send, ShardLocator
from casty_notebook.backends.sharded.session.shards import Question, ShardTable
from casty_notebook.backends.sharded.session.state import FOREVER, Ask, Generation, Link, Outgoing, Peer
from casty_notebook.backends.sharded.session.targets import NOT_IN_USE, ActorTarget
from casty_notebook.errors import AskFailed, CastyNotebookError, MisuseError, NodeUnreachable, Overloaded, ShardCountMismatch
from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.targets import EntityName

__all__ = ["Router"]

_NO_MEMBER = (
    "{} is no member of the cluster, and a ref alone is no reason to dial it: any node may have sent it. If you mean it, name it "
    "as text: {}"
)

type FailWith = Callable[[Outgoing, type[AskFailed] | CastyNotebookError, str, str, list[Effect]], None]
"""(envelope, error or its class, cause, advice, effects): fail the ask, or refuse the tell, with a full report."""

type Drop = Callable[[list[Outgoing], str, list[Effect]], None]
"""(envelopes, why, effects): give these tells up, count them and report them."""


class Router:
    """made --owner live--> transmitted; made --shard unknown | owner lost--> waiting --located--> made; made --no link--> queued.

    What is queued for a node is routed again once the node is connected, and so is what a lost link had not sent. An ask that
    is to fail fast fails where others would wait for a lost owner or node.
    Order per entity holds: an envelope never overtakes one that waits for the same shard or the same node.
    """

    def __init__(
        self, settings: Settings, system: str, peers: Peers, send: Send, fail: FailWith, drop: Drop, names: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._peers = peers
        self._fail = fail
        self._drop = drop
        self._locator = ShardLocator(settings, system, peers, send, names)
        self.tables: dict[str, ShardTable] = {}
        self._buffer = Buffer(self.tables, peers)
        self._expiry = FOREVER
        self.wake = FOREVER

    @property
    def snapshot(self) -> TopologySnapshot | None:
        return self._locator.snapshot

    @property
    def buffered(self) -> int:
        """Envelopes that wait for a route."""
        return self._buffer.count

    def everything(self) -> list[Outgoing]:
        """All that waits for a route; it stays."""
        return self._buffer.everything()

    # --- sharded types -----------------------------------------------------------------------------------------

    def register(self, shard_type: str, num_shards: int) -> ShardTable:
        """Settle the number of shards of a type.

        Raises
        ------
        ShardCountMismatch
            If the number is no positive integer, or the type is in use here with another. That the cluster seems to use
            another number is only reported (see `Census`): else one foreign client with a wrong number would stop all others.
        """
        if not isinstance(num_shards, int) or isinstance(num_shards, bool) or num_shards < 1:
            raise ShardCountMismatch(f"num_shards of {shard_type!r} must be a positive integer, not {num_shards!r}")
        table = self.tables.get(shard_type)
        if table is None:
            if len(self.tables) >= self._settings.max_shard_types:
                raise MisuseError(f"{len(self.tables)} sharded types are in use already; the limit is max_shard_types")
            table = self.tables[shard_type] = ShardTable(shard_type, num_shards)
            if self.snapshot is not None:
                table.adopt(self.snapshot.shard_allocations.get(shard_type, {}), 0.0)
                if table.census.has_news:
                    self.wake = 0.0
        elif table.num_shards != num_shards:
            raise ShardCountMismatch(
                f"{shard_type!r} is in use with num_shards={table.num_shards} and cannot also have {num_shards}: "
                "entities would be asked on wrong nodes; use one number, that of the nodes"
            )
        return table

    # --- routing -----------------------------------------------------------------------------------------------

    def begin(self, outgoing: Outgoing, now: float, out: list[Effect]) -> None:
        """Route a new envelope. If one for the same shard has left since the last change, it goes the same way unexamined."""
        target = outgoing.target
        if type(target) is EntityName:
            table = self.tables.get(target.shard_type)
            if table is not None:
                shard = outgoing.shard = table.shard_of(target.entity_id)
                way = table.ways.get(shard)
                if way is not None:
                    self._hand_over(outgoing, way[0], way[1], now, out)
                    return
        self.route(outgoing, now, out)

    def forget_ways(self) -> None:
        """Make `begin` look for every shard's way anew, since something may have changed."""
        for table in self.tables.values():
            table.ways.clear()

    def route(self, outgoing: Outgoing, now: float, out: list[Effect]) -> None:
        """Send an envelope to where its target is as far as known now, let it wait for that, or fail it."""
        target = outgoing.target
        if isinstance(target, ActorTarget):
            if self._peers.may_dial(target.node):
                self._to_peer(outgoing, self._peers.get_or_add(target.node, now), now, out)
            else:
                self._fail(outgoing, MisuseError(_NO_MEMBER.format(target.node, target)), "", "", out)
            return
        table = self.tables.get(target.shard_type)
        if table is None:
            self._fail(outgoing, MisuseError(NOT_IN_USE.format(target.shard_type)), "", "", out)
            return
        if outgoing.shard is None:
            outgoing.shard = table.shard_of(target.entity_id)
        shard = outgoing.shard
        if shard in table.waiting:
            self._wait(table, outgoing, shard, now, out)
            return
        node = table.locate(shard, now)
        peer = self._peers.get_or_add(node, now) if node is not None else None
        if peer is None or not peer.breaker.usable:
            self._wait(table, outgoing, shard, now, out)
        elif self._would_overtake(table, shard, peer):
            self._wait_for_older(table, outgoing, shard, now, out)
        else:
            if shard in table.queued:
                self._send_older_first(table, shard, peer, now, out)
            self._to_peer(outgoing, peer, now, out)

    def _would_overtake(self, table: ShardTable, shard: int, peer: Peer) -> bool:
        """Whether older envelopes for the shard may still wait for the socket of another link, and would be overtaken.

        That is so after the shard has moved, or its node has got another link.
        """
        carrier = self._peers.links.get(table.carriers.get(shard, -1))
        return carrier is not None and peer.sender is not carrier

    def _wait_for_older(
        self, table: ShardTable, outgoing: Outgoing, shard: int, now: float, out: list[Effect]
    ) -> None:
        """Let an envelope wait until the other link has given back the older ones that it had not sent (see `reclaimed`)."""
        if self._has_room(outgoing, out):
            waiting = self._buffer.at_shard(table, shard, outgoing, now)
            waiting.question.retry_at = now + self._settings.shard_retry
            out.append(Reclaim(table.carriers.pop(shard)))

    def _send_older_first(self, table: ShardTable, shard: int, peer: Peer, now: float, out: list[Effect]) -> None:
        """Send the older envelopes for a shard first, which still wait for a link to the node where it was before."""
        former = table.queued.get(shard)
        if former is None or former is peer:
            return
        del table.queued[shard]
        for outgoing in self._buffer.leave_peer_for_shard(former, table, shard):
            self._to_peer(outgoing, peer, now, out)

    def reclaimed(self, unsent: Iterable[Outgoing], now: float, out: list[Effect]) -> None:
        """A link gave back what it had not sent: route it again, in order, then what waited for it."""
        for outgoing in unsent:
            if outgoing.ask is not None:
                outgoing.ask.withdrawn()
            self.route(outgoing, now, out)
        self.review(now, out)

    def _to_peer(self, outgoing: Outgoing, peer: Peer, now: float, out: list[Effect]) -> None:
        if peer.live and not peer.queue and not self._peers.settling:
            self._transmit(outgoing, peer, now, out)
        elif not peer.breaker.usable and _fails_fast(outgoing):
            self._fail_unreachable(outgoing, peer, out)
        elif self._has_room(outgoing, out):
            self._buffer.at_peer(peer, outgoing)
            self._note_expiry(outgoing)
            if peer.dialling is None:
                self._wake_at(now)

    def _transmit(self, outgoing: Outgoing, peer: Peer, now: float, out: list[Effect]) -> None:
        link, generation = peer.sender or peer.receiving, peer.receiving.generation
        if outgoing.shard is not None:
            table = self.tables[shard_type_of(outgoing)]
            table.carriers[outgoing.shard] = link.id
            if table.is_settled(outgoing.shard):
                table.ways[outgoing.shard] = link, generation
        self._hand_over(outgoing, link, generation, now, out)

    @staticmethod
    def _hand_over(outgoing: Outgoing, link: Link, generation: Generation, now: float, out: list[Effect]) -> None:
        link.used = now
        outgoing.sent(link, generation)
        out.append(Transmit(link.id, outgoing))

    def _has_room(self, outgoing: Outgoing, out: list[Effect]) -> bool:
        if outgoing.admitted or self.buffered < self._settings.max_buffered:
            outgoing.admitted = True
            return True
        cause = f"{self.buffered} messages already wait for a route, which is the bound (max_buffered)."
        self._fail(outgoing, Overloaded, cause, "Wait for them with drain(), or send less at once.", out)
        return False

    def _fail_unreachable(self, outgoing: Outgoing, peer: Peer, out: list[Effect]) -> None:
        state = "does not answer" if peer.breaker.state is LinkState.suspect else "cannot be reached"
        cause = f"its node {peer.address} {state} ({peer.breaker.reason})."
        advice = "Ask again once the cluster has moved the shard or the node is back."
        if isinstance(outgoing.target, ActorTarget):
            advice = "Ask another instance, or again once the node is back."
        self._fail(outgoing, NodeUnreachable, cause, advice, out)

    # --- locating ----------------------------------------------------------------------------------------------

    def _wait(self, table: ShardTable, outgoing: Outgoing, shard: int, now: float, out: list[Effect]) -> None:
        if _fails_fast(outgoing):
            lost = self._unreachable_owner(table, shard, now)
            if lost is not None:
                self._fail_unreachable(outgoing, lost, out)
                return
        if not self._has_room(outgoing, out):
            return
        waiting = self._buffer.at_shard(table, shard, outgoing, now)
        self._note_expiry(outgoing)
        self._inquire(table, shard, waiting.question, now)

    def _unreachable_owner(self, table: ShardTable, shard: int, now: float) -> Peer | None:
        """The shard's owner, if it is unreachable and nobody could name another one now."""
        if self.snapshot is None:
            return None
        node = table.locate(shard, now)
        peer = self._peers.get(node) if node is not None else None
        if peer is None or peer.breaker.usable:
            return None
        if self._locator.find() is not None and not table.was_refused(shard, now, self._settings.shard_retry):
            return None
        return peer

    def _inquire(self, table: ShardTable, shard: int, question: Question, now: float) -> None:
        """Ask a coordinator, if it is time to."""
        if question.retry_at <= now:
            self._locator.ask(table, shard, question, now)
        self._wake_at(question.retry_at)

    def located(self, shard_type: str, name: str, location: ShardLocation, now: float, out: list[Effect]) -> None:
        """A coordinator has answered the question of that name."""
        table = self.tables.get(shard_type)
        shard = location.shard_id
        question = table.questions.get(shard) if table is not None else None
        if table is None or question is None or question.name != name:
            # Nobody asked this, or it was answered before. Believing it would let any node fill our memory with addresses.
            return
        # Nothing is sent to a node that is no member (yet). The next snapshot may name it, even before we ask again.
        peer = self._peers.get_or_add(location.node, now) if self._peers.may_dial(location.node) else None
        if peer is not None and peer.breaker.usable:
            table.located(shard, location.node, now)
            self._release(table, shard, peer, now, out)
            return
        question.answered(location.node, now, self._settings)
        self._wake_at(question.retry_at)
        if shard in table.waiting and peer is not None:
            self._fail_fast_asks(table, shard, peer, out)

    def _fail_fast_asks(self, table: ShardTable, shard: int, lost: Peer, out: list[Effect]) -> None:
        for outgoing in list(table.waiting[shard].items.values()):
            if _fails_fast(outgoing):
                self._buffer.take(outgoing)
                self._fail_unreachable(outgoing, lost, out)

    def _release(self, table: ShardTable, shard: int, peer: Peer, now: float, out: list[Effect]) -> None:
        """Send what waits for a shard to its owner."""
        if shard not in table.waiting:
            return
        if self._would_overtake(table, shard, peer):
            # The older envelopes come back in `reclaimed` and queue up before these; then all are released, in order.
            out.append(Reclaim(table.carriers.pop(shard)))
            return
        table.questions.pop(shard, None)
        waiting = self._buffer.leave_shard(table, shard)
        self._send_older_first(table, shard, peer, now, out)
        for outgoing in waiting:
            self._to_peer(outgoing, peer, now, out)

    # --- what changes ------------------------------------------------------------------------------------------

    def adopt(self, snapshot: TopologySnapshot, now: float, out: list[Effect]) -> None:
        """Read a new snapshot, and release what it locates."""
        before = self.snapshot
        self._locator.snapshot = snapshot
        others = before is None or before.leader != snapshot.leader or before.members != snapshot.members
        for table in self.tables.values():
            table.adopt(snapshot.shard_allocations.get(table.shard_type, {}), now)
            if others:
                for question in table.questions.values():
                    question.overtaken()
        self.review(now, out)

    def review(self, now: float, out: list[Effect]) -> None:
        """Something changed (snapshot, link, health): look at everything that waits again."""
        for table in self.tables.values():
            for shard in list(table.waiting):
                self._review_shard(table, shard, now, out)
        for peer in self._buffer.holding:
            if peer.queue and peer.live and not self._peers.settling:
                self.flush(peer, now, out)

    def _review_shard(self, table: ShardTable, shard: int, now: float, out: list[Effect]) -> None:
        node = table.locate(shard, now)
        peer = self._peers.get_or_add(node, now) if node is not None else None
        if peer is not None and peer.breaker.usable:
            self._release(table, shard, peer, now, out)
            return
        lost = self._unreachable_owner(table, shard, now)
        if lost is not None:
            self._fail_fast_asks(table, shard, lost, out)
        waiting = table.waiting.get(shard)
        if waiting is None:
            return
        question = waiting.question
        asked = self._peers.get(question.asked_of) if question.asked_of is not None else None
        if asked is None or not asked.live:
            # No node could be asked, or the one that was asked is lost: ask at once.
            question.retry_at = min(question.retry_at, now)
        self._inquire(table, shard, question, now)

    def flush(self, peer: Peer, now: float, out: list[Effect]) -> None:
        """The peer has a link: route what waited for it once more. Its shard may have moved meanwhile."""
        for outgoing in self._buffer.leave_peer(peer):
            self.route(outgoing, now, out)

    def reroute(self, unsent: tuple[Outgoing, ...], peer: Peer, now: float, out: list[Effect]) -> None:
        """A link is lost: what never reached its socket, and what waited for the peer, looks for another way, in order."""
        queue = () if peer.live else self._buffer.leave_peer(peer)
        for outgoing in (*unsent, *queue):
            self.route(outgoing, now, out)

    def take_all(self) -> list[Outgoing]:
        """Give back everything that waits for a route."""
        return [outgoing for outgoing in self._buffer.everything() if self._buffer.take(outgoing)]

    def withdraw(self, ask: Ask) -> bool:
        """The ask is over: take its envelope out if it still waits for a route. Returns whether it did."""
        return self.buffered > 0 and self._buffer.take(ask)

    def validate(self, now: float) -> list[tuple[bool, str]]:
        """Pairs of whether something holds, and what to say if not: each remembered way is the one that `route` would take."""
        return [
            (self._is_the_way(table, shard, *way, now), f"shard {shard} of {table.shard_type!r} goes a way that is none any more")
            for table in self.tables.values()
            for shard, way in table.ways.items()
        ]

    def _is_the_way(self, table: ShardTable, shard: int, link: Link, generation: Generation, now: float) -> bool:
        peer = link.peer
        free = peer.live and not peer.queue and not self._peers.settling and shard not in table.waiting
        right = table.locate(shard, now) == peer.address and (peer.sender, peer.receiving.generation) == (link, generation)
        return free and right and table.carriers.get(shard) == link.id and table.queued.get(shard, peer) is peer

    # --- time --------------------------------------------------------------------------------------------------

    def _wake_at(self, at: float) -> None:
        self.wake = min(self.wake, at)

    def tick(self, now: float, out: list[Effect]) -> None:
        """Ask again where shards live that envelopes wait for, drop tells whose time is over, report what the census found."""
        self.wake = FOREVER
        for table in self.tables.values():
            out.extend(map(Report, table.census.news()))
        if not self.buffered:
            return
        self.review(now, out)
        if self._expiry <= now:
            self._expire(now, out)
        self._wake_at(self._expiry)
        for table in self.tables.values():
            table.forget_questions(now, self._settings.shard_retry_cap)
            for waiting in table.waiting.values():
                self._wake_at(waiting.question.retry_at)

    def _note_expiry(self, outgoing: Outgoing) -> None:
        """Note when a tell that waits is to be dropped. Not of asks: their deadlines are looked after in `Asks`."""
        if outgoing.ask is None and outgoing.deadline < self._expiry:
            self._expiry = outgoing.deadline
            self._wake_at(outgoing.deadline)

    def _expire(self, now: float, out: list[Effect]) -> None:
        tells = [outgoing for outgoing in self._buffer.everything() if outgoing.ask is None]
        self._expiry = min((outgoing.deadline for outgoing in tells if outgoing.deadline > now), default=FOREVER)
        expired = [outgoing for outgoing in tells if outgoing.deadline <= now and self._buffer.take(outgoing)]
        self._drop(expired, f"no route in {self._settings.tell_expiry:g} s", out)


def _fails_fast(outgoing: Outgoing) -> bool:
    """Whether this is an ask that fails at once while its node cannot be reached; one with `retry` waits for the node instead."""
    ask = outgoing.ask
    return ask is not None and ask.fail_fast and not ask.retry
