"""Trees as JSON text (PROTOCOL section 4.4)."""

from __future__ import annotations

import json
from typing import Any

from casty_notebook.backends.sharded.codec.trees.tree import TreeReader
from casty_notebook.errors import UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.values.limits.pre_scan import skim_json, text_weight

__all__ = ["dump_json", "read_json"]

_LONG = 1 << 18
"""Characters from which on the parser is to let the loop have its turn."""


def dump_json(tree: Any) -> bytes:
    """Write a tree; `UnsendableMessage` for text that is not Unicode."""
    try:
        written = json.dumps(tree)
        if "\\ud" in written:  # JSON itself has a way to write half a character
            json.dumps(tree, ensure_ascii=False).encode()
        return written.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise UnsendableMessage(f"the message cannot be written as JSON: {error}") from None


def read_json(data: bytes, start: int, reader: TreeReader, settings: Settings) -> Any:
    """Read the message that begins at `start`.

    Raises
    ------
    UndecodableMessage
        For what is not JSON, nested beyond the parser's depth, an integer of more than 4,300 digits, more values than
        allowed, or what `reader` refuses.
    """
    # Every value but the first follows one of these.
    values = len(data) - start
    if values > 2 * settings.max_items:
        values = sum(data.count(mark, start) for mark in (b",", b"[", b"{", b":"))
    if values > 2 * settings.max_items:
        raise UndecodableMessage(f"JSON of about {values:,} values; at most {settings.max_items:,} are read (Settings.max_items)")
    return reader.read(lambda: _parse(data, start, reader))


def _parse(data: bytes, start: int, reader: TreeReader) -> tuple[Any, int]:
    guard = reader.guard
    weight = text_weight(data, start, len(data))
    guard.spend(weight)
    try:
        text = _decoded(data, start)
        brackets = skim_json(text, guard, width=max(1, weight // max(1, len(data) - start)))
        if len(text) < _LONG:
            return json.loads(text, object_hook=reader.object), brackets
        return json.loads(text, object_hook=reader.object, parse_int=_integer, parse_float=_real), brackets
    except RecursionError:
        raise UndecodableMessage("JSON that is nested too deeply") from None
    except ValueError as error:
        raise UndecodableMessage(f"not JSON ({str(error)[:100]}): {data[start : start + 60]!r}") from None
    finally:
        guard.heap -= weight


# The same in Python: between two of its functions the interpreter lets other threads run, which it does not within a
# parser of millions of numbers.
def _integer(text: str) -> int:
    return int(text)


def _real(text: str) -> float:
    return float(text)


def _decoded(data: bytes, start: int) -> str:
    with memoryview(data) as view:
        return str(view[start:], "utf-8")
