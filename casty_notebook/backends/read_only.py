"""Connections that only ask: what may change something is refused before anything of it is sent."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from casty_notebook.errors import MisuseError, ReadOnly
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.standin import StandIn, StandInClass, parts, stand_in_class

__all__ = ["Questions", "ReadOnlyRail"]


class Questions:
    """The classes of messages that only read, by dotted name.

    Parameters
    ----------
    listed
        Classes, modules (every class that they define), or dotted names. The names are compared, whether a message is an
        instance or a stand-in; a subclass of a listed class is not listed.
    always
        Dotted names that are allowed besides, and not listed: a backend's own questions.

    Raises
    ------
    MisuseError
        For anything else.

    Examples
    --------
    >>> "bank.messages.GetBalance" in Questions(["bank.messages.GetBalance"])
    True
    """

    def __init__(self, listed: Iterable[Any] = (), always: Iterable[str] = ()) -> None:
        if isinstance(listed, str | type | ModuleType | StandInClass):
            listed = [listed]
        self.names = tuple(sorted({name for item in listed for name in _names_of(item)}))
        self._allowed = {*self.names, *always}

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


class ReadOnlyRail:
    """What a read-only connection lets pass. Its users are bound by it, not an attacker.

    Parameters
    ----------
    name
        What the connection is called.
    """

    def __init__(self, name: str, questions: Questions) -> None:
        self._name = name
        self.questions = questions

    def refuse_tell(self, message: Any) -> ReadOnly:
        """The error that says why a tell is not sent."""
        return ReadOnly(
            f"connection {self._name!r} is read-only: a tell would change something, or nobody would see what it did, so "
            f"{class_name(message)} was not sent. Connect without read_only to tell"
        )

    def check[T](self, message: T) -> T:
        """The message, if its class is one of the questions.

        Raises
        ------
        ReadOnly
            If it is not; nothing was sent.
        """
        name = class_name(message)
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


def class_name(message: Any) -> str:
    """The dotted name of what the actor would get: the content of an envelope, whoever made it."""
    if isinstance(message, ShardEnvelope) or type(message).__name__ == "ShardEnvelope":  # casty's own
        return class_name(message.message)
    if isinstance(message, StandIn):
        return parts(message)[0].dotted
    if isinstance(message, StandInClass):
        return message.dotted
    return _name(type(message))
