"""Entities that were asked or told lately, for completion. A bounded memory: newest first, the oldest forgotten."""

from __future__ import annotations

__all__ = ["RecentEntities"]

_KEPT = 200


class RecentEntities:
    """Entity targets per connection.

    Examples
    --------
    >>> recent = RecentEntities()
    >>> for target in ("counter/user-1", "counter/user-2", "payment"):
    ...     recent.note("prod", target)
    >>> recent.targets("prod"), recent.targets("test")
    (('counter/user-2', 'counter/user-1'), ())
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._targets: dict[tuple[str, str], None] = {}

    def note(self, connection: str, target: str) -> None:
        """Remember a target, if it is an entity."""
        if "://" in target or not target.partition("/")[2]:
            return
        self._targets.pop((connection, target), None)
        self._targets[connection, target] = None
        if len(self._targets) > self._kept:
            del self._targets[next(iter(self._targets))]

    def targets(self, connection: str) -> tuple[str, ...]:
        """Return the targets on that connection, newest first."""
        return tuple(target for of, target in reversed(self._targets) if of == connection)
