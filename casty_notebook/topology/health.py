"""Our own view of each node, from our own connections: made by the circuit breaker of each backend."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["LinkState", "NodeHealth"]


class LinkState(enum.StrEnum):
    """What our connections say of a node."""

    connecting = "connecting"
    live = "live"
    suspect = "suspect"
    down = "down"

    @property
    def reachable(self) -> bool | None:
        """True live, False suspect or down, None not known yet."""
        return None if self is LinkState.connecting else self is LinkState.live


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """A node as we see it, for tables and errors. Times are seconds."""

    state: LinkState
    rtt: float | None = None
    """Last round trip to the node's receptionist."""
    reason: str = ""
    """Why it is not live."""
    retry_in: float | None = None
    """Time to the next dial of a node that is down."""

    @property
    def reachable(self) -> bool | None:
        """True live, False suspect or down, None not known yet."""
        return self.state.reachable


