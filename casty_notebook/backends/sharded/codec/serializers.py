"""casty's serializers: how a payload of each begins, who writes and reads it. Another one is a file of its own and a row here.

Nothing on the wire names a serializer (PROTOCOL section 4.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from casty_notebook.backends.sharded.codec.pickle.reader import loads
from casty_notebook.backends.sharded.codec.pickle.writer import PickleWriter
from casty_notebook.backends.sharded.codec.trees.json_codec import dump_json, read_json
from casty_notebook.backends.sharded.codec.trees.msgpack_codec import read_msgpack
from casty_notebook.backends.sharded.codec.trees.tree import TreeReader, TreeWriter
from casty_notebook.settings import Settings
from casty_notebook.values.limits.plain_msgpack import dump_msgpack
from casty_notebook.values.registry import Layout, Registry

__all__ = ["SERIALIZERS", "TOLD_APART", "Serializer", "detect_serializer"]

type Write = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Serializer:
    """One row of the table.

    Attributes
    ----------
    begins
        Whether the first bytes of a payload, at least one, can be its own. Asked in the order of the table.
    writer
        Makes the function that writes, for nodes of a layout.
    read
        Reads all of some bytes from a place on; `held` bytes of memory are taken already.
    reads_as
        The serializer that nobody can tell it apart from, who reads.
    """

    name: str
    begins: Callable[[bytes], bool]
    writer: Callable[[Registry, Layout, Settings], Write]
    read: Callable[[bytes, int, int, Registry, Settings], Any]
    reads_as: str = ""


# --- pickle ------------------------------------------------------------------------------------------------------------


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] != b"" and head[1] <= 5


def _pickle_writer(registry: Registry, layout: Layout, settings: Settings) -> Write:
    return PickleWriter(registry, layout, settings).dumps


def _read_pickle(data: bytes, start: int, held: int, registry: Registry, settings: Settings) -> Any:
    return loads(data, registry, settings, held=held, start=start)


# --- json and msgpack --------------------------------------------------------------------------------------------------


def _is_json(head: bytes) -> bool:
    return head[:1].isascii() and (head[:1].isdigit() or head[:1] in b'{["-tfnNI')


def _json_writer(registry: Registry, layout: Layout, settings: Settings) -> Write:
    trees = TreeWriter(registry, layout, settings, octets=False)
    return lambda message: dump_json(trees.write(message))


def _msgpack_writer(registry: Registry, layout: Layout, settings: Settings) -> Write:
    trees = TreeWriter(registry, layout, settings, octets=True)
    return lambda message: dump_msgpack(trees.write(message))


def _tree_reader(read: Callable[..., Any]) -> Callable[[bytes, int, int, Registry, Settings], Any]:
    return lambda data, start, held, registry, settings: read(data, start, TreeReader(registry, settings, held), settings)


SERIALIZERS: Mapping[str, Serializer] = MappingProxyType({
    row.name: row
    for row in (
        Serializer("pickle", _is_pickle, _pickle_writer, _read_pickle),
        Serializer("json", _is_json, _json_writer, _tree_reader(read_json)),
        # Any byte can be the first of msgpack, so that it comes last of those that are told apart.
        Serializer("msgpack", lambda _: True, _msgpack_writer, _tree_reader(read_msgpack)),
        Serializer("cloudpickle", lambda _: False, _pickle_writer, _read_pickle, reads_as="pickle"),
    )
})  # fmt: skip
"""By name, those that are told apart by more bytes first."""

TOLD_APART = tuple(row.name for row in SERIALIZERS.values() if not row.reads_as)
"""The serializers that payloads show, and so those that a cluster may be asked in."""


def detect_serializer(head: bytes) -> str | None:
    """Whose a payload with these first bytes is.

    Examples
    --------
    >>> detect_serializer(b'{"_type": "a.B"}'), detect_serializer(bytes.fromhex("80 04 95")), detect_serializer(b"")
    ('json', 'pickle', None)
    """
    return next((row.name for row in SERIALIZERS.values() if row.begins(head)), None) if head else None
