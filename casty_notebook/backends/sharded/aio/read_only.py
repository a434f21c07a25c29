"""Clients of a sharded cluster that only ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from casty_notebook.backends.read_only import ReadOnlyRail
from casty_notebook.backends.sharded.aio.client import ClusterClient
from casty_notebook.backends.sharded.aio.listener import Listener
from casty_notebook.backends.sharded.session.events import TellMade
from casty_notebook.values.generics import M, R
from casty_notebook.values.refs import ActorRef, Tellable

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

    def tell(self, target: Tellable[M] | str, message: M) -> None:  # noqa: ARG002
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

    async def ask(self, ref: Tellable[M] | str, msg_factory: Callable[[ActorRef[R]], M], **options: Any) -> R:
        """Ask, if the message's class is one of the questions.

        Raises
        ------
        ReadOnly
            If it is not; nothing was sent.
        """
        return await super().ask(ref, lambda reply_to: self._rail.check(msg_factory(reply_to)), **options)

    def listen(self, ref: Tellable[M] | str, msg_factory: Callable[[ActorRef[R]], M], **options: Any) -> Listener[R]:
        """Listen, if the class of the message that asks for it is one of the questions.

        Raises
        ------
        ReadOnly
            If it is not; nothing was sent.
        """
        return super().listen(ref, lambda reply_to: self._rail.check(msg_factory(reply_to)), **options)
