"""Why an ask failed: what is known of its target, shard, owner and route, and what that makes likely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casty_notebook.address import NodeAddress
from casty_notebook.cluster.asks import Ask
from casty_notebook.cluster.events import EntityTarget, Outgoing
from casty_notebook.cluster.health import LinkState
from casty_notebook.errors import FailureReport

if TYPE_CHECKING:
    from casty_notebook.cluster.session import Session

__all__ = ["report", "timeout"]

STALE = 10.0


def report(
    session: Session, outgoing: Outgoing, cause: str, advice: str, *, may_have_run: bool = False
) -> FailureReport:
    """Gather what is known of one envelope's target."""
    now = session.now
    owner = _owner(session, outgoing, now)
    peer = session.peers.get(owner) if owner is not None else None
    ask = outgoing.ask
    return FailureReport(
        target=ask.label if ask is not None else str(outgoing.target),
        cause=cause,
        advice=advice,
        shard=outgoing.shard,
        owner=str(owner) if owner is not None else None,
        owner_health=peer.breaker.state.value if peer is not None else None,
        snapshot_age=now - session.snapshot_at if session.snapshot_at is not None else None,
        elapsed=now - ask.started if ask is not None else None,
        may_have_run=may_have_run,
        story=session.story(),
    )


def _owner(session: Session, outgoing: Outgoing, now: float) -> NodeAddress | None:
    target = outgoing.target
    if not isinstance(target, EntityTarget):
        return target.node
    table = session.table(target.shard_type)
    return table.locate(outgoing.shard, now) if table is not None and outgoing.shard is not None else None


def timeout(session: Session, ask: Ask) -> tuple[str, str]:
    """The likeliest cause of a timeout, and the next thing to try. The protocol itself never says no (PROTOCOL section 6.7)."""
    if session.snapshot is None:
        attempts = "; ".join(map(str, session.contact_attempts())) or "nothing has answered yet"
        return f"no topology snapshot came in time ({attempts}).", "Check the address and that the cluster runs."
    if ask.generation is not None:
        return _unanswered(ask)
    target = ask.target
    if isinstance(target, EntityTarget):
        return _unlocated(session, target)
    return f"no connection to {target.node} came up in time.", "Check the address map, or ask another instance."


def _unanswered(ask: Ask) -> tuple[str, str]:
    owner = ask.link.peer if ask.link is not None else None
    if owner is not None and owner.breaker.state is LinkState.suspect:
        return f"{owner.address} has stopped answering ({owner.breaker.reason}).", "Ask again once it is back."
    who = str(owner.address) if owner is not None else "the node"
    if isinstance(ask.target, EntityTarget):
        return (
            f"sent to {who}, which is reachable, but no reply came: the actor does not answer this message, is slow, or the "
            "node could not decode it.",
            "Check the message's class and fields and the node's log; or allow more time.",
        )
    return (
        f"sent to {who}, which is reachable, but no reply came: the actor may have stopped (the registry keeps stopped "
        "services), does not answer this message, or the node could not decode it.",
        "Check the path and the message; or allow more time.",
    )


def _unlocated(session: Session, target: EntityTarget) -> tuple[str, str]:
    snapshot = session.snapshot
    known = sorted(snapshot.shard_allocations) if snapshot is not None else []
    if target.shard_type not in known:
        names = ", ".join(map(repr, known)) or "none"
        return (
            f"no node said where its shard lives, and the cluster shows no shards of {target.shard_type!r} (it shows {names}).",
            "Check the type's name.",
        )
    leader = snapshot.leader if snapshot is not None else None
    peer = session.peers.get(leader) if leader is not None else None
    if leader is None or peer is None or not peer.live:
        return (
            f"its shard has no reachable owner, and the leader {leader}, which allocates shards, cannot be reached.",
            "Wait for the cluster to name another leader, or restart that node.",
        )
    return f"the leader {leader} did not say where its shard lives.", "Ask again; look at the leader's log."
