"""The circuit breaker of one node: its probes are dials and pings, what it says is `topology.health`."""

from __future__ import annotations

from casty_notebook.settings import Settings
from casty_notebook.topology.health import LinkState, NodeHealth

__all__ = ["FLAPS", "STABLE_AFTER", "Breaker"]

STABLE_AFTER = 5.0
"""A connection that lived so long ends a run of failures; one that died younger counts as one more (flapping)."""
FLAPS = 4
"""So many short-lived connections in a row are taken for bad luck: the pauses between them are shorter than a second, so that
asks had better wait than fail. After more of them the node is treated as one that cannot be dialled."""


class Breaker:
    """connecting --opened--> live --missed--> suspect --heard--> live --ended--> connecting --lost--> down --opened--> live.

    One dial follows the end of a healthy connection at once (after a pause if it was short-lived), and envelopes wait
    for it; if that fails, or connections keep ending, the node is down.
    A node that is down stays down while it is dialled again: only an answered handshake closes the breaker, and asks of the
    node fail at once until then. Dials are spaced by an exponential back-off with jitter.
    """

    __slots__ = ("_jitter", "_settings", "failures", "opened_at", "reason", "retry_at", "rtt", "since", "state")

    def __init__(self, settings: Settings, now: float, jitter: float = 0.5) -> None:
        self._settings = settings
        self._jitter = jitter
        self.state = LinkState.connecting
        self.failures = 0
        self.since = now
        self.opened_at: float | None = None
        self.retry_at = now
        self.reason = ""
        self.rtt: float | None = None

    @property
    def usable(self) -> bool:
        """Envelopes may be handed over or queued; False means fail fast."""
        state = self.state
        return state is LinkState.live or state is LinkState.connecting

    def opened(self, now: float) -> None:
        if self.state is not LinkState.live:
            self.since = self.opened_at = now
        self.state = LinkState.live
        self.reason = ""

    def heard(self, now: float) -> bool:
        """Bytes came in. Returns True if that ended a suspicion."""
        if self.state is not LinkState.suspect:
            return False
        self.state, self.since, self.reason = LinkState.live, now, ""
        return True

    def missed(self, now: float, reason: str) -> None:
        """A probe was not answered; the connection is still open."""
        self.state, self.since, self.reason = LinkState.suspect, now, reason
        self.failures = 0
        self.retry_at = now

    def lost(self, now: float, reason: str, *, last_route: bool) -> None:
        """A dial failed. `last_route`: no other node is reached either."""
        if self.state not in (LinkState.down, LinkState.suspect):
            self.since = now
        if self.state is not LinkState.suspect:
            self.state = LinkState.down
        self._failed(now, reason, last_route=last_route)

    def ended(self, now: float, reason: str, *, last_route: bool) -> None:
        """The last connection ended. A node that keeps flapping is treated as one that cannot be dialled."""
        if self.opened_at is not None and now - self.opened_at >= STABLE_AFTER:
            self.failures = 0
        self.opened_at = None
        self.since = now
        flaps = self.failures
        again = self.state is LinkState.live and flaps <= FLAPS
        self.state = LinkState.connecting if again else LinkState.down
        self._failed(now, reason, last_route=last_route)
        if again and not flaps:
            self.retry_at = now

    def estranged(self, now: float, reason: str) -> None:
        """A node of another cluster answers there, which rarely ends soon: the next dial comes after the longest pause."""
        if self.state is not LinkState.down:
            self.since = now
        self.state, self.reason, self.opened_at = LinkState.down, reason, None
        self.failures += 1
        self.retry_at = now + self._settings.backoff_cap_long

    def _failed(self, now: float, reason: str, *, last_route: bool) -> None:
        self.reason = reason
        self.failures += 1
        self.retry_at = now + self._backoff(now, last_route=last_route)

    def kick(self, now: float) -> None:
        """There is news of the node (it restarted): dial it at once."""
        self.retry_at = min(self.retry_at, now)

    def _backoff(self, now: float, *, last_route: bool) -> float:
        s = self._settings
        patient = last_route or now - self.since < s.backoff_patience
        cap = s.backoff_cap if patient else s.backoff_cap_long
        if self.state is LinkState.suspect:
            cap = s.backoff_cap_long
        span = min(cap, s.backoff_first * 2.0 ** min(self.failures - 1, 10))
        # A different part of the span each time, so that many clients do not dial a returning node in step.
        self._jitter = (self._jitter * 1.618033988749895 + 0.1) % 1.0
        return span * (0.6 + 0.4 * self._jitter)

    def health(self, now: float) -> NodeHealth:
        waiting = self.state in (LinkState.down, LinkState.suspect)
        return NodeHealth(self.state, self.rtt, self.reason, max(0.0, self.retry_at - now) if waiting else None)
