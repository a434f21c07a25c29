"""What the log is told of a cluster's life: one line for each node that is lost or found, and for each new contact."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from casty_notebook.address import NodeAddress
from casty_notebook.backends.breaker import Breaker
from casty_notebook.logs import room_logger

__all__ = ["ReachLog"]

log = room_logger(__name__)


class ReachedPeer(Protocol):
    """What of a peer is looked at."""

    @property
    def address(self) -> NodeAddress: ...
    @property
    def breaker(self) -> Breaker: ...


class ReachLog:
    """Logs which nodes were lost or reached again since the last look. Costs nothing while such lines are not logged.

    A node that is dialled again right after its connection ended counts as neither until that dial has ended, so that each line
    is about a node and never about a single attempt.
    """

    def __init__(self, peers: Iterable[ReachedPeer]) -> None:
        self._peers = peers
        self._told: dict[NodeAddress, bool] = {}
        self._contact: NodeAddress | None = None
        self._alone = False

    def look(self, name: str, contact: NodeAddress | None = None) -> None:
        """Say what is new of the cluster called `name`, which is followed through `contact` if through one alone."""
        if not log.isEnabledFor(logging.INFO):
            return
        told, peers = self._told, list(self._peers)
        for peer in peers:
            reached = peer.breaker.state.reachable
            if reached is None or told.get(peer.address) is reached:
                continue
            self._say(name, peer.address, reached=reached, reason=peer.breaker.reason)
            told[peer.address] = reached
        for address in told.keys() - {peer.address for peer in peers}:
            del told[address]
        self._look_at_the_whole(name, contact)

    def _say(self, name: str, node: NodeAddress, *, reached: bool, reason: str) -> None:
        if not reached:
            log.info("%s: lost %s: %s", name, node, reason)
        elif node in self._told:
            log.info("%s: found %s again", name, node)
        else:
            log.debug("%s: reached %s", name, node)

    def _look_at_the_whole(self, name: str, contact: NodeAddress | None) -> None:
        alone = bool(self._told) and not any(self._told.values())
        if alone and not self._alone:
            log.info("%s: no node is reached any more", name)
        self._alone = alone
        if contact is not None and contact != self._contact:
            log.info("%s: %s is the new contact, whose snapshots are followed", name, contact)
            self._contact = contact
