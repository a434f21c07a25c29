"""Clients of a sharded cluster that only ask."""

from __future__ import annotations

from typing import Any

from casty_notebook.backends.read_only import ReadOnlyRail
from casty_notebook.backends.sharded.aio.client import ClusterClient
from casty_notebook.backends.sharded.session.events import TellMade
from casty_notebook.values.generics import M
from casty_notebook.values.refs import Tellable
from casty_notebook.values.targets import EntityName

__all__ = ["OWN_QUESTIONS", "ReadOnlyClient"]

OWN_QUESTIONS = (
    "casty.distributed.counter.GetValue",
    "casty.distributed.dict.Contains",
    "casty.distributed.dict.Get",
    "casty.distributed.queue.Peek",
    "casty.distributed.queue.QueueSize",
    "casty.distributed.set.SetContains",
    "casty.distributed.set.SetSize",
    "casty_notebook.backends.sharded.session.messages.Find",
    "casty_notebook.backends.sharded.session.messages.GetShardLocation",
)
"""Casty's own questions to its distributed structures (PROTOCOL appendix C), and ours to its nodes."""


class ReadOnlyClient(ClusterClient):
    """A client that tells nothing and asks only its questions. Refs that it made are bound by that as well."""

    def __init__(self, *, rail: ReadOnlyRail, **options: Any) -> None:
        super().__init__(**options)
        self._rail = rail

    def tell(self, target: Tellable[M] | EntityName | str, message: M) -> None:  # noqa: ARG002
        """Refuse.

        Raises
        ------
        ReadOnly
            Always.
        """
        raise self._rail.refuse_tell(message)

    def prepare_tell(self, shard_type: str, entity_id: str, message: Any) -> TellMade | None:  # noqa: ARG002
        """Refuse, as `tell`."""
        raise self._rail.refuse_tell(message)

    def _passed(self, message: Any) -> Any:
        """Refuse a question whose class is not one of the questions; nothing was sent then."""
        return self._rail.check(message)
