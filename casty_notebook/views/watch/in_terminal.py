"""A watch in a terminal: drawn again in its place until somebody ends it."""

from __future__ import annotations

import shutil
import sys
import time
import unicodedata
from typing import Protocol

from casty_notebook.console import fitting

__all__ = ["follow", "on_screen"]

EVERY = 0.5
"""Seconds between two looks: as often as somebody can read it."""


class Followed(Protocol):
    """What can be shown as text, and ended."""

    @property
    def stopped(self) -> bool: ...
    def stop(self) -> None: ...


def follow(watch: Followed) -> None:
    """Show it until it has ended; Ctrl-C ends it."""
    drawn = 0
    before = ""
    try:
        while True:
            over = watch.stopped
            columns, lines = shutil.get_terminal_size()
            shown = on_screen(repr(watch), columns, lines)
            if shown != before:
                drawn = _draw(shown, drawn)
                before = shown
            if over:
                return
            time.sleep(EVERY)
    except KeyboardInterrupt:
        watch.stop()
        told = time.monotonic()
        while not watch.stopped and time.monotonic() - told < EVERY:
            time.sleep(0.01)
        columns, lines = shutil.get_terminal_size()
        _draw(on_screen(repr(watch), columns, lines), drawn)


def on_screen(text: str, columns: int, lines: int) -> str:
    r"""As much of a text as fits, a line for each of its lines: one that is folded would make the cursor miss the first.

    The last column stays free: some terminals fold a line that fills it.

    Examples
    --------
    >>> print(on_screen("Watch of two\n  one  1\n  two  2\n  three  3", 8, 5))
    Watch o
      one
    … 2 mor
    """
    rows = text.splitlines()
    room = max(1, lines - 2)  # for the prompt, and the line of what ended it
    if len(rows) > room:
        rows = [*rows[: room - 1], f"… {len(rows) - room + 1:,} more"]
    return "\n".join(_cut(row, columns - 1) for row in rows)


def _cut(row: str, columns: int) -> str:
    """So much of a line as columns hold; signs of East Asia take two."""
    if len(row) * 2 <= columns:
        return row
    taken = 0
    for place, sign in enumerate(row):
        taken += 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if taken > columns:
            return row[:place].rstrip()
    return row


def _draw(text: str, over: int) -> int:
    """Write it over as many lines as were written last; returns how many those are now."""
    back = f"\x1b[{over}F" if over else ""
    sys.stdout.write(back + "".join(f"{line}\x1b[K\n" for line in fitting(text).splitlines()) + "\x1b[J")
    sys.stdout.flush()
    return text.count("\n") + 1
