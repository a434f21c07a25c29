"""One hierarchy of errors: ours (you asked for something impossible) and theirs (the cluster or the network did).

The split follows h11's ``LocalProtocolError`` / ``RemoteProtocolError``: a `MisuseError` is mended in the caller's
code, a `ClusterError` is mended on the other side or by waiting. Any other exception that escapes this package is a bug.

Every message says what was seen, from whom, what was allowed and what to try (DESIGN section 2.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from casty_notebook.printable import printable, printable_lines

__all__ = [
    "ActorFailed",
    "AskFailed",
    "AskTimeout",
    "CastyNotebookError",
    "ClientClosed",
    "ClusterError",
    "ContactAttempt",
    "FailureReport",
    "HandshakeRefused",
    "Interrupted",
    "InvalidAddress",
    "InvalidRecording",
    "MailboxFull",
    "MisuseError",
    "NoContactPoint",
    "NoSuchKey",
    "NoSuchService",
    "NoSuchType",
    "NodeDidNotStart",
    "NodeUnreachable",
    "NotEntered",
    "Overloaded",
    "ProtocolError",
    "ReadOnly",
    "ShardCountMismatch",
    "SystemNameMismatch",
    "TLSError",
    "UndecodableMessage",
    "Unpicklable",
    "UnsendableMessage",
    "WaitTimeout",
    "WrongProcess",
    "WrongThread",
    "whole_story",
]

_CAUSES = 10


class CastyNotebookError(Exception):
    """Base of every error that this package raises on purpose. Its text is printable, whatever names it quotes."""

    def __str__(self) -> str:
        return printable(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """Asked for by IPython alone."""
        from casty_notebook.tracebacks import rendered

        return rendered(self)


# --- ours: mended in the caller's code ---------------------------------------------------------------------------


class MisuseError(CastyNotebookError):
    """The call cannot work as written; nothing was sent."""


class InvalidAddress(MisuseError, ValueError):
    """A host, port, path or URI outside what the wire can carry (PROTOCOL sections 2.1 and 9)."""


class InvalidRecording(MisuseError, ValueError):
    """The file is not a recording, is damaged, or is of another version."""


class NotEntered(MisuseError, RuntimeError):
    """A client was used before ``async with`` entered it."""


class WrongThread(MisuseError, RuntimeError):
    """A call was made on a thread or event loop where it cannot work; says where it can."""


class WrongProcess(MisuseError, RuntimeError):
    """A connection was used in a forked child: its sockets and its thread belong to the process that opened it."""


class Unpicklable(MisuseError, TypeError):
    """A connection was to be pickled or copied, most often to send it to a worker; it belongs to the process that opened it."""


class ShardCountMismatch(MisuseError, ValueError):
    """``num_shards`` is no number of shards, or contradicts an earlier ``entity_ref`` of the same client.

    The number of shards is nowhere on the wire (PROTOCOL section 4.2), and a wrong one silently asks the wrong entities.
    What the cluster's shards tell of it is logged, not raised: they may be another client's mistake.
    """


class UnsendableMessage(MisuseError, TypeError):
    """The message cannot be written so that a node can read it back (a ``__main__`` class, a lock, a closure …)."""


class ReadOnly(MisuseError, PermissionError):
    """A read-only connection was given a tell, or a message that is not one of its questions; nothing was sent."""


class Interrupted(CastyNotebookError):
    """Ctrl-C ended a fan-out before this target's reply had come."""


# --- theirs: mended on the other side, or by waiting ---------------------------------------------------------------


class ClusterError(CastyNotebookError):
    """The cluster, a node or the network failed us."""


class ProtocolError(ClusterError):
    """A peer sent bytes outside the protocol; says what was seen and from whom."""


class UndecodableMessage(ProtocolError):
    """A payload was refused by the closed table or a bound; the connection it came by is still in order."""


class HandshakeRefused(ProtocolError, ConnectionError):
    """TCP worked, the handshake did not: another casty generation, TLS on one side only, or no casty node at all."""


class TLSError(ClusterError, ConnectionError):
    """The TLS layer refused the connection (certificate, authority, name, or no TLS on the other side)."""


class SystemNameMismatch(ClusterError):
    """The cluster's nodes state another system name than the one given; both are named."""


@dataclass(frozen=True, slots=True)
class ContactAttempt:
    """What happened at one contact point."""

    contact: str
    outcome: str

    def __str__(self) -> str:
        return printable(f"{self.contact}: {self.outcome}")


class NoContactPoint(ClusterError, ConnectionError):
    """No contact point gave a snapshot in time; `attempts` lists each with what happened there."""

    def __init__(self, message: str, attempts: tuple[ContactAttempt, ...] = ()) -> None:
        super().__init__("\n  ".join([printable(message), *map(str, attempts)]))
        self.attempts = attempts

    def __str__(self) -> str:
        return printable_lines(str(self.args[0]))


