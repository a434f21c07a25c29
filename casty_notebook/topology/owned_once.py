"""Shards that had an owner once and have none now: a snapshot only lists those that have one.

A shard loses its owner by the death of a node, and gets one with the next message to it (PROTOCOL sections 6.4, 6.5).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["OwnedOnce"]


class _HasIds(Protocol):
    @property
    def ids(self) -> range | array[int]: ...


class OwnedOnce:
    """Remembers the ids of each type that were ever listed, as the very object that listed them while that has them all."""

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
        listed = {name: len(column.ids) for name, column in columns.items()}
        missing = {name: len(known) - listed.get(name, 0) for name, known in self._known.items()}
        return {name: count for name, count in missing.items() if count > 0}


def _joined(known: range | array[int] | None, ids: range | array[int]) -> range | array[int]:
    if not known or (isinstance(known, range) and isinstance(ids, range) and known.start in ids and known[-1] in ids):
        return ids
    both = {*known, *ids}
    return known if len(both) == len(known) else array("q", sorted(both))
