"""Trees as JSON text (PROTOCOL section 4.4)."""

from __future__ import annotations

import json
from typing import Any

from casty_notebook.errors import UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings

__all__ = ["dump_json", "parse_json"]


def dump_json(tree: Any) -> bytes:
    """Write a tree; `UnsendableMessage` for text that is not Unicode."""
    try:
        return json.dumps(tree).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise UnsendableMessage(f"the message cannot be written as JSON: {error}") from None


def parse_json(data: bytes, settings: Settings) -> Any:
    """Read a tree.

    Raises
    ------
    UndecodableMessage
        For what is not JSON, nested beyond the parser's depth, an integer of more than 4,300 digits, or more values
        than allowed.
    """
    # Every value but the first follows one of these, so this bounds the heap before the parser fills it.
    values = sum(map(data.count, (b",", b"[", b"{", b":")))
    if values > 2 * settings.max_items:
        raise UndecodableMessage(f"JSON of about {values:,} values; at most {settings.max_items:,} are read (Settings.max_items)")
    try:
        return json.loads(data.decode())
    except RecursionError:
        raise UndecodableMessage("JSON that is nested too deeply") from None
    except ValueError as error:
        raise UndecodableMessage(f"not JSON ({str(error)[:100]}): {data[:60]!r}") from None
