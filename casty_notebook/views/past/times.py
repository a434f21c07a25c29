"""Moments as people name them: a time, ISO text, or seconds ago."""

from __future__ import annotations

import datetime
import numbers

from casty_notebook.errors import MisuseError

__all__ = ["Time", "moment_of", "told"]

type Time = datetime.datetime | str | float
"""A pandas Timestamp is a datetime. Without a time zone it is local time. A number below zero is seconds before now."""


def moment_of(time: Time, now: datetime.datetime) -> datetime.datetime:
    """Return the time with a time zone.

    Raises
    ------
    MisuseError
        If it is none of the forms.

    Examples
    --------
    >>> noon = datetime.datetime(2026, 1, 2, 12, 0, tzinfo=datetime.UTC)
    >>> moment_of(-90, noon).isoformat(), moment_of("2026-01-02T11:00:00Z", noon).isoformat()
    ('2026-01-02T11:58:30+00:00', '2026-01-02T11:00:00+00:00')
    """
    if isinstance(time, str):
        try:
            time = datetime.datetime.fromisoformat(time)
        except ValueError:
            raise MisuseError(f"{time!r} is no time; write for example 2026-01-02T15:04:05, or -30 for 30 s ago") from None
    if isinstance(time, datetime.datetime):
        if time != time:  # NaT is a datetime, and equals nothing
            raise MisuseError("NaT is no time")
        # pandas' own refuses to take a time without a zone for local time.
        return _in_utc(time.to_pydatetime(warn=False) if hasattr(time, "to_pydatetime") else time)
    if isinstance(time, bool) or not isinstance(time, numbers.Real) or not -1e9 < time <= 0:
        raise MisuseError(f"{time!r} is no time; give a datetime, ISO text, or seconds before now as a number below 0")
    return now + datetime.timedelta(seconds=float(time))


def _in_utc(time: datetime.datetime) -> datetime.datetime:
    try:
        return time.astimezone(datetime.UTC)
    except (OverflowError, ValueError, OSError):  # the first and last years, which a zone can shift out of range
        raise MisuseError(f"{time} is no time that can be looked up") from None


def told(time: datetime.datetime) -> str:
    """As messages write it: local time, to the second.

    Examples
    --------
    >>> told(datetime.datetime(2026, 1, 2, 12, 0, tzinfo=datetime.UTC))[:4]
    '2026'
    """
    return time.astimezone().isoformat(sep=" ", timespec="seconds")
