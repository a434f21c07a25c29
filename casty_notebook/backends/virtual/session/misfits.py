"""Messages that did not fit: what is kept of each, so that the same mistake does not restart an actor twice."""

from __future__ import annotations

import re
from typing import Any

from casty_notebook.backends.virtual.codec.packing import unpack
from casty_notebook.errors import UndecodableMessage

__all__ = ["Misfits"]

ALIKE = 16
"""Forms of one message that are remembered; whoever made as many mistakes with it is refused it in any form."""
_OF_THE_FORM = re.compile(r"expected |is missing|not an alternative|unknown alternative")
"""How a node says that kinds of values are wrong, not the values themselves (VIRTUAL section 5.3)."""
_LOOKED_AT = 10_000
"""Values of a message that are compared; of a longer one the beginning, and its length."""

type Kept = tuple[bool, Any]
"""Whether values count or their kinds alone, and what is left of the message then."""


class Misfits:
    """Forms of messages by type and name, each with what a node said to it.

    A mended message is another one: where a field was of the wrong kind, one with other kinds may go; where a value was wrong (a
    member that an enum does not have), one with other values. Of a message that the type does not take at all, none may.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.kept: dict[tuple[str, str], dict[Kept, str]] = {}
        """By type and name; empty, as nearly always, where no message has been refused."""

    def add(self, actor: str, name: str, message: bytes, said: str) -> None:
        """A node of this type has refused a message."""
        if len(self.kept) >= self._most:
            self.kept.clear()
        forms = self.kept.setdefault((actor, name), {})
        exact = _OF_THE_FORM.search(said) is None
        hopeless = said.endswith(f"unknown alternative {name}") or len(forms) >= ALIKE
        forms[exact, None if hopeless else _form(message, exact=exact)] = said

    def said_to(self, actor: str, name: str, message: bytes) -> str | None:
        """What a node said to a message like this one; None if there was none."""
        forms = self.kept.get((actor, name))
        if forms is None:
            return None
        values, kinds = _form(message, exact=True), _form(message, exact=False)
        return next((said for (exact, form), said in forms.items() if form is None or form == (values if exact else kinds)), None)

    def fitted(self, actor: str, name: str, message: bytes) -> None:
        """A message that the user insisted on was answered: whatever was wrong with its like is no longer so."""
        forms = self.kept.get((actor, name))
        if forms is not None:
            values, kinds = _form(message, exact=True), _form(message, exact=False)
            for kept in [each for each in forms if each[1] is None or each[1] == (values if each[0] else kinds)]:
                del forms[kept]
            if not forms:
                del self.kept[actor, name]


def _form(message: bytes, *, exact: bool) -> Any:
    """What a message is compared by, hashable; its `reply_to` is another one each time."""
    try:
        _, fields = unpack(message)
        budget = [_LOOKED_AT]
        form = [(name, _compared(value, budget, exact=exact)) for name, value in fields.items() if name != "reply_to"]
        return tuple(form) if budget[0] > 0 else (*form, len(message))
    except (UndecodableMessage, TypeError, ValueError, AttributeError):
        return message


def _compared(value: Any, budget: list[int], *, exact: bool) -> Any:
    budget[0] -= 1
    if budget[0] <= 0:
        return "…"
    if type(value) is dict:
        return "{", *[(name, _compared(each, budget, exact=exact)) for name, each in value.items()]
    if type(value) is list:
        inside = [_compared(each, budget, exact=exact) for each in value]
        # A longer tuple of the same kinds is the same mistake; one of another length may be the mended one where it was short.
        return "[", *(inside if exact or len(inside) <= 4 else dict.fromkeys(inside))
    return (type(value), value) if exact else type(value)
