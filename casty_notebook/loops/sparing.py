"""Warnings that a peer can cause as often as it likes, said once a second at most."""

from __future__ import annotations

import logging
from time import monotonic

__all__ = ["Sparing"]

INTERVAL = 1.0
"""Seconds between two lines: a hostile or broken peer must not fill a log."""


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
