"""Why an ask failed: what is known of its key, its owner and the way there, and what that makes likely."""

from __future__ import annotations

from typing import Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.backends.virtual.codec.protocol import Outcome
from casty_notebook.backends.virtual.session.asks import Envelope
from casty_notebook.backends.virtual.session.links import Peers
from casty_notebook.backends.virtual.session.members import Members, pinned_to
from casty_notebook.errors import (
    ActorFailed,
    AskFailed,
    AskTimeout,
    CastyNotebookError,
    ClientClosed,
    ContactAttempt,
    FailureReport,
    MailboxFull,
    MisuseError,
    NodeUnreachable,
    NoSuchKey,
    NoSuchType,
    Overloaded,
)

__all__ = [
    "closed", "connection_lost", "misfit", "of_outcome", "overloaded", "timed_out", "unreachable", "unsent",
]  # fmt: skip


class Known(Protocol):
    """What of a session goes into an error."""

    cluster: str
    members: Members | None
    table_at: float | None
    now: float
    peers: Peers

    @property
    def pending(self) -> int: ...
    def contact_attempts(self) -> tuple[ContactAttempt, ...]: ...
    def trace(self) -> tuple[str, ...]: ...


def _report(
    known: Known, envelope: Envelope, cause: str, advice: str, *, may_have_run: bool = False, refused: bool = False
) -> FailureReport:  # fmt: skip
    owner = _owner(known, envelope)
    peer = known.peers.get(owner)
    return FailureReport(
        target=envelope.what,
        cause=cause,
        advice=advice,
        owner=str(owner) if owner is not None else None,
        owner_health=peer.breaker.state.value if peer is not None else None,
        snapshot_age=known.now - known.table_at if known.table_at is not None else None,
        elapsed=known.now - envelope.started,
        may_have_run=may_have_run or envelope.left,
        refused=refused,
        story=known.trace(),
    )


def _owner(known: Known, envelope: Envelope) -> NodeAddress | None:
    if envelope.link is not None:
        return envelope.link.peer.address
    owner = known.members.owner(envelope.actor, envelope.key) if known.members is not None else None
    return owner.address if owner is not None else None


def closed(known: Known, envelope: Envelope) -> CastyNotebookError:
    """The client was left."""
    cause = "the client was left: its connections are closed."
    return ClientClosed(_report(known, envelope, cause, "Make a new client.", may_have_run=envelope.link is not None))


def overloaded(known: Known, envelope: Envelope) -> CastyNotebookError:
    """There is no room for another message that waits."""
    cause = f"{known.pending:,} asks wait already, and what waits is at its bound (max_pending_asks, max_buffered)."
    return Overloaded(_report(known, envelope, cause, "Send less at once, or wait until the cluster is reachable again."))


def misfit(envelope: Envelope, said: str) -> CastyNotebookError:
    """The type has refused such a message before, which made its actor fail and start again."""
    return MisuseError(
        f"{envelope.name} does not fit {envelope.actor}, which said {said!r} and was restarted by it; it was not sent again. "
        f"{_mending(said)}, or insist with force=True"
    )


def _mending(said: str) -> str:
    """What to do about a message that did not fit."""
    if "map is not an alternative" in said:
        return "Where a field takes one of several classes (A | B, A | None), write casty_notebook.OneOf(…) around the value"
    return "Mend the message"


def connection_lost(known: Known, envelope: Envelope, reason: str) -> CastyNotebookError:
    """The link by which an ask had left is gone."""
    cause = f"the connection to {_owner(known, envelope)} was lost while waiting for the answer ({reason})."
    advice = "If asking twice does no harm, use retry=True."
    return NodeUnreachable(_report(known, envelope, cause, advice, may_have_run=True))


def unreachable(known: Known, envelope: Envelope) -> CastyNotebookError:
    """No member takes the messages of the key now."""
    advice = "Ask again once the members agree on an owner."
    if envelope.number is not None and _is_nowhere(known, envelope):
        advice = "Look at the members' addresses; a node that is being started is one once it has joined."
    return NodeUnreachable(_report(known, envelope, _why_waiting(known, envelope), advice))


def unsent(known: Known, envelope: Envelope, cause: str, advice: str) -> CastyNotebookError:
    """The connection did not take it."""
    return Overloaded(_report(known, envelope, cause, advice))


