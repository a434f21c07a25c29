"""What a reply is made of: its fields by name, whatever family its class is of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from casty_notebook.values.standin import StandIn

__all__ = ["field_columns", "fields_of"]


def fields_of(reply: Any) -> dict[str, Any] | None:
    """The fields of a reply, one level deep; None for a value that has none, like a number.

    Dataclasses, NamedTuples, attrs and msgspec classes, pydantic models, stand-ins, and dicts whose keys are texts.

    Examples
    --------
    >>> from casty_notebook.values.standin import stand_in_class
    >>> fields_of(stand_in_class("bank.messages.Balance")(account="alice", amount=3)), fields_of(42)
    ({'account': 'alice', 'amount': 3}, None)
    """
    if isinstance(reply, StandIn):
        # Not to_dict, which goes all the way down: a member of an enum would become {"args": (1,)}.
        return {field.name: getattr(reply, field.name) for field in dataclasses.fields(reply)}  # type: ignore[arg-type]
    if isinstance(reply, dict):
        return dict(reply) if all(isinstance(key, str) for key in reply) else None
    if isinstance(reply, type):
        return None
    names = _names(reply)
    return None if names is None else {name: getattr(reply, name, None) for name in names}


def _names(reply: Any) -> Sequence[str] | None:
    if dataclasses.is_dataclass(reply):
        return [field.name for field in dataclasses.fields(reply)]
    cls = type(reply)
    attributes = getattr(cls, "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    for declared in ("_fields", "__struct_fields__", "__pydantic_fields__"):
        names = getattr(cls, declared, None)
        if isinstance(names, tuple | dict):
            return tuple(names)
    return None


def field_columns(replies: Sequence[Any], taken: Sequence[str], prefix: str = "reply") -> dict[str, list[Any]] | None:
    """The fields of all replies as columns, missing values where a reply lacks one; None if no reply has fields.

    A field called like one of the columns in `taken` gets the name ``reply.FIELD``, with `prefix` in place of ``reply``.
    """
    rows = [fields_of(reply) for reply in replies]
    names = list(dict.fromkeys(name for row in rows if row is not None for name in row))
    if not names:
        return None
    return {
        f"{prefix}.{name}" if name in taken else name: [row.get(name) if row is not None else None for row in rows]
        for name in names
    }
