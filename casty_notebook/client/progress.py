"""A progress bar for calls that take longer than a second, drawn by the thread that waits for them."""

from __future__ import annotations

import contextlib
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
"""What tqdm raises where there is no stderr (None), it is closed, cannot take a sign, or its reader has gone."""


class Counted(Protocol):
    """What is far enough along to be counted."""

    @property
    def total(self) -> int | None: ...
    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...


class ProgressLine:
    """waiting --a second--> shown --exit--> gone. What is waited for and what was seen of it so far, in one line.

    Drawn as `ProgressBar` is, and as little where nobody could see it.
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
            if self._line is None:
                from tqdm.auto import tqdm

                self._line = tqdm(total=1, bar_format="{desc}", leave=False, disable=None)
            self._line.set_description_str(fitting(printable(f"{self._said()} ({passed:.0f} s)")))
        except _NO_CONSOLE:
            self._wanted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._line is not None:
            with contextlib.suppress(*_NO_CONSOLE):
                self._line.update(1)  # Nothing is missing from it any more: see ProgressBar.
                self._line.close()


class ProgressBar:
    """waiting --a second--> shown --exit--> gone. The result replaces it.

    Only the thread that waits draws: what other threads print lands in whichever cell runs then. tqdm is loaded when
    the bar is first needed, in a notebook as a widget, in a terminal as text, and not at all where stderr is a file,
    closed or none: no bar ever costs a result.
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
        if self._bar is None:
            from tqdm.auto import tqdm

            what = fitting(printable(self._what))
            self._bar = tqdm(total=self._counted.total, desc=what, unit=f" {self._unit}", leave=False, disable=None)
        self._bar.update(self._counted.done - self._bar.n)
        if self._counted.failed:
            self._bar.set_postfix_str(f"{self._counted.failed:,} failed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            with contextlib.suppress(*_NO_CONSOLE):
                # Nothing is missing from it any more: tqdm leaves a bar that is not full standing, in red.
                self._bar.total = self._counted.done
                self._bar.update(self._counted.done - self._bar.n)
                self._bar.close()
