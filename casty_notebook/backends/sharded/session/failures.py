"""Why an ask failed: what is known of its target, shard, owner and route, and what that makes likely."""

from __future__ import annotations

from typing import Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.peers import Peers
from casty_notebook.backends.sharded.session.shards import Question, ShardTable
from casty_notebook.backends.sharded.session.state import Ask, Outgoing
from casty_notebook.backends.sharded.session.targets import Target
from casty_notebook.errors import ContactAttempt, FailureReport
from casty_notebook.topology.health import LinkState
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.targets import EntityName

__all__ = ["Known", "report", "timeout"]


class Known(Protocol):
    """What a report quotes; read only."""

    @property
    def now(self) -> float: ...
    @property
    def snapshot(self) -> TopologySnapshot | None: ...
    @property
    def snapshot_at(self) -> float | None: ...
    @property
    def peers(self) -> Peers: ...
    def table(self, shard_type: str) -> ShardTable | None: ...
    def contact_attempts(self) -> tuple[ContactAttempt, ...]: ...
    def story(self) -> tuple[str, ...]: ...


def report(
    known: Known, outgoing: Outgoing, cause: str, advice: str, *, may_have_run: bool = False
) -> FailureReport:
    """Gather what is known of one envelope's target."""
    now = known.now
    owner = _owner(known, outgoing, now)
    peer = known.peers.get(owner) if owner is not None else None
    ask = outgoing.ask
    return FailureReport(
        target=ask.label if ask is not None else str(outgoing.target),
        cause=cause,
        advice=advice,
        shard=outgoing.shard,
        owner=str(owner) if owner is not None else None,
        owner_health=peer.breaker.state.value if peer is not None else None,
        snapshot_age=now - known.snapshot_at if known.snapshot_at is not None else None,
        elapsed=now - ask.started if ask is not None else None,
        may_have_run=may_have_run,
        story=(*known.story(), *_inquiry(known, outgoing)),
    )


def _question(known: Known, target: Target, shard: int | None) -> Question | None:
    table = known.table(target.shard_type) if isinstance(target, EntityName) else None
    return table.questions.get(shard) if table is not None and shard is not None else None


def _inquiry(known: Known, outgoing: Outgoing) -> tuple[str, ...]:
    """When whom was asked where the shard lives, and what useless answers came."""
    question = _question(known, outgoing.target, outgoing.shard)
    if question is None:
        return ()
    return tuple(f"{at - known.now:+.3f} s shard {outgoing.shard}: {what}" for at, what in question.trace)


def _owner(known: Known, outgoing: Outgoing, now: float) -> NodeAddress | None:
    target = outgoing.target
    if not isinstance(target, EntityName):
        return target.node
    table = known.table(target.shard_type)
    return table.locate(outgoing.shard, now) if table is not None and outgoing.shard is not None else None


def timeout(known: Known, ask: Ask) -> tuple[str, str]:
    """The likeliest cause of a timeout, and the next thing to try. The protocol itself never says no (PROTOCOL section 6.7)."""
    if known.snapshot is None:
        attempts = "; ".join(map(str, known.contact_attempts())) or "nothing has answered yet"
        return f"no topology snapshot came in time ({attempts}).", "Check the address and that the cluster runs."
    if ask.generation is not None:
        return _unanswered(ask)
    target = ask.target
    if isinstance(target, EntityName):
        return _unlocated(known, target, ask.shard)
    reason = _why_unreachable(known, target.node)
    return (
        f"it was held all the time, since no connection to {target.node} came up{reason}; it was not sent.",
        "Ask another instance, or again once it is back; if it was never reached, see address_map=.",
    )


def _why_unreachable(known: Known, node: NodeAddress) -> str:
    peer = known.peers.get(node)
    if peer is None or not peer.breaker.reason:
        return ""
    return f" ({peer.breaker.reason})"


def _unanswered(ask: Ask) -> tuple[str, str]:
    owner = ask.link.peer if ask.link is not None else None
    if owner is not None and owner.breaker.state is LinkState.suspect:
        return f"{owner.address} has stopped answering ({owner.breaker.reason}).", "Ask again once it is back."
    who = str(owner.address) if owner is not None else "the node"
    if isinstance(ask.target, EntityName):
        return (
            f"sent to {who}, which is reachable, but no reply came: the actor does not answer this message, is slow, or the "
            "node could not decode it, or not encode its reply.",
            "Check the message's class and fields and the node's log; or allow more time.",
        )
    return (
        f"sent to {who}, which is reachable, but no reply came: the actor may have stopped (the registry keeps stopped "
        "services), does not answer this message, or the node could not decode it, or not encode its reply.",
        "Check the path and the message; or allow more time.",
    )


def _unlocated(known: Known, target: EntityName, shard: int | None) -> tuple[str, str]:
    """It was held until its timeout: its shard has no owner that can be reached."""
    snapshot = known.snapshot
    table = known.table(target.shard_type)
    owner = table.locate(shard, known.now) if table is not None and shard is not None else None
    question = _question(known, target, shard)
    asked = _asked(known, question)
    if owner is not None:
        return (
            f"it was held all the time, since its node {owner} cannot be reached{_why_unreachable(known, owner)}{asked}"
            f"{_lost_leader(known, owner)}; it was not sent.",
            "Ask again once the cluster has moved the shard or the node is back; fail_fast=True does not wait for that.",
        )
    types = sorted(snapshot.shard_allocations) if snapshot is not None else []
    if target.shard_type not in types:
        names = ", ".join(map(repr, types)) or "none"
        return (
            f"no node said where its shard lives, and the cluster shows no shards of {target.shard_type!r} (it shows {names}).",
            "Check the type's name.",
        )
    leader = snapshot.leader if snapshot is not None else None
    peer = known.peers.get(leader) if leader is not None else None
    if leader is None or peer is None or not peer.live:
        return (
            f"its shard has no reachable owner, and the leader {leader}, which allocates shards, cannot be reached{asked}.",
            "Wait for the cluster to name another leader, or restart that node.",
        )
    if question is not None and question.answers:
        return f"its shard has no owner that can be reached{asked}.", "Ask again once the cluster has moved it."
    return f"the leader {leader} did not say where its shard lives{asked}.", "Ask again; look at the leader's log."


def _lost_leader(known: Known, owner: NodeAddress) -> str:
    """Whether the snapshot names a leader that cannot be reached, as it may for ever (PROTOCOL section 6.5)."""
    leader = known.snapshot.leader if known.snapshot is not None else None
    peer = known.peers.get(leader) if leader is not None else None
    if peer is None or peer.breaker.usable:
        return ""
    who = "it" if leader == owner else f"{leader}, which cannot be reached either,"
    return f", and the cluster still takes {who} for its leader, without which it places no shards"


def _asked(known: Known, question: Question | None) -> str:
    """How often where the shard lives was asked, and what came of it."""
    if question is None or question.asked_of is None:
        return ""
    times = "once" if question.count == 1 else f"{question.count} times in {known.now - question.first_at:.1f} s"
    answers = f", {question.answers} answers named {question.last}, which cannot be reached" if question.answers else ""
    return f" (where the shard lives was asked {times}, last of {question.asked_of}{answers})"
