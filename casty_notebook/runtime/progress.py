"""A progress bar for calls that take longer than a second, drawn by the thread that waits for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["EVERY", "Counted", "ProgressBar"]

DELAY = 1.0
"""Seconds before the bar appears: what ends sooner needs none."""
EVERY = 0.2
"""Seconds between two looks at the counts; a front end drops what comes in floods."""


class Counted(Protocol):
    """What is far enough along to be counted."""

    @property
    def total(self) -> int | None: ...
    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...


class ProgressBar:
    """waiting --a second--> shown --exit--> gone. The result replaces it.

    Only the thread that waits draws: what other threads print lands in whichever cell runs then. tqdm is loaded when
    the bar is first needed, in a notebook as a widget, in a terminal as text, and not at all where stderr is a file.
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
        if self._bar is None:
            if not self._wanted or time.monotonic() - self._began < DELAY:
                return
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._counted.total, desc=self._what, unit=f" {self._unit}", leave=False, disable=None)
        self._bar.update(self._counted.done - self._bar.n)
        if self._counted.failed:
            self._bar.set_postfix_str(f"{self._counted.failed:,} failed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            # Nothing is missing from it any more: tqdm leaves a bar that is not full standing, in red.
            self._bar.total = self._counted.done
            self._bar.update(self._counted.done - self._bar.n)
            self._bar.close()
