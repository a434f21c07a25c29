"""What the log is told of a cluster's life: one line for each node that is lost or found, and for each new contact."""

from __future__ import annotations

import logging

from casty_notebook.address import NodeAddress
from casty_notebook.backends.sharded.session.session import Session
from casty_notebook.logs import room_logger

__all__ = ["ReachLog"]

log = room_logger(__name__)


class ReachLog:
    """Compares what a session says of its nodes with what was said of them last. Costs nothing where nobody listens.

    A node that is dialled again after its connection ended is neither lost nor found before that is decided, so a line is about
    a node and never about an attempt.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[NodeAddress, bool] = {}
        self._contact: NodeAddress | None = None
        self._alone = False

    def look(self) -> None:
        """Say what is new."""
        if not log.isEnabledFor(logging.INFO) or self._session.state != "open":
            return
        told, peers = self._told, list(self._session.peers)
        for peer in peers:
            reached = peer.breaker.state.reachable
            if reached is None or told.get(peer.address) is reached:
                continue
            self._say(peer.address, reached=reached, reason=peer.breaker.reason)
            told[peer.address] = reached
        for address in told.keys() - {peer.address for peer in peers}:
            del told[address]
        self._look_at_the_whole()

    def _say(self, node: NodeAddress, *, reached: bool, reason: str) -> None:
        name = self._session.system_name
        if not reached:
            log.info("%s: lost %s: %s", name, node, reason)
        elif node in self._told:
            log.info("%s: found %s again", name, node)
        else:
            log.debug("%s: reached %s", name, node)

    def _look_at_the_whole(self) -> None:
        session = self._session
        alone = bool(self._told) and not any(self._told.values())
        if alone and not self._alone:
            log.info("%s: no node is reached any more", session.system_name)
        self._alone = alone
        contact = session.contact
        if contact is not None and contact != self._contact:
            log.info("%s: %s is the new contact, whose snapshots are followed", session.system_name, contact)
            self._contact = contact
