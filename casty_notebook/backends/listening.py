"""What the listeners of all backends have in common: how many messages wait for a reader, and what a reader gets of one."""

from __future__ import annotations

from typing import Any

from casty_notebook.backends.contract import Arrival
from casty_notebook.errors import MisuseError, UndecodableMessage

__all__ = ["LIMIT", "checked_limit", "message_of"]

LIMIT = 1_000
"""Messages kept for a reader, where nothing else is said."""
MAX_LIMIT = 1_000_000


def checked_limit(limit: int) -> int:
    """How many messages may wait for their reader, or `MisuseError`."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MAX_LIMIT:
        raise MisuseError(f"limit must be a whole number from 1 to {MAX_LIMIT:,}, not {limit!r}")
    return limit


def message_of(heard: Arrival | None, listener: object) -> Any:
    """The message of an arrival; raises the error in its place, or `MisuseError` if the listener is closed."""
    if heard is None:
        raise MisuseError(f"{listener!r}: nothing comes any more; open another one")
    if isinstance(heard.message, UndecodableMessage):
        raise heard.message
    return heard.message
