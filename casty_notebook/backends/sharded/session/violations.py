"""What came and cannot be used, in words: messages of another system, or of another kind than their path is for."""

from __future__ import annotations

from casty_notebook.backends.sharded.session.events import Received, Report
from casty_notebook.errors import SystemNameMismatch

__all__ = ["another_cluster", "misplaced", "of_a_stranger", "wrong_system"]


def misplaced(node: str, event: Received, due: str) -> Report:
    """A message that came where `due` belongs."""
    sent = f"a {type(event.message).__qualname__}, announced as {event.type_hint[:120]!r}"
    return Report(f"{node} sent {sent}, where {due} was due; it was ignored")


def of_a_stranger(node: str, system: str) -> Report:
    """A message of another system than the cluster's: of a stranger among the nodes, or of one who wants to end this client."""
    return Report(f"{node} sent a message of the system {system[:60]!r}, which was ignored")


def another_cluster(system: str) -> str:
    """Why a node is not reached at its address."""
    return f"a node of another cluster answers there, {system[:60]!r}"


def wrong_system(node: str, theirs: str, ours: str) -> SystemNameMismatch:
    """The cluster has another name than it was given."""
    return SystemNameMismatch(
        f"{node} belongs to the system {theirs!r}, not {ours!r}: connect with the right name, for example casty://{theirs}@{node}"
    )