def timed_out(known: Known, envelope: Envelope) -> CastyNotebookError:
    """Its time is up, wherever it was."""
    if envelope.link is None:
        advice = "Look at the members; allow more time than they need to agree on a new owner (about 10 s after a death)."
        return AskTimeout(_report(known, envelope, _why_waiting(known, envelope), advice))
    peer = envelope.link.peer
    if not peer.live:
        cause = f"{peer.address} has stopped answering ({peer.breaker.reason})."
        return AskTimeout(_report(known, envelope, cause, "Ask again once it is back.", may_have_run=True))
    cause = f"sent to {peer.address}, which is reachable, but no answer came: the actor is slow, or does not answer this message."
    advice = "Allow more time; look at the node's log. It was told to stop working on it."
    return AskTimeout(_report(known, envelope, cause, advice, may_have_run=True))


def _why_waiting(known: Known, envelope: Envelope) -> str:
    if known.members is None:
        attempts = "; ".join(map(str, known.contact_attempts())) or "nothing has answered yet"
        return f"no member has told us of the others yet ({attempts})."
    owner = known.members.owner(envelope.actor, envelope.key)
    if owner is None and _is_nowhere(known, envelope):
        there = [str(member.address) for member in known.members.members]
        more = f" and {len(there) - 8} more" if len(there) > 8 else ""
        return f"it is pinned to {pinned_to(envelope.key)}, where no member is (members: {', '.join(there[:8])}{more})."
    if owner is None:
        replicas = ", ".join(map(str, known.members.replicas(envelope.actor, envelope.key))) or "no member"
        return f"its key is kept by {replicas}, none of which takes messages now."
    peer = known.peers.get(owner.address)
    if envelope.returned:
        return f"it came back from {owner.address} {envelope.returned} times: the members do not agree on who owns its key."
    reason = peer.breaker.reason if peer is not None else "not connected"
    return f"its key's owner {owner.address} cannot be reached from here ({reason or 'connecting'})."


def _is_nowhere(known: Known, envelope: Envelope) -> bool:
    """Its key is pinned to a node that is no member."""
    pinned = pinned_to(envelope.key)
    return pinned is not None and known.members is not None and known.members.get(pinned) is None


def of_outcome(known: Known, envelope: Envelope, outcome: Outcome) -> CastyNotebookError:
    """The node said how it ended."""
    kind, cause, advice = _OUTCOMES.get(outcome.kind, (AskFailed, f"the node answered {outcome.kind!r}.", "Look at its log."))
    if kind is ActorFailed:
        cause = f"its actor raised {outcome.error}: {outcome.message}."
        advice = "It starts again from its last saved state; look at the node's log."
        if outcome.error == "SchemaError":
            advice = (
                f"{envelope.name} does not fit the actor, which was restarted by it; its like to {envelope.actor} is refused "
                f"from now on. {_mending(outcome.message)}, or insist with force=True."
            )
        return ActorFailed(_report(known, envelope, cause, advice, may_have_run=True), outcome.error, outcome.message)
    # Missing, unknown and full all mean that nothing ran.
    return kind(_report(known, envelope, cause, advice, may_have_run=kind is AskFailed, refused=kind is not AskFailed))


_OUTCOMES: dict[str, tuple[type[AskFailed], str, str]] = {
    "Failed": (ActorFailed, "", ""),
    "Missing": (NoSuchKey, "the key does not exist, and its type has no state to begin with.", "Check the key."),
    "Unknown": (NoSuchType, "its owner does not have that actor type.", "Check the type's name: module:qualname."),
    "Full": (MailboxFull, "the mailbox of its actor is full.", "Ask again later, or less at once."),
    # Those below may have run.
    "Unreached": (
        AskFailed, "its owner could not settle the key's state with the nodes that keep it: too few of them answered.",
        "Ask again once the members agree; if asking twice does no harm, use retry=True.",
    ),
    "TooLarge": (
        AskFailed, "its answer is larger than the cluster's limit for one message, so that its node could not send it.",
        "Ask for less at once, or in parts.",
    ),
    "Cycle": (AskFailed, "actors asked each other in a circle, where each would wait for itself.", "Look at whom it asks."),
}  # fmt: skip
