"""`Cluster`: the connection a cell holds. The blocking client with its tables and what it shows of itself."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from casty_notebook.cluster.changes import TopologyEvent, diff
from casty_notebook.cluster.messages import TopologySnapshot
from casty_notebook.runtime import connections
from casty_notebook.views.cards import CardFacts, cluster_card_html, cluster_card_text
from casty_notebook.views.experiments import Experiments

if TYPE_CHECKING:
    import pandas as pd

    from casty_notebook.views.topology_widget import TopologyWidget

__all__ = ["Cluster", "connect"]

EVENTS_KEPT = 10_000


class Cluster(Experiments):
    """A connected cluster: `ask`, `tell`, `lookup`, `where`, and tables of what it looks like now.

    Made by `connect`. Shows itself as a card; closes with `close`, as a context manager, and at exit.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._events: deque[TopologyEvent] = deque(maxlen=EVENTS_KEPT)
        self._seen: TopologySnapshot | None = None
        self._seen_at: datetime.datetime | None = None
        super().__init__(*args, **options)
        self._on_loop(self._follow)
        before = connections.register(self)
        if before is not None:
            before.close()

    def _follow(self) -> None:
        snapshot = self.client.topology
        if snapshot is not None:
            self._note(snapshot)
        self.client.on_snapshot(self._note)

    def _note(self, snapshot: TopologySnapshot) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._events.extend(diff(self._seen, snapshot, now))
        self._seen, self._seen_at = snapshot, now

    # --- tables: values, built from what is known without asking anybody ----------------------------------------------

    @property
    def members(self) -> pd.DataFrame:
        """One row per member: what the cluster says (`status`) beside what we see (`reachable`)."""
        from casty_notebook.tables import members

        return members(self._seen, self.health, cluster=self.name, taken_at=self._seen_at)

    @property
    def shards(self) -> pd.DataFrame:
        """One row per allocated shard of every type."""
        return self.shard_table()

    def shard_table(self, shard_type: str | None = None) -> pd.DataFrame:
        """One row per allocated shard, of one type or all."""
        from casty_notebook.tables import shards

        return shards(self._seen, self.health, shard_type=shard_type, cluster=self.name, taken_at=self._seen_at)

    @property
    def services(self) -> pd.DataFrame:
        """One row per registered service instance."""
        from casty_notebook.tables import services

        return services(self._seen, self.health, cluster=self.name, taken_at=self._seen_at)

    @property
    def events(self) -> pd.DataFrame:
        """What changed since this connection was opened, oldest first; the last 10,000 changes."""
        from casty_notebook.tables import events

        return events(list(self._events), cluster=self.name, snapshot=self._seen, taken_at=self._seen_at)

    # --- what it shows ------------------------------------------------------------------------------------------------

    def widget(self) -> TopologyWidget:
        """Return a new live view: map, tables and timeline that follow the cluster while somebody looks at them."""
        from casty_notebook.views.sources import LiveSource
        from casty_notebook.views.topology_widget import TopologyWidget

        return TopologyWidget(LiveSource(self))

    @property
    def recent_events(self) -> Sequence[TopologyEvent]:
        """What `events` is made of; to be read on the background loop, where it grows."""
        return self._events

    def card(self) -> CardFacts:
        """The facts of the card."""
        snapshot = self._seen
        return CardFacts.gather(
            name=self.name, uri=self.uri, system=self.system_name, closed=self.closed, snapshot=snapshot,
            health={} if self.closed else self.health, shard_counts=self.shard_counts,
            snapshot_age=None if self.closed else self._on_loop(lambda: self.client.snapshot_age),
        )  # fmt: skip

    def close(self) -> None:
        """Unsubscribe, flush, close. Idempotent."""
        connections.unregister(self)
        super().close()

    def __repr__(self) -> str:
        return cluster_card_text(self.card())

    def _repr_html_(self) -> str:
        return cluster_card_html(self.card())


def connect(uri: str, **options: Any) -> Cluster:
    """Connect to a cluster and wait for its first snapshot.

    Parameters
    ----------
    uri
        ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``, for example ``casty://my-cluster@10.0.1.10:25520``.
    shards
        ``{"counter": 100}``: sharded types with the number of shards that the nodes use.
    name
        What to call the connection; the system's name if None. An open connection of that name is closed.
    address_map, serializer, compression, tls, messages, settings
        See `ClusterClient`.
    ssh
        A bastion to reach the nodes through: ``"user@bastion"``, or an `SSH`. One SSH connection, no local ports.
    timeout
        Seconds to wait for the first snapshot.

    Raises
    ------
    NoContactPoint
        Lists every contact point with what happened there.
    SystemNameMismatch, InvalidAddress, ShardCountMismatch, MisuseError
        If the arguments do not fit the cluster, or each other.
    """
    return Cluster(uri, **options)
