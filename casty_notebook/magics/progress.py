"""How far a fan-out is: one line under the cell, kept as its summary.

Answers arrive on the background loop while the kernel's own thread waits for them. An update of a display that exists
already goes to that display from any thread; printing would land in whichever cell runs at that moment.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle

__all__ = ["Progress", "progress_bundle"]

_INTERVAL = 0.25
"""Seconds between updates: a front end drops what comes in floods."""


def progress_bundle(done: int, failed: int, total: int, *, ended: bool, seconds: float) -> dict[str, str]:
    """Return the line as text and as HTML.

    Examples
    --------
    >>> progress_bundle(7, 1, 10, ended=False, seconds=0.5)["text/plain"]
    '6 of 10 answered, 1 failed'
    >>> progress_bundle(10, 0, 10, ended=True, seconds=0.5)["text/plain"]
    '10 of 10 answered in 0.50 s'
    """
    text = f"{done - failed:,} of {total:,} answered" + (f" in {seconds:.2f} s" if ended else "")
    if failed:
        text += f", {failed:,} failed"
    if ended and done < total:
        text += ", interrupted"
    bar = "" if ended else f'<progress max="{total}" value="{done}" aria-label="answers"></progress> '
    return {"text/plain": text, "text/html": f'<div role="status">{bar}{text}</div>'}


class Progress:
    """A context manager around one fan-out; `note` is its ``on_answer``. Silent where displays cannot be updated."""

    def __init__(self, shell: InteractiveShell | None, total: int) -> None:
        self._total = total
        self._done = self._failed = 0
        self._started = self._shown = time.monotonic()
        # A terminal would print every update as a new line.
        make: Any = DisplayHandle  # untyped in IPython
        self._display: Any = make() if getattr(shell, "kernel", None) is not None and total > 1 else None

    def note(self, _position: int, answer: Any) -> None:
        """Count one answer. Called on the background loop."""
        self._done += 1
        self._failed += answer.error is not None
        now = time.monotonic()
        if self._display is not None and now - self._shown >= _INTERVAL:
            self._shown = now
            self._display.update(self._bundle(ended=False), raw=True)

    def __enter__(self) -> Self:
        if self._display is not None:
            self._display.display(self._bundle(ended=False), raw=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.update(self._bundle(ended=True), raw=True)

    def _bundle(self, *, ended: bool) -> dict[str, str]:
        seconds = time.monotonic() - self._started
        return progress_bundle(self._done, self._failed, self._total, ended=ended, seconds=seconds)
