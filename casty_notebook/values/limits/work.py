"""The work that one payload may cost. It is counted and not timed, so that a payload is read, or refused, on every machine alike.

Memory alone does not bound it: a call that builds nothing may run for minutes, and twenty bytes can name the same
arguments a thousand times. So every opcode, call, copy and key is charged with what it takes at its worst, and the sum is
bounded twice: in proportion to the payload's bytes, and by `Settings.max_work` in all. What is charged is nanoseconds of
a processor of 2024, rounded up; no clock is read.
"""

from __future__ import annotations

from casty_notebook.settings import Settings

__all__ = ["CALL", "COPIED", "OPCODE", "Refused", "WorkBudget"]

FREE = 40_000_000
"""What any payload may take, however short: nobody can do harm with less."""
PER_BYTE = 1_000
"""What each byte of a payload adds. Honest ones take 5 to 300."""
OPCODE = 300
"""One opcode of a pickle, or one token of a tree."""
CALL = 1_500
"""One object, or one value made by a call."""
COPIED = 40
"""One item or pair that is copied or looked at in C."""


class Refused(Exception):
    """The payload does what no honest peer writes; says what."""


class WorkBudget:
    """Counts down while one payload is read.

    Parameters
    ----------
    size
        Bytes of the payload, decompressed.

    Examples
    --------
    >>> work = WorkBudget(Settings(), size=100)
    >>> work.charge(CALL)
    >>> work.spent
    1500
    """

    __slots__ = ("_allowed", "_left", "_linear", "_most")

    def __init__(self, settings: Settings, size: int) -> None:
        self._most = settings.max_work
        self._linear = FREE + PER_BYTE * size
        self._allowed = self._left = min(self._linear, int(self._most * 1e9))

    @property
    def spent(self) -> int:
        """Nanoseconds charged so far."""
        return self._allowed - max(0, self._left)

    def charge(self, nanoseconds: int) -> None:
        """Count work that is about to be done, or was just done in a small piece.

        Raises
        ------
        Refused
            Beyond the bound.
        """
        self._left -= nanoseconds
        if self._left < 0:
            self._refuse()

    def _refuse(self) -> None:
        if self._allowed < self._linear:
            raise Refused(f"reading it would take more than {self._most:g} s of processor time (Settings.max_work)")
        raise Refused(f"reading it would take more than {self._allowed / 1e9:.2g} s, which is out of all proportion to its bytes")
