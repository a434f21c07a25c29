"""What the nodes of a cluster of casty 0.30 are at, asked when somebody looks: see `nodeside`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from casty_notebook.client.blocking import BlockingClient
from casty_notebook.logs import room_logger
from casty_notebook.topology.moment import Moment

if TYPE_CHECKING:
    import pandas as pd

    from casty_notebook.tables.activations import Reports

__all__ = ["Activity"]

log = room_logger(__name__)


class Activity(BlockingClient):
    """The tables that the nodes have to be asked for. They are asked once a second at most, however often one looks.

    Raises
    ------
    MisuseError
        By each, where the nodes cannot be asked; says how they could.
    """

    @abstractmethod
    def _told(self) -> tuple[Reports, Moment | None]: ...

    @property
    def activations(self) -> pd.DataFrame:
        """One row per active key: where, since when, how many messages wait in its mailbox; the deepest first."""
        from casty_notebook.tables.activations import activations

        reports, moment = self._told()
        table = activations(reports, moment, cluster=self.name)
        if left_out := table.attrs["left_out"]:
            total = f"{len(table):,} of {len(table) + left_out:,} active keys"
            log.warning("%s: %s are shown, the deepest mailboxes first; cluster.loads counts all", self.name, total)
        return table

    @property
    def loads(self) -> pd.DataFrame:
        """One row per type and node: active keys, messages in their mailboxes, and in the deepest."""
        from casty_notebook.tables.activations import loads

        reports, moment = self._told()
        return loads(reports, moment, cluster=self.name)

    @property
    def node_log(self) -> pd.DataFrame:
        """One row per record of casty's own log on the nodes, oldest first, from when they were first asked."""
        from casty_notebook.tables.activations import node_log

        reports, moment = self._told()
        return node_log(reports, moment, cluster=self.name)
