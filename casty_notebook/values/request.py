"""From what a person writes as a question to a message that knows where its reply goes."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import enum
import inspect
import numbers
from collections.abc import Callable, Iterable
from typing import Any

from casty_notebook.errors import MisuseError
from casty_notebook.values.envelope import ShardEnvelope
from casty_notebook.values.message_text import written_message
from casty_notebook.values.refs import ActorRef
from casty_notebook.values.standin import StandIn, StandInClass, contents, with_missing

__all__ = ["question", "statement"]


def question(message: Any, reply_field: str = "reply_to") -> Callable[[ActorRef], Any]:
    """A function of the reply ref, from an instance, a class, such a function, or the text of a message.

    An instance whose `reply_field` is missing or None gets the ref there; a class is called with it as its only
    argument; a function is called with the ref as it is; a text is a dotted name with or without fields, and no code.

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
    >>> question("bank.messages.GetBalance(currency='EUR')")("the ref")
    bank.messages.GetBalance(currency='EUR', reply_to='the ref')
    """
    if isinstance(message, str):
        message = written_message(message)
    if inspect.isclass(message) or isinstance(message, StandInClass):
        return lambda ref: _called(message, reply_field, ref)
    if not isinstance(message, StandIn) and callable(message):
        return lambda ref: _filled(message(ref), reply_field, ref)
    _check_fillable(message.message if isinstance(message, ShardEnvelope) else message, reply_field)
    return lambda ref: _filled(message, reply_field, ref)


def statement(message: Any) -> Any:
    """The message to tell, from an instance, a class that needs no fields, or the text of a message.

    Raises
    ------
    MisuseError
        For what no actor could tell from noise: a class that lacks its fields, a function, None, a bare number or text.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Reset:
    ...     hard: bool = False
    >>> statement(Reset), statement("bank.messages.Close(day=3)")
    (Reset(hard=False), bank.messages.Close(day=3))
    """
    if isinstance(message, enum.Enum):
        return message
    if isinstance(message, str):
        try:
            message = written_message(message)
        except MisuseError:
            raise _no_message(message) from None
    if inspect.isclass(message) or isinstance(message, StandInClass):
        return _made(message)
    inner = message.message if isinstance(message, ShardEnvelope) else message
    if inner is None or isinstance(inner, _BARE) or inspect.isroutine(inner):
        raise _no_message(inner)
    return message


_BARE = (str, bytes, bytearray, numbers.Number)


def _made(cls: type | StandInClass) -> Any:
    try:
        return cls()
    except TypeError as error:
        name = getattr(cls, "__name__", repr(cls))
        raise MisuseError(f"{name} is a class that cannot be made without its fields ({error}); write {name}(…)") from None


def _no_message(value: Any) -> MisuseError:
    name = type(value).__name__
    return MisuseError(
        f"{value!r:.80} is no message but {'nothing' if value is None else f'a bare {name}'}; tell an instance of a class, or "
        "the dotted name of one with literal fields if it has any: 'bank.messages.Deposit(amount=3)'"
    )


def _called(cls: type | StandInClass, reply_field: str, ref: ActorRef) -> Any:
    try:
        return cls(**{reply_field: ref})
    except TypeError as error:
        name = getattr(cls, "__name__", repr(cls))
        raise MisuseError(
            f"{name} cannot be made from {reply_field} alone ({error}); give its other fields, for example "
            f"{name}(…, {reply_field}=None)"
        ) from None


def _check_fillable(message: Any, reply_field: str) -> None:
    """Refuse a finished message that nobody could answer to us: waiting for a reply to it can only time out."""
    if isinstance(message, StandIn):
        return
    name = type(message).__name__
    names = _field_names(message)
    if reply_field not in names:
        close = difflib.get_close_matches(reply_field, names, n=1, cutoff=0.5)
        hint = f" Did you mean reply_field={close[0]!r}?" if close else ""
        fields = f"its fields are {', '.join(map(str, names))}" if names else "it has no fields"
        raise MisuseError(
            f"{name} has no field {reply_field!r} for the reply's address ({fields}).{hint} "
            "Name the field by reply_field, write a function of the address (lambda reply_to: …), or tell instead of asking"
        )
    value = _read(message, reply_field)
    if value is not None:
        raise MisuseError(
            f"the {reply_field} of this {name} is set already ({value!r}), so its answer goes there and never comes here; "
            "leave it None"
        )


def _field_names(message: Any) -> list[Any]:
    if isinstance(message, dict):
        return list(message)
    if dataclasses.is_dataclass(message):
        return [field.name for field in dataclasses.fields(message)]
    for declared in ("_fields", "__struct_fields__", "__pydantic_fields__"):
        names = getattr(type(message), declared, None)
        if names is not None:
            return list(names)
    attributes: Iterable[Any] | None = getattr(type(message), "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    return list(getattr(message, "__dict__", ()))


def _read(message: Any, reply_field: str) -> Any:
    return message[reply_field] if isinstance(message, dict) else getattr(message, reply_field, None)


def _holds(value: Any, ref: ActorRef, depth: int = 20) -> bool:
    """Whether a message was built with the ref already."""
    if value is ref or depth == 0:
        return value is ref
    if isinstance(value, StandIn):
        return any(_holds(part, ref, depth - 1) for part in contents(value))
    if isinstance(value, dict):
        return any(_holds(part, ref, depth - 1) for part in value.values())
    return isinstance(value, list | tuple) and any(_holds(part, ref, depth - 1) for part in value)


def _filled(message: Any, reply_field: str, ref: ActorRef) -> Any:
    """`message` with `ref` in its reply field, if that is empty. What was built with the ref already comes back as it is."""
    if isinstance(message, ShardEnvelope):
        return ShardEnvelope(message.entity_id, _filled(message.message, reply_field, ref))
    if isinstance(message, StandIn):
        # Which fields its class has is not known here. If the ref is in another field already, `reply_field` may not be one.
        return message if _holds(message, ref) else with_missing(message, reply_field, ref)
    if reply_field not in _field_names(message) or _read(message, reply_field) is not None:
        return message
    if isinstance(message, dict):
        return {**message, reply_field: ref}
    # Each family's own way to copy with a change; copy.replace came with Python 3.13.
    change = {reply_field: ref}
    if hasattr(message, "model_copy"):  # pydantic
        return message.model_copy(update=change)
    if dataclasses.is_dataclass(message) and not isinstance(message, type):
        return dataclasses.replace(message, **change)
    if hasattr(message, "_replace"):
        return message._replace(**change)
    if hasattr(type(message), "__attrs_attrs__"):
        import attrs

        return attrs.evolve(message, **change)
    if hasattr(type(message), "__struct_fields__"):
        import msgspec

        return msgspec.structs.replace(message, **change)
    copied = copy.copy(message)
    setattr(copied, reply_field, ref)
    return copied
