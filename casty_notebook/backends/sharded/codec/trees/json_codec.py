"""Trees as JSON text (PROTOCOL section 4.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from casty_notebook.backends.sharded.codec.trees.shard_tables import FEWEST, PLACE, ShardTables, read_by_tables
from casty_notebook.backends.sharded.codec.trees.tree import TreeReader
from casty_notebook.errors import UndecodableMessage, UnsendableMessage
from casty_notebook.settings import Settings
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.values.limits.pre_scan import skim_json, text_weight

__all__ = ["dump_json", "read_json"]

_LONG = 1 << 18
"""Characters of a text from which on the parser must let other threads run, the loop's among them."""
_TABLE = re.compile(rb'\{"__dict__": \[\[(?=-?\d{1,19}, \{"_type": "[\w.]{1,100}ShardAllocation")')
_NEXT, _END = b"], [", b"]]}"


def dump_json(tree: Any) -> bytes:
    """Write a tree; `UnsendableMessage` for text that is not Unicode."""
    try:
        written = json.dumps(tree)
        if "\\ud" in written:  # JSON can write half a character (a lone surrogate), which is no Unicode: encoding refuses it
            json.dumps(tree, ensure_ascii=False).encode()
        return written.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise UnsendableMessage(f"the message cannot be written as JSON: {error}") from None


def read_json(data: bytes, start: int, reader: TreeReader, settings: Settings, *, bulk: bool = True) -> Any:
    """Read the message that begins at `start`.

    Parameters
    ----------
    bulk
        Read shard tables many entries at a time (see `shard_tables`). The result is the same without, at more cost.

    Raises
    ------
    UndecodableMessage
        For what is not JSON, nested beyond the parser's depth, an integer of more than 4,300 digits, more values than
        allowed, or what `reader` refuses.
    """
    # Every value but the first follows one of these four characters, so their number bounds that of the values.
    values = len(data) - start
    if values > 2 * settings.max_items:
        values = sum(data.count(mark, start) for mark in (b",", b"[", b"{", b":"))
    if values > 2 * settings.max_items:
        raise UndecodableMessage(f"JSON of about {values:,} values; at most {settings.max_items:,} are read (Settings.max_items)")
    if bulk and _TABLE.search(data, start) is not None and PLACE not in data:
        snapshot = _read_by_tables(data, start, reader.another())
        if snapshot is not None:
            return snapshot
    return reader.read(lambda: _parse(data, start, reader, reader.object))


def _read_by_tables(data: bytes, start: int, reader: TreeReader) -> TopologySnapshot | None:
    tables = ShardTables(reader, lambda text: _parse(text, 0, reader, reader.object)[0])
    return read_by_tables(tables, lambda: _parse(_cut(data, start, tables), 0, reader, tables.object))


def _cut(data: bytes, start: int, tables: ShardTables) -> bytes:
    """The text with a number in the place of each long table.

    Within a string that number's own quote would end the string, and what follows it would be no JSON.
    """
    parts: list[bytes] = []
    kept = start
    head = _TABLE.search(data, start)
    while head is not None:
        first, end = head.end(), data.find(_END, head.end())
        if end < 0:
            break
        count = data.count(_NEXT, first, end) + 1
        if count >= FEWEST:
            tables.make_room(count, end - first)
            entries = [entry.partition(b", ") for entry in data[first:end].split(_NEXT)]
            ids = json.loads("[" + str(b",".join([shard for shard, _, _ in entries]), "ascii") + "]")
            number = tables.take(ids, [text for _, _, text in entries])
            parts += data[kept : head.start()], b'{"%b": %d}' % (PLACE, number)
            kept = end + len(_END)
        head = _TABLE.search(data, end)
    return b"".join((*parts, data[kept:]))


def _parse(data: bytes, start: int, reader: TreeReader, make: Callable[[Any], Any]) -> tuple[Any, int]:
    guard = reader.guard
    weight = text_weight(data, start, len(data))
    guard.spend(weight)
    try:
        text = _decoded(data, start)
        brackets = skim_json(text, guard, width=max(1, weight // max(1, len(data) - start)))
        if len(text) < _LONG:
            return json.loads(text, object_hook=make), brackets
        return json.loads(text, object_hook=make, parse_int=_integer, parse_float=_real), brackets
    except RecursionError:
        raise UndecodableMessage("JSON that is nested too deeply") from None
    except ValueError as error:
        raise UndecodableMessage(f"not JSON ({str(error)[:100]}): {data[start : start + 60]!r}") from None
    finally:
        guard.heap -= weight


# What the parser does itself, done in Python: the interpreter lets other threads run between two calls of Python functions, and
# would not while the parser reads millions of numbers.
def _integer(text: str) -> int:
    return int(text)


def _real(text: str) -> float:
    return float(text)


def _decoded(data: bytes, start: int) -> str:
    with memoryview(data) as view:
        return str(view[start:], "utf-8")
