"""What happens, told while it happens: to the log, and to the function that a client is given as `trace`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from itertools import count
from typing import Any, NamedTuple

from casty_notebook.address import NodeAddress
from casty_notebook.errors import MisuseError
from casty_notebook.logs import room_logger
from casty_notebook.printable import printable

__all__ = ["Trace", "TraceFunction"]

type TraceFunction = Callable[[str, Mapping[str, Any]], None]
"""(what happened, what is known of it)."""

log = room_logger(__name__)

LOGGED = {
    "dial": "link %(link)d: dialling %(node)s",
    "link.opened": "link %(link)d: %(node)s has answered the handshake",
    "link.lost": "link %(link)d to %(node)s: lost: %(reason)s",
}
"""What the log says of each; asks and pushes come too often for it."""


class _Asked(NamedTuple):
    number: int
    target: str
    at: float
    node: NodeAddress | None = None


class Trace:
    """Tells a function what happens, by name, each at its moment and in the order in which it happens.

    =============  ==========================  =====================================================================
    name           info                        when
    =============  ==========================  =====================================================================
    dial           link, node                  a connection to a node is about to be opened
    link.opened    link, node                  the node has answered the handshake
    link.lost      link, node, reason          it could not be opened, or has ended; not where we hang up ourselves
    push           node, picture               a picture of the cluster was taken in: a `TopologySnapshot` (each one that
                                               is pushed), or the `Members` of casty 0.30 (each change)
    ask.made       ask, target                 a question was taken up; it may have to wait
    ask.sent       ask, target, node           it is handed to a link, again where it is asked again
    ask.replied    ask, target, node, seconds  its answer has come
    ask.failed     ask, target, error          it was refused, or is given up: `error` says why
    ask.cancelled  ask, target                 nobody waits any more: a timeout of the caller's own, Ctrl-C
    =============  ==========================  =====================================================================

    `ask` is a number of its own for each; it is made once, and has one end (replied, failed, cancelled). A listener is an ask
    that lasts until it is closed.

    The function is called on the client's event loop, which waits for it: it is to be short, and to leave the client alone.
    If it raises, that is logged once and the client goes on. Without a function asks are not looked at, and cost nothing more.

    Parameters
    ----------
    function
        Who is told; None: only the log, of links.

    Raises
    ------
    MisuseError
        If it cannot be called.
    """

    def __init__(self, function: TraceFunction | None = None) -> None:
        if function is not None and not callable(function):
            raise MisuseError(f"trace takes a function of a name and a mapping, not {type(function).__name__}")
        self._function = function
        self._asks: dict[Hashable, _Asked] = {}
        """Asks that have not ended; the session bounds how many there can be (`Settings.max_pending_asks`)."""
        self._numbers = count(1)
        self._complained = False

    @property
    def listens(self) -> bool:
        """Whether there is a function to be told of asks."""
        return self._function is not None

    def tell(self, name: str, **info: Any) -> None:
        """Something has happened to a link, or to the picture of the cluster."""
        line = LOGGED.get(name)
        if line is not None and log.isEnabledFor(logging.DEBUG):
            log.debug(line, info)
        if self._function is not None:
            if "reason" in info:
                info["reason"] = printable(info["reason"])  # it may quote what a node said
            self._call(self._function, name, info)

    def _call(self, function: TraceFunction, name: str, info: Mapping[str, Any]) -> None:
        try:
            function(name, info)
        except BaseException as error:
            # `SystemExit` too: it would end the loop of every connection.
            if not self._complained:
                log.exception("the function given as trace raised %s at %s; the client goes on", type(error).__name__, name)
            self._complained = True

    # --- asks; told by whoever watches a session -------------------------------------------------------------------------

    def ask_made(self, key: Hashable, target: str, now: float) -> None:
        asked = self._asks[key] = _Asked(next(self._numbers), target, now)
        self.tell("ask.made", ask=asked.number, target=target)

    def ask_sent(self, key: Hashable, node: NodeAddress | None) -> None:
        asked = self._asks.get(key)
        if asked is not None:
            self._asks[key] = asked._replace(node=node)
            self.tell("ask.sent", ask=asked.number, target=asked.target, node=node)

    def ask_replied(self, key: Hashable, now: float) -> None:
        asked = self._asks.pop(key, None)
        if asked is not None:
            self.tell("ask.replied", ask=asked.number, target=asked.target, node=asked.node, seconds=now - asked.at)

    def ask_failed(self, key: Hashable, error: Exception) -> None:
        asked = self._asks.pop(key, None)
        if asked is not None:
            self.tell("ask.failed", ask=asked.number, target=asked.target, error=error)

    def ask_cancelled(self, key: Hashable) -> None:
        asked = self._asks.pop(key, None)
        if asked is not None:
            self.tell("ask.cancelled", ask=asked.number, target=asked.target)
