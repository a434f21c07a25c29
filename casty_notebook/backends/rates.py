"""How often something may be done: a token bucket, with time as an argument."""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them a second; each thing done takes one.

    Examples
    --------
    >>> dials = TokenBucket(rate=2.0, burst=1, now=0.0)
    >>> dials.available(0.0)
    1
    >>> dials.take()
    >>> dials.available(0.1), dials.next_at(0.1), dials.available(0.5)
    (0, 0.5, 1)
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def available(self, now: float) -> int:
        """Whole tokens at time `now`."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        # A token that lacks only a rounding error counts as whole: else a timer set for that moment would be too early for ever.
        return int(self._tokens + 1e-9)

    def take(self) -> None:
        """Use one that is available."""
        self._tokens -= 1.0

    def next_at(self, now: float) -> float:
        """When the next whole token is there; `now` if one is."""
        self.available(now)
        return now + max(0.0, 1.0 - self._tokens) / self._rate
