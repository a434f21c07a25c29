"""A session and its history that follow a cluster in simulated time, as a `Cluster` does in real time."""

from __future__ import annotations

import datetime

from casty_notebook import tables
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.snapshot import TopologySnapshot
from tests.backends.sharded.session.world import World
from tests.benchmarks.reading import codec
from tests.benchmarks.synthetic import pickled_by_casty

__all__ = ["Following"]

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TYPES, SHARDS, VERSIONS = 4, 100, 16


class _Gossiping(World):
    """Its nodes push what was read from bytes, fresh objects each time."""

    def __init__(self) -> None:
        self.newest: TopologySnapshot | None = None
        super().__init__()

    def snapshot(self) -> TopologySnapshot:
        return self.newest if self.newest is not None else super().snapshot()


class Following:
    """new --step--> following --step--> following."""

    def __init__(self) -> None:
        self.history = History()
        self._world = _Gossiping()
        nodes = [(address.host, address.port) for address in self._world.nodes]
        self._payloads = [pickled_by_casty(nodes, TYPES, SHARDS, version) for version in range(VERSIONS)]
        self._steps = 0
        self.session = self._world.session
        self._world.run(1.0)

    def step(self, seconds: float) -> None:
        """A push that differs from the last one, taken in by session and history."""
        world, self._steps = self._world, self._steps + 1
        newest: TopologySnapshot = codec().decode(self._payloads[self._steps % VERSIONS])
        world.newest = newest
        world.published.clear()
        world.push()
        world.run(seconds)
        assert world.published
        assert self.session.snapshot is newest
        self.history.note(Moment(self._now, newest, self.session.health(world.now)))

    @property
    def _now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self._world.now)

    def look(self) -> None:
        """Ask for every table once, as somebody at a notebook does now and then."""
        snapshot, health = self.session.snapshot, self.session.health(self._world.now)
        moment = None if snapshot is None else Moment(self._now, snapshot, health)
        tables.members(moment, cluster="bench")
        tables.shards(moment, cluster="bench")
        tables.services(moment, cluster="bench")
        tables.events(self.history.events, cluster="bench", moment=moment)
