"""A message written as text: ``bank.messages.GetBalance(currency="EUR")``. Read as data; nothing is looked up or run."""

from __future__ import annotations

import ast
from typing import Any

from casty_notebook.errors import MisuseError
from casty_notebook.values.standin import StandIn, StandInClass, stand_in_class

__all__ = ["written_message"]


def written_message(text: str) -> StandIn | StandInClass:
    """Build the stand-in that a text describes: a dotted name, or a call of one with literal fields.

    Fields may be literals, lists, dicts and further dotted names and calls of them.

    Raises
    ------
    MisuseError
        If it is neither; says what was expected.

    Examples
    --------
    >>> written_message("bank.messages.Transfer(amount=3, to=bank.messages.Account('bob'), kind=bank.Kind.FAST)")
    bank.messages.Transfer(amount=3, to=bank.messages.Account('bob'), kind=<stand-in class bank.Kind.FAST>)
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(text) from None
    made = _value(tree, text)
    if not isinstance(made, StandIn | StandInClass):
        raise _refused(text)
    return made


def _value(node: ast.expr, text: str) -> Any:
    match node:
        case ast.Attribute():
            return stand_in_class(_dotted(node, text))
        case ast.Call(func=function, args=args, keywords=keywords):
            fields = {keyword.arg: _value(keyword.value, text) for keyword in keywords if keyword.arg is not None}
            if len(fields) < len(keywords):
                raise _refused(text)
            return stand_in_class(_dotted(function, text))(*(_value(arg, text) for arg in args), **fields)
        case ast.List(elts=items):
            return [_value(item, text) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, text) for item in items)
        case ast.Set(elts=items):
            return {_value(item, text) for item in items}
        case ast.Dict(keys=keys, values=values) if all(key is not None for key in keys):
            return {
                _value(key, text): _value(value, text) for key, value in zip(keys, values, strict=True) if key is not None
            }
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise _refused(text) from None


def _dotted(node: ast.expr, text: str) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not parts:
        raise _refused(text)
    return ".".join([node.id, *reversed(parts)])


def _refused(text: str) -> MisuseError:
    return MisuseError(
        f"{text[:80]!r} is a text and has no place for the reply's address; as a message write the dotted name of a class, "
        "with literal fields if it has any: bank.messages.GetBalance(currency='EUR')"
    )
