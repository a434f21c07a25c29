"""What a trace is told of the asks of a session."""

from __future__ import annotations

from collections.abc import Callable

from casty_notebook.backends.trace import Trace
from casty_notebook.backends.virtual.session.events import Answer, AskCancelled, AskMade, Deliver, Effect, Event, Fail, ListenMade
from casty_notebook.backends.virtual.session.session import Session

__all__ = ["watched"]


def watched(session: Session, trace: Trace) -> Callable[[Event, float], list[Effect]]:
    """`Session.handle`, wrapped to tell the trace what it decides; unwrapped if nobody listens, so that it costs nothing then."""
    handle = session.handle
    if not trace.listens:
        return handle

    def telling(event: Event, now: float) -> list[Effect]:
        effects = handle(event, now)
        if type(event) is AskMade or type(event) is ListenMade:
            trace.ask_made(event.number, event.label, now)
        elif type(event) is AskCancelled:
            trace.ask_cancelled(event.number)
        for effect in effects:
            if type(effect) is Deliver and effect.number is not None:
                link = session.peers.links.get(effect.link)
                trace.ask_sent(effect.number, link.peer.address if link is not None else None)
            elif type(effect) is Answer:
                trace.ask_replied(effect.number, now)
            elif type(effect) is Fail:
                trace.ask_failed(effect.number, effect.error)
        return effects

    return telling
