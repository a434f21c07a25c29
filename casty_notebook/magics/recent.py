"""Entities that were asked or told lately, for completion. A bounded memory: newest first, the oldest forgotten."""

from __future__ import annotations

__all__ = ["RecentEntities"]

_KEPT = 200


class RecentEntities:
    """Entity ids per shard type.

    Examples
    --------
    >>> recent = RecentEntities()
    >>> recent.note("counter/user-1"), recent.note("counter/user-2"), recent.note("payment")
    (None, None, None)
    >>> recent.targets()
    ('counter/user-2', 'counter/user-1')
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._targets: dict[str, None] = {}

    def note(self, target: str) -> None:
        """Remember a target, if it is an entity."""
        if "://" in target or not target.partition("/")[2]:
            return
        self._targets.pop(target, None)
        self._targets[target] = None
        if len(self._targets) > self._kept:
            del self._targets[next(iter(self._targets))]

    def targets(self) -> tuple[str, ...]:
        """Return the targets, newest first."""
        return tuple(reversed(self._targets))
