"""One logger for each room, below ``casty_notebook``, whose lines are printable.

    logging.getLogger("casty_notebook").setLevel(logging.INFO)      # nodes lost and found, new contacts
    logging.getLogger("casty_notebook").setLevel(logging.DEBUG)     # dials and decisions too

There is no handler of our own: none is needed to be quiet, since what is below a warning goes nowhere until somebody sets a
level, and a `NullHandler` would take the few warnings from those who have configured nothing.
"""

from __future__ import annotations

import logging

from casty_notebook.advice import said_here
from casty_notebook.printable import printable

__all__ = ["room_logger"]


class _Printable(logging.Filter):
    """Whatever a peer is called or has sent, a line of the log stays one line; what it advises can be typed where it is read."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(said_here(record.getMessage())), None
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
