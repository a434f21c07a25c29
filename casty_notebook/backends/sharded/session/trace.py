"""The last few things a session was told and what it wanted done, for errors to quote."""

from __future__ import annotations

from collections import deque

from casty_notebook.backends.sharded.session.events import Effect, Event, LinkLost, LinkOpened, Publish, Received, Transmit
from casty_notebook.printable import printable

__all__ = ["Trace"]


class Trace:
    """A bounded ring of (time, event, effects). What happens all the time is left out: it would push out the rest."""

    def __init__(self, length: int) -> None:
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=length)

    def note(self, now: float, event: Event, effects: list[Effect]) -> None:
        if isinstance(event, Received) and all(isinstance(effect, Transmit | Publish) for effect in effects):
            return
        counts: dict[str, int] = {}
        for effect in effects:
            name = type(effect).__name__
            counts[name] = counts.get(name, 0) + 1
        wanted = ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())
        self._lines.append((now, self._brief(event), wanted or "nothing"))

    @staticmethod
    def _brief(event: Event) -> str:
        name = type(event).__name__
        if isinstance(event, LinkOpened):
            return f"{name} {event.link} {event.node}"
        if isinstance(event, LinkLost):
            return f"{name} {event.link} ({event.reason[:120]})"
        if isinstance(event, Received):
            return f"{name} {event.path[:80]} by link {event.link}"
        return name

    def lines(self, now: float) -> tuple[str, ...]:
        return tuple(printable(f"{at - now:+.3f} s {event} -> {wanted}") for at, event, wanted in self._lines)
