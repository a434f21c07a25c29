"""A progress bar for calls that take longer than a second, drawn by the thread that waits for them."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from casty_notebook.console import fitting
from casty_notebook.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["EVERY", "Counted", "ProgressBar", "ProgressLine"]

DELAY = 1.0
"""Seconds before the bar appears: what ends sooner needs none."""
EVERY = 0.2
"""Seconds between two looks at the counts; a front end drops what comes in floods."""


_NO_CONSOLE = (AttributeError, OSError, TypeError, ValueError)
"""What tqdm raises where stderr is missing (None) or closed, cannot encode a character, or its reader has gone."""


class Counted(Protocol):
    """Work whose progress can be counted: `done` of `total` (None if that is not known), of which `failed` failed."""

    @property
    def total(self) -> int | None: ...
    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...


class _CellLine:
    """A line in a cell's output, drawn anew each time and emptied in the end.

    It is no widget: a bar of widgets would stay in the saved notebook, as an error.
    """

    def __init__(self) -> None:
        from IPython.display import display

        self._handle: Any = display({"text/plain": "", "text/html": ""}, raw=True, display_id=True)

    def say(self, text: str, part: float | None = None) -> None:
        """Show a text, and a bar of which that part is full."""
        bar = "" if part is None else f'<progress max="1" value="{part:.3f}"></progress> '
        style = "font-family:var(--jp-ui-font-family,sans-serif);overflow-wrap:anywhere"
        page = f'<div style="{style}">{bar}{html.escape(text)}</div>'
        self._handle.update({"text/plain": text, "text/html": page}, raw=True)

    def close(self) -> None:
        self._handle.update({"text/plain": "", "text/html": ""}, raw=True)


def _in_cell() -> bool:
    """Whether this process is a notebook's kernel, so that output goes to a cell."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class ProgressLine:
    """waiting --a second--> shown --exit--> gone. One line that says what is waited for, and what has happened so far.

    Drawn where `ProgressBar` is drawn, and not at all where nobody could see it.
    """

    def __init__(self, said: Callable[[], str]) -> None:
        self._said = said
        self._wanted = True
        self._began = time.monotonic()
        self._line: Any = None

    def tick(self) -> None:
        """Say it anew, if it has taken long enough."""
        passed = time.monotonic() - self._began
        if not self._wanted or passed < DELAY:
            return
        try:
            self._say(printable(f"{self._said()} ({passed:.0f} s)"))
        except _NO_CONSOLE:
            self._wanted = False

    def _say(self, text: str) -> None:
        if self._line is None:
            self._line = _CellLine() if _in_cell() else _terminal_bar(total=1, bar_format="{desc}")
        if isinstance(self._line, _CellLine):
            self._line.say(text)
        else:
            self._line.set_description_str(fitting(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._line is not None:
            with contextlib.suppress(*_NO_CONSOLE):
                self._line.close()


def _terminal_bar(**options: Any) -> Any:
    from tqdm import tqdm

    return tqdm(leave=False, disable=None, **options)


class ProgressBar:
    """waiting --a second--> shown --exit--> gone. The result replaces it.

    Only the thread that waits draws: what other threads print lands in whichever cell runs then. A notebook's cell
    has a line of its own for it, a terminal has tqdm's, loaded when it is first needed. There is no bar where stderr is a file,
    closed or missing, and an error of drawing one never costs a result.
    """

    def __init__(self, counted: Counted, what: str, *, unit: str = "asks", shown: bool = True) -> None:
        self._counted = counted
        self._what = what
        self._unit = unit
        self._wanted = shown
        self._began = time.monotonic()
        self._bar: Any = None

    def tick(self) -> None:
        """Look at the counts, and show them if it has taken long enough."""
        if not self._wanted or (self._bar is None and time.monotonic() - self._began < DELAY):
            return
        try:
            self._draw()
        except _NO_CONSOLE:
            self._wanted = False

    def _draw(self) -> None:
        what = printable(self._what)
        if self._bar is None and _in_cell():
            self._bar = _CellLine()
        elif self._bar is None:
            self._bar = _terminal_bar(total=self._counted.total, desc=fitting(what), unit=f" {self._unit}")
        if isinstance(self._bar, _CellLine):
            self._bar.say(f"{what}: {self._so_far()}", self._counted.done / total if (total := self._counted.total) else None)
            return
        self._bar.update(self._counted.done - self._bar.n)
        if self._counted.failed:
            self._bar.set_postfix_str(f"{self._counted.failed:,} failed")

    def _so_far(self) -> str:
        counted, passed = self._counted, time.monotonic() - self._began
        of = f" of {counted.total:,}" if counted.total else ""
        failed = f", {counted.failed:,} failed" if counted.failed else ""
        return f"{counted.done:,}{of} {self._unit} ({passed:.0f} s){failed}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            with contextlib.suppress(*_NO_CONSOLE):
                self._bar.close()