class WaitTimeout(ClusterError, TimeoutError):
    """What was waited for was not so in time; says what was last seen instead."""


class NodeDidNotStart(ClusterError):
    """A demo cluster's own node process did not come up; quotes the last lines of its log."""

    def __str__(self) -> str:
        return printable_lines(str(self.args[0]))


@dataclass(frozen=True, slots=True)
class FailureReport:
    """All that was known when an ask failed. Unknown things are None, times are seconds.

    Attributes
    ----------
    target
        What was asked, as the user wrote it or as a ``casty://`` URI.
    shard, owner, owner_health
        Where routing stood; `owner_health` is our own view (live, connecting, suspect, down), not the cluster's.
    snapshot_age, elapsed
        Age of the last topology snapshot and time since the ask was made, in seconds.
    cause
        The likeliest reason in one sentence.
    advice
        The next thing to try.
    may_have_run
        True if the message may have left for the node: the answer was lost, not necessarily the work.
    refused
        True if the node took the message and answered that nothing was done.
    story
        The last few (event, effects) lines of the session, newest last.
    """

    target: str
    cause: str
    advice: str = ""
    shard: int | None = None
    owner: str | None = None
    owner_health: str | None = None
    snapshot_age: float | None = None
    elapsed: float | None = None
    may_have_run: bool = False
    refused: bool = False
    story: tuple[str, ...] = field(default=(), repr=False)

    def headline(self) -> str:
        """The cause and the next thing to try, in one line."""
        return printable(f"{self.target}: {self.cause}" + (f" {self.advice}" if self.advice else ""))

    def details(self) -> str:
        """One line of facts: shard, owner, health, snapshot age, elapsed."""
        facts = []
        if self.shard is not None:
            facts.append(f"shard {self.shard}")
        if self.owner is not None:
            facts.append(f"owner {self.owner} ({self.owner_health or 'unknown'})")
        if self.snapshot_age is not None:
            facts.append(f"snapshot {self.snapshot_age:.1f} s old")
        elif self.elapsed is not None:  # else it was refused before anything was looked at
            facts.append("no snapshot yet")
        if self.elapsed is not None:
            facts.append(f"after {self.elapsed:.2f} s")
        unrun = "it was not executed" if self.refused else "it was not sent"
        facts.append("it may have been executed" if self.may_have_run else unrun)
        return printable(", ".join(facts))


class AskFailed(ClusterError):
    """An ask got no reply; `report` says all that is known about why."""

    def __init__(self, report: FailureReport) -> None:
        super().__init__(f"{report.headline()} [{report.details()}]")
        self.report = report

    def __reduce__(self) -> tuple[type[AskFailed], tuple[FailureReport]]:
        return type(self), (self.report,)


class AskTimeout(AskFailed, TimeoutError):
    """No reply within the ask's timeout."""


class NodeUnreachable(AskFailed, ConnectionError):
    """The node that owns the target cannot be reached from here."""


class NoSuchService(AskFailed, LookupError):
    """No instance of that service is in the last snapshot."""


class NoSuchType(AskFailed, LookupError):
    """The node that owns the key does not have its actor type (clusters of casty 0.30)."""


class NoSuchKey(AskFailed, LookupError):
    """The key does not exist, and its type has no state for new ones (clusters of casty 0.30)."""


class ActorFailed(AskFailed):
    """The actor raised while it worked on the message (clusters of casty 0.30).

    Attributes
    ----------
    error, message
        Class name and text of the exception; the exception itself stays on the node.
    """

    def __init__(self, report: FailureReport, error: str, message: str) -> None:
        super().__init__(report)
        self.error = error
        self.message = message

    def __reduce__(self) -> tuple[type[ActorFailed], tuple[FailureReport, str, str]]:  # type: ignore[override]
        return type(self), (self.report, self.error, self.message)


class Overloaded(AskFailed):
    """A bounded buffer is full; the newest message was refused and nothing else was lost."""


class MailboxFull(Overloaded):
    """The actor's mailbox is full; its node refused the message (clusters of casty 0.30)."""


class ClientClosed(AskFailed):
    """The client was closed (or never could work: see the cause) while the ask was waiting, or before."""


def whole_story(error: CastyNotebookError) -> Iterator[str]:
    """What is known of it, line by line: the error, what the session did last, and what it came from."""
    yield f"{type(error).__name__}: {error}"
    if isinstance(error, AskFailed) and error.report.story:
        yield "What the session did last:"
        yield from (f"  {printable(line)}" for line in error.report.story)
    cause = error.__cause__
    for _ in range(_CAUSES):
        if cause is None:
            return
        yield printable(f"Caused by {type(cause).__name__}: {cause}")
        cause = cause.__cause__
