"""The card that ``%casty_connect`` without an argument shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from casty_notebook.printable import printable
from casty_notebook.views.reprs.html import element, fragment, table

__all__ = ["ConnectionList", "ConnectionRow"]

_HEADINGS = ("", "name", "cluster", "members", "state")
_EMPTY = "No connections. Run %casty_connect casty://SYSTEM@HOST:PORT, or %casty_connect --demo"


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One connection at the time of asking."""

    name: str
    uri: str
    members: int | None
    current: bool
    demo: bool = False
    marks: tuple[str, ...] = ()
    lost: int = 0
    """How many members are not reached from here."""

    def cells(self) -> tuple[str, ...]:
        """Return what each column shows."""
        cells = (
            "*" if self.current else "",
            self.name,
            self.uri,
            "?" if self.members is None else str(self.members),
            ", ".join([self._state(), *(["demo"] if self.demo else []), *self.marks]),
        )
        return tuple(map(printable, cells))

    def _state(self) -> str:
        if self.members is None:
            return "no snapshot yet"
        if self.lost:
            return "no member reachable from here" if self.lost == self.members else f"connected, {self.lost} not reachable"
        return "connected"


@dataclass(frozen=True, repr=False)
class ConnectionList:
    """The connections of this process, as text or as an HTML table; ``*`` marks the current one."""

    rows: tuple[ConnectionRow, ...] = ()

    def __iter__(self) -> Iterator[ConnectionRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return _EMPTY
        lines = [_HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        if not self.rows:
            return fragment(element("p", _EMPTY))
        headings = [heading or "current" for heading in _HEADINGS]
        return fragment(table("Casty connections", headings, (row.cells() for row in self.rows), len(self.rows)))
