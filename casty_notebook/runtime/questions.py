"""From what a person writes as a question to a message that knows where its reply goes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from casty_notebook.cluster.refs import ActorRef
from casty_notebook.codec import StandIn, StandInClass
from casty_notebook.codec.standin import with_missing
from casty_notebook.errors import MisuseError

__all__ = ["question"]


def question(message: Any, reply_field: str = "reply_to") -> Callable[[ActorRef], Any]:
    """A function of the reply ref, from an instance, a class or such a function.

    An instance whose `reply_field` is missing or None gets the ref there; a class is called with it as its only
    argument; a function is called with the ref as it is.

    Raises
    ------
    MisuseError
        When the reply ref can be put nowhere; says what to write instead.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class GetCount:
    ...     reply_to: object = None
    >>> question(GetCount)("the ref"), question(GetCount())("the ref"), question(lambda r: GetCount(r))("the ref")
    (GetCount(reply_to='the ref'), GetCount(reply_to='the ref'), GetCount(reply_to='the ref'))
    """
    if inspect.isclass(message) or isinstance(message, StandInClass):
        return lambda ref: _called(message, reply_field, ref)
    if not isinstance(message, StandIn) and callable(message):
        return lambda ref: _filled(message(ref), reply_field, ref)
    return lambda ref: _filled(message, reply_field, ref)


def _called(cls: type | StandInClass, reply_field: str, ref: ActorRef) -> Any:
    try:
        return cls(**{reply_field: ref})
    except TypeError as error:
        name = getattr(cls, "__name__", repr(cls))
        raise MisuseError(
            f"{name} cannot be made from {reply_field} alone ({error}); give its other fields, for example "
            f"{name}(…, {reply_field}=None)"
        ) from None


def _filled(message: Any, reply_field: str, ref: ActorRef) -> Any:
    """`message` with `ref` in its reply field, if that is empty. What was built with the ref already comes back as it is."""
    if isinstance(message, StandIn):
        return with_missing(message, reply_field, ref)
    if dataclasses.is_dataclass(message) and not isinstance(message, type):
        names = {field.name for field in dataclasses.fields(message)}
        if reply_field in names and getattr(message, reply_field) is None:
            return dataclasses.replace(message, **{reply_field: ref})
    elif hasattr(message, "_replace") and reply_field in getattr(message, "_fields", ()):
        return message._replace(**{reply_field: ref}) if getattr(message, reply_field) is None else message
    elif getattr(message, reply_field, ref) is None:
        copy = getattr(message, "model_copy", None)  # pydantic
        return copy(update={reply_field: ref}) if copy is not None else message
    return message
