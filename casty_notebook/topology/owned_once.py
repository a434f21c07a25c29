"""Shards that had an owner once and have none now: a snapshot only lists those that have one.

A shard loses its owner by the death of a node, and gets one with the next message to it (PROTOCOL sections 6.4, 6.5).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["OwnedOnce"]


MAX_IDS = 1_000_000
"""Ids remembered in all, which are 8 MB. Ten times what a large cluster has."""
MAX_TYPES = 1_000
"""Types remembered. A cluster that renames them with each snapshot would make us keep, and count, all names that it had."""


class _HasIds(Protocol):
    @property
    def ids(self) -> range | array[int]: ...


class OwnedOnce:
    """Remembers the ids of each type that were ever listed. If one snapshot lists them all, its own column of ids is kept.

    Beyond its bounds it forgets types that are no longer listed, the oldest first, and then the ids of all other types that are
    not listed now. Shards that are forgotten are no longer reported as being without an owner.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._last: dict[str, Any] = {}

    def note(self, columns: Mapping[str, _HasIds]) -> dict[str, int]:
        """Look at what is listed now. Returns how many shards of each type are without an owner; types with none are left out.

        Examples
        --------
        >>> from types import SimpleNamespace as Column
        >>> once = OwnedOnce()
        >>> once.note({"cart": Column(ids=range(9))}), once.note({"cart": Column(ids=range(3, 6))}), once.note({})
        ({}, {'cart': 6}, {'cart': 9})
        """
        for name, column in columns.items():
            ids = column.ids
            if self._last.get(name) is not ids:
                self._last[name] = ids
                self._known[name] = _joined(self._known.get(name), ids)
        self._forget(columns)
        listed = {name: len(column.ids) for name, column in columns.items()}
        missing = {name: len(known) - listed.get(name, 0) for name, known in self._known.items()}
        return {name: count for name, count in missing.items() if count > 0}

    def _forget(self, columns: Mapping[str, _HasIds]) -> None:
        held = sum(map(len, self._known.values()))
        for name in [name for name in self._known if name not in columns]:
            if held <= MAX_IDS and len(self._known) <= MAX_TYPES:
                return
            held -= len(self._known.pop(name))
            self._last.pop(name, None)
        if held > MAX_IDS:
            self._known = {name: column.ids for name, column in columns.items()}


def _joined(known: range | array[int] | None, ids: range | array[int]) -> range | array[int]:
    if not known or (isinstance(known, range) and isinstance(ids, range) and known.start in ids and known[-1] in ids):
        return ids
    both = {*known, *ids}
    return known if len(both) == len(known) else array("q", sorted(both))
