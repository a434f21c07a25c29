"""One logger for each room, below ``casty_notebook``, whose lines are printable.

    logging.getLogger("casty_notebook").setLevel(logging.INFO)      # nodes lost and found, new contacts
    logging.getLogger("casty_notebook").setLevel(logging.DEBUG)     # dials and decisions too

There is no handler of our own: none is needed to be quiet, since what is below a warning goes nowhere until somebody sets a
level, and a `NullHandler` would take the few warnings from those who have configured nothing.
"""

from __future__ import annotations

import logging
from time import monotonic

from casty_notebook.printable import printable

__all__ = ["Sparing", "room_logger"]

INTERVAL = 1.0
"""Seconds between two lines of a `Sparing` one: a hostile or broken peer must not fill a log."""


class _Printable(logging.Filter):
    """Whatever a peer is called or has sent, a line of the log stays one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), None
        return True


_PRINTABLE = _Printable()


def room_logger(module: str) -> logging.Logger:
    """Return the logger of the room that `module` is in.

    Examples
    --------
    >>> room_logger("casty_notebook.backends.sharded.aio.pump").name
    'casty_notebook.backends'
    """
    logger = logging.getLogger(".".join(module.split(".")[:2]))
    logger.addFilter(_PRINTABLE)  # the same one again is no second
    return logger


class Sparing:
    """Warnings that others can cause as often as they like: a line a second at most, which counts those that were left out."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said_at = float("-inf")
        self._unsaid = 0

    def warning(self, text: str) -> None:
        """Say it, or count it."""
        now = monotonic()
        if now - self._said_at < INTERVAL:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more like it were not logged)" if self._unsaid else ""
        self._said_at, self._unsaid = now, 0
        self._logger.warning("%s%s", text, more)
