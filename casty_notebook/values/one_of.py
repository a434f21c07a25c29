"""A value that is sent with its class's name, for fields of several classes where those are not here (VIRTUAL section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["OneOf"]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value whose field takes one of several classes (``A | B``, ``A | None``), for messages that are written by name.

    Such a value travels with its class's name, one whose field takes a single class without. Where the classes are here their
    annotations tell which it is. In a text, and where it was not imported, it is ``casty_notebook.OneOf(…)``.

    Examples
    --------
    >>> from casty_notebook.values.standin import stand_in_class
    >>> put = stand_in_class("shop.Put")(item=OneOf(stand_in_class("shop.Note")(text="hello")))
    """

    value: Any
