"""What a trace is told of the asks of a session."""

from __future__ import annotations

from collections.abc import Callable

from casty_notebook.backends.sharded.session.events import AskCancelled, AskMade, Effect, Event, Fail, Reply, Transmit
from casty_notebook.backends.sharded.session.session import Session
from casty_notebook.backends.trace import Trace

__all__ = ["watched"]


def watched(session: Session, trace: Trace) -> Callable[[Event, float], list[Effect]]:
    """Return a `Session.handle` that tells the trace of asks; the session's own if nobody listens, which then costs nothing."""
    handle = session.handle
    if not trace.listens:
        return handle

    def telling(event: Event, now: float) -> list[Effect]:
        effects = handle(event, now)
        if type(event) is AskMade:
            trace.ask_made(event.ask.id, event.ask.label, now)
        elif type(event) is AskCancelled:
            trace.ask_cancelled(event.ask_id)
        for effect in effects:
            if type(effect) is Transmit and effect.outgoing.ask is not None:
                link = session.peers.links.get(effect.link)
                trace.ask_sent(effect.outgoing.ask.id, link.peer.address if link is not None else None)
            elif type(effect) is Reply:
                trace.ask_replied(effect.ask_id, now)
            elif type(effect) is Fail:
                trace.ask_failed(effect.ask_id, effect.error)
        return effects

    return telling
