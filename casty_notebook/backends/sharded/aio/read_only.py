"""Connections that only ask: what may change something is refused before anything of it is sent."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from casty_notebook.backends.sharded.aio.client import ClusterClient
from casty_notebook.backends.sharded.aio.listener import Listener
from casty_notebook.backends.sharded.session.messages import Find, GetShardLocation
from casty_notebook.errors import MisuseError, ReadOnly
from casty_notebook.values.refs import ActorRef, M, R, Tellable
from casty_notebook.values.services import ShardEnvelope
from casty_notebook.values.standin import StandIn, StandInClass, parts, stand_in_class

__all__ = ["Questions", "ReadOnlyClient"]

STRUCTURE_READS = (
    "casty.distributed.counter.GetValue",
    "casty.distributed.dict.Contains",
    "casty.distributed.dict.Get",
    "casty.distributed.queue.Peek",
    "casty.distributed.queue.QueueSize",
    "casty.distributed.set.SetContains",
    "casty.distributed.set.SetSize",
)
"""casty's own questions to its distributed structures (PROTOCOL appendix C)."""


class Questions:
    """The classes of messages that only read, by dotted name.

    Parameters
    ----------
    listed
        Classes, modules (every class that they define), or dotted names. The names are compared, whether a message is an
        instance or a stand-in; a subclass of a listed class is not listed.

    Raises
    ------
    MisuseError
        For anything else.

    Examples
    --------
    >>> "bank.messages.GetBalance" in Questions(["bank.messages.GetBalance"])
    True
    """

    def __init__(self, listed: Iterable[Any] = ()) -> None:
        if isinstance(listed, str | type | ModuleType | StandInClass):
            listed = [listed]
        self.names = tuple(sorted({name for item in listed for name in _names_of(item)}))
        self._allowed = {*self.names, *STRUCTURE_READS, _name(Find), _name(GetShardLocation)}

    def __contains__(self, name: str) -> bool:
        return name in self._allowed


def _names_of(item: Any) -> list[str]:
    if isinstance(item, str):
        return [stand_in_class(item).dotted]
    if isinstance(item, StandInClass):
        return [item.dotted]
    if isinstance(item, type):
        return [_name(item)]
    if isinstance(item, ModuleType):
        return [_name(value) for value in vars(item).values() if isinstance(value, type) and value.__module__ == item.__name__]
    raise MisuseError(f"{item!r} is neither a class, a module nor the dotted name of a class; write questions=[GetBalance]")


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


class ReadOnlyClient(ClusterClient):
    """A client that tells nothing and asks only its questions. Refs that it made are bound by that as well."""

    def __init__(self, *, name: str, questions: Questions, **options: Any) -> None:
        super().__init__(**options)
        self._name = name
        self.questions = questions

    def tell(self, target: Tellable[M] | str, message: M) -> None:  # noqa: ARG002
        """Refuse.

        Raises
        ------
        ReadOnly
            Always.
        """
        raise ReadOnly(
            f"connection {self._name!r} is read-only: a tell would change something, or nobody would see what it did, so "
            f"{_class_of(message)} was not sent. Connect without read_only to tell"
        )

    async def ask(self, ref: Tellable[M] | str, msg_factory: Callable[[ActorRef[R]], M], **options: Any) -> R:
        """Ask, if the message's class is one of the questions.

        Raises
        ------
        ReadOnly
            If it is not; nothing was sent.
        """
        return await super().ask(ref, lambda reply_to: self._checked(msg_factory(reply_to)), **options)

    def listen(self, ref: Tellable[M] | str, msg_factory: Callable[[ActorRef[R]], M], **options: Any) -> Listener[R]:
        """Listen, if the class of the message that asks for it is one of the questions.

        Raises
        ------
        ReadOnly
            If it is not; nothing was sent.
        """
        return super().listen(ref, lambda reply_to: self._checked(msg_factory(reply_to)), **options)

    def _checked(self, message: M) -> M:
        name = _class_of(message)
        if name in self.questions:
            return message
        listed = self.questions.names
        by_last = {each.rpartition(".")[2]: each for each in listed}
        close = difflib.get_close_matches(name.rpartition(".")[2], by_last, n=1)
        hint = f"did you mean {by_last[close[0]]}? " if close else ""
        known = f"its questions are {', '.join(listed[:10])}{' …' if len(listed) > 10 else ''}" if listed else "it has none"
        raise ReadOnly(
            f"connection {self._name!r} is read-only and {name} is not one of its questions, so it was not sent: {hint}{known}. "
            f"If {name.rpartition('.')[2]} only reads, connect with questions=[…] naming it"
        )


def _class_of(message: Any) -> str:
    """The dotted name of what the actor would get: the content of an envelope, whoever made it."""
    if isinstance(message, ShardEnvelope) or type(message).__name__ == "ShardEnvelope":  # casty's own
        return _class_of(message.message)
    if isinstance(message, StandIn):
        return parts(message)[0].dotted
    if isinstance(message, StandInClass):
        return message.dotted
    return _name(type(message))
