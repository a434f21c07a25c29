"""What an examination of a cluster finds: one finding for each thing looked at, with a verdict and what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Finding", "Verdict"]


class Verdict(enum.StrEnum):
    """How a thing that was looked at is."""

    ok = "ok"
    warn = "warn"
    fail = "fail"
    skip = "skip"
    """Not looked at, since something before it failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes
    ----------
    check
        What was looked at, in a word or two.
    subject
        Which node or type, if there are several.
    text
        What was seen.
    fix
        What to try; empty where nothing is wrong.
    """

    check: str
    verdict: Verdict
    text: str
    fix: str = ""
    subject: str = ""
