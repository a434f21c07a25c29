"""The live text view: the picture twice a second, keys to sort, filter and quit. Needs textual (extra ``top``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Footer, Input, Static

from casty_notebook.views.terminal.picture import (
    SORTS,
    NodeRow,
    Picture,
    event_lines,
    fitted,
    problem_lines,
    sorted_nodes,
)
from casty_notebook.views.theme import BAD, MARKS

__all__ = ["Top"]

EVERY = 0.5
MOST_ROWS = 500
"""Nodes in the table; a filter reaches the others."""
COLOURS = {"bad": BAD, "open": "#e69f00", "good": "#3ea66f", "": ""}
WORDS = 3
"""Columns of words about the node: they are coloured where it is in trouble."""

LOW = 20
"""Lines of a terminal below which lines are shared out: troubled nodes, then what is wrong, then other nodes and events."""
LEAST_EVENTS = 3
"""A rule, a heading and an event."""

Cells = tuple[tuple[str, str], ...]


class Top(App[None]):
    """Shows what `look` returns until somebody quits. Nothing that comes from a cluster is taken for markup."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #state { height: auto; padding: 0 1; }
    /* One line: with a border, 24 lines have no room left for what is wrong. */
    #wanted { display: none; height: 1; border: none; padding: 0 1; }
    #wanted.asked { display: block; }
    #nodes { height: 2fr; min-height: 5; scrollbar-size-vertical: 1; }
    #problems { height: auto; max-height: 35%; padding: 0 1; border-top: solid $panel-lighten-2; }
    #events { height: 1fr; min-height: 4; padding: 0 1; border-top: solid $panel-lighten-2; }
    .low { overflow: hidden; }
    .low #state { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    .low #nodes { min-height: 2; scrollbar-size-horizontal: 0; }
    .low #problems { max-height: 100%; scrollbar-size-vertical: 1; }
    .low #events { min-height: 0; }
    """
    BINDINGS: ClassVar = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("s", "sort", "sort"),
        Binding("r", "backwards", "reverse"),
        Binding("slash", "find", "filter", key_display="/"),
        Binding("escape", "all", "all"),
    ]

    def __init__(self, look: Callable[[], Picture]) -> None:
        super().__init__()
        self._look = look
        self._by, self._backwards, self._wanted = 0, False, ""
        self._headings: list[str] = []
        self._shown: dict[str, Cells] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        yield Input(placeholder="part of a name, an address, a state or a role; Enter to look, Esc for all", id="wanted")
        yield DataTable(id="nodes", cursor_type="row")
        yield VerticalScroll(Static(id="problem-lines"), id="problems")
        yield VerticalScroll(Static(id="event-lines"), id="events")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#nodes", DataTable).focus()
        self.show()
        self.set_interval(EVERY, self.show)

    def on_resize(self) -> None:
        self.call_after_refresh(self.show)  # by then it is as wide as it was told

    def show(self) -> None:
        """Look again, and draw what differs."""
        picture = self._look()
        nodes = sorted_nodes(picture.nodes, SORTS[self._by], backwards=self._backwards, wanted=self._wanted)
        low = self.size.height < LOW
        self.query_one("#state", Static).update(self._short_state(picture) if low else self._state(picture, len(nodes)))
        self._show_nodes(picture, nodes[:MOST_ROWS])
        problems = _problems(picture)
        self.query_one("#event-lines", Static).update(_events(picture))
        self.screen.set_class(low, "low")
        if low:
            problems = self._share_out(picture, nodes, problems)
        else:
            self._as_styled()
        self.query_one("#problem-lines", Static).update(problems)

    def _share_out(self, picture: Picture, nodes: Sequence[NodeRow], problems: Text) -> Text:
        """Give the lines of a low terminal to what matters most there; what to do is left out where it has no room."""
        asked = self.query_one("#wanted").has_class("asked")
        lines = self.size.height - 2 - asked  # of the state and the keys
        troubled = sum(node.tone == "bad" for node in nodes)
        table = 1 + min(max(1, troubled), max(1, lines // 2 - 1))
        wrong = 0
        if picture.problems:
            if self._lines_of(problems) + 1 > lines - table:
                problems = _problems(picture, remedies=False)
            wrong = min(self._lines_of(problems) + 1, lines - table)
        left = lines - table - wrong
        others = min(1 + len(nodes) - table, left if left < LEAST_EVENTS + 1 else max(1, left - LEAST_EVENTS) // 2 + 1)
        table += max(0, others)
        events = lines - table - wrong
        for name, height in ("#nodes", table), ("#problems", wrong), ("#events", events if events >= LEAST_EVENTS else 0):
            part = self.query_one(name)
            part.display, part.styles.height = height > 1, height
        return problems

    def _as_styled(self) -> None:
        for name in ("#nodes", "#problems", "#events"):
            part = self.query_one(name)
            part.display, part.styles.height = True, None

    def _lines_of(self, text: Text) -> int:
        return len(text.wrap(self.console, max(1, self.size.width - 3)))

    def _short_state(self, picture: Picture) -> Text:
        """In one line, the members first; how they are sorted and which are shown where somebody chose it."""
        chosen = [f"/{self._wanted}"] if self._wanted else []
        if self._by or self._backwards:
            chosen.append(f"by {SORTS[self._by]}{', backwards' if self._backwards else ''}")
        lines = sorted(picture.lines, key=lambda line: line[0] != "members")
        text = Text(" · ".join([*chosen, picture.title]), style="bold")
        return text.append("".join(f" · {words}" for _, words in lines), style="not bold")

    def _state(self, picture: Picture, shown: int) -> Text:
        text = Text(picture.title, style="bold")
        for label, words in picture.lines:
            text.append(f"\n{label:<8} {words}", style="not bold")
        order = f"by {SORTS[self._by]}{', backwards' if self._backwards else ''}"
        found = f", {shown:,} of {len(picture.nodes):,} with {self._wanted!r}" if self._wanted else ""
        cut = f", the first {MOST_ROWS:,} of {shown:,}" if shown > MOST_ROWS else ""
        return text.append(f"\norder    {order}{found}{cut}", style="not bold dim")

    def _show_nodes(self, picture: Picture, nodes: Sequence[NodeRow]) -> None:
        table = self.query_one("#nodes", DataTable)
        headings, fitting = fitted(picture, nodes, self.size.width - 1)  # one is the scroll bar's
        rows = {
            node.key or node.address: tuple((cell, node.tone) for cell in cells)
            for node, cells in zip(nodes, fitting, strict=True)
        }
        if headings == self._headings and list(rows) == list(self._shown):
            for place, (address, cells) in enumerate(rows.items()):
                for column, (cell, before) in enumerate(zip(cells, self._shown[address], strict=True)):
                    if cell != before:
                        # What is wrong with a node is longer than that all is well, and must not be cut.
                        table.update_cell_at((place, column), _cell(column, *cell), update_width=True)  # type: ignore[arg-type]
        else:
            self._rebuild(table, headings, rows)
        self._headings, self._shown = headings, rows

    def _rebuild(self, table: DataTable[Text], headings: Sequence[str], rows: dict[str, Cells]) -> None:
        """Other rows, or in another order: whoever stands on a row stays on it."""
        beside = table.scroll_x
        stood = list(self._shown)[table.cursor_row] if 0 <= table.cursor_row < len(self._shown) else None
        table.clear(columns=True)
        table.add_columns(*map(Text, headings))  # names of types are no markup
        for address, cells in rows.items():
            table.add_row(*(_cell(column, *cell) for column, cell in enumerate(cells)), key=address)
        if stood in rows:
            table.move_cursor(row=list(rows).index(stood))
        if beside:
            self.call_after_refresh(table.scroll_to, x=beside, animate=False)

    # --- keys -------------------------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        self._by = (self._by + 1) % len(SORTS)
        self.show()

    def action_backwards(self) -> None:
        self._backwards = not self._backwards
        self.show()

    def action_find(self) -> None:
        wanted = self.query_one("#wanted", Input)
        wanted.add_class("asked")
        wanted.focus()

    def action_all(self) -> None:
        wanted = self.query_one("#wanted", Input)
        wanted.value = ""
        self._look_for("")
        wanted.remove_class("asked")
        self.query_one("#nodes", DataTable).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._look_for(event.value)

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        self.query_one("#nodes", DataTable).focus()

    def _look_for(self, wanted: str) -> None:
        self._wanted = wanted
        self.show()


def _cell(column: int, text: str, tone: str) -> Text:
    coloured = column == 0 or (tone == "bad" and column < WORDS)
    number = text.replace(",", "").replace(".", "").isdecimal()
    return Text(text, style=COLOURS[tone] if coloured else "", justify="right" if number else "left", no_wrap=True)


def _problems(picture: Picture, *, remedies: bool = True) -> Text:
    if not picture.problems:
        return Text("no problem", style="dim")
    text = Text()
    for tone, what, remedy in problem_lines(picture.problems):
        text.append(f"{MARKS[tone]} {what}\n", style=COLOURS[tone])
        if remedies:
            text.append(f"  {remedy}\n", style="dim")
    text.rstrip()
    return text


def _events(picture: Picture) -> Text:
    """The newest first: what happens now is where one looks."""
    text = Text().append("events, the newest first (UTC)\n" if picture.events else "no event yet", style="dim")
    for tone, line in reversed(event_lines(picture)):
        text.append(f"{line}\n", style=COLOURS[tone])
    text.rstrip()
    return text
