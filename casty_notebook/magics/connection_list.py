"""The card that ``%casty_connect`` without an argument shows."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

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

    def cells(self) -> tuple[str, ...]:
        """Return what each column shows."""
        state = "no snapshot yet" if self.members is None else "connected"
        return (
            "*" if self.current else "",
            self.name,
            self.uri,
            "?" if self.members is None else str(self.members),
            ", ".join([state, *(["demo"] if self.demo else []), *self.marks]),
        )


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
        table = [_HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        )

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{html.escape(_EMPTY)}</p>"
        head = "".join(f'<th scope="col">{html.escape(heading) or "current"}</th>' for heading in _HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells()) + "</tr>" for row in self.rows
        )
        return f"<table><caption>Casty connections</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
