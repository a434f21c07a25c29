"""`Cluster`: the connection a cell holds. The blocking client with its tables and what it shows of itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.advice import words_here
from casty_notebook.client import connections
from casty_notebook.client.profiles import profile_names, resolved
from casty_notebook.console import fitting
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.topology.history import History
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.recording_format import Label
from casty_notebook.views.activity import Activity
from casty_notebook.views.facts import Facts
from casty_notebook.views.following import Following
from casty_notebook.views.past.recorder import Recorder
from casty_notebook.views.reprs.cards import CardFacts, cluster_card_html, cluster_card_text

if TYPE_CHECKING:
    from casty_notebook.views.live.topology_widget import TopologyWidget
    from casty_notebook.views.past.recording import Recording
    from casty_notebook.views.report.writing import Source as ReportSource

__all__ = ["Cluster", "connect", "profile_names"]


LAST_HOUR = 3600.0
"""Seconds that a report counts our own asks of, as long as they are kept."""

_CLOSED = NodeHealth(LinkState.down, reason="the connection is closed")


class Cluster(Following, Activity):
    """A connected cluster: `ask`, `tell`, `lookup`, `where`, and tables of what it looks like now, and what it looked like.

    Made by `connect`. Shows itself as a card; closes with `close`, as a context manager, and at exit.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._words = words_here()
        self._recorder = Recorder(self.backend)
        self._on_loop(self._recorder.start)
        before = connections.register(self)
        if before is not None:
            before.close()

    # --- now and then: see `Pictured` for the tables, the history and the plots ----------------------------------------

    @property
    def moment(self) -> Moment | None:
        """What is known now, in one value; None before the first snapshot."""
        seen = self._recorder.seen
        if seen is None:
            return None
        if self.closed:
            return replace(seen, health={member.address: _CLOSED for member in seen.snapshot.members})
        return replace(seen, health=self.health)

    def _reports(self) -> Mapping[NodeAddress, NodeReport]:
        return {} if self.closed else self.backend.last_reports

    def _told(self) -> tuple[Mapping[NodeAddress, NodeReport], Moment | None]:
        reports, seen = self._wait(self.backend.node_reports()), self._recorder.seen
        return reports, None if seen is None else replace(seen, time=self.clock)

    def _past(self) -> History:
        """The history up to this moment, so that it has whatever `members` shows already."""
        if not (self.closed or self._loop.here or self._loop.gone):
            self._on_loop(self._recorder.look)
        return self._recorder.history

    def _clock(self) -> datetime.datetime:
        return self._recorder.clock()

    def _age(self) -> float | None:
        return None if self.closed else self._on_loop(lambda: self.backend.snapshot_age)

    def _set_back(self) -> datetime.timedelta:
        return self._recorder.clock.ahead

    @property
    def clock(self) -> datetime.datetime:
        """The time on the scale of `events` and `history`: never earlier than before, whatever the wall clock does."""
        return self._recorder.clock()

    @property
    def recent_events(self) -> Sequence[TopologyEvent]:
        """What `events` is made of; to be read on the background loop, where it grows."""
        return self._recorder.history.events

    @property
    def recent_moments(self) -> Sequence[Moment]:
        """What `history` is made of, the present moment last; to be read on the background loop, where it grows."""
        return self._recorder.history.moments

    @property
    def latest_moment(self) -> Moment | None:
        """The newest of `recent_moments`."""
        return self._recorder.history.latest

    recent_records, latest_record = recent_moments, latest_moment
    """Their former names, which still work."""

    @property
    def recent_waiting(self) -> Sequence[Waiting]:
        """Keys whose mailboxes grow or stand, where the nodes were asked of late; to be read on the background loop."""
        return self._recorder.waiting()

    def told_in(self, moment: Moment) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes said that they were at in one of `recent_moments`, in counts; nothing where nobody asked them then."""
        return self._recorder.load_history.at(moment.time)

    def record(self) -> Recording:
        """Take what is remembered, to keep: ``cluster.record().save("incident.casty")``."""
        from casty_notebook.views.past.recording import Recording

        def copy() -> History:
            past = self._recorder.history
            return History.restored(past.moments, past.events)

        return Recording(self._on_loop(copy), self._label())

    def _label(self) -> Label:
        return Label(self.name, self.system_name, self.uri, dict(self.shard_counts))

    def _reported(self) -> ReportSource:
        card, problems, backend = self.card(), self._problems(), self.backend
        counters, attempts, traffic = self._on_loop(
            lambda: (dict(backend.counters), tuple(backend.contact_attempts), tuple(backend.traffic.rows(every=LAST_HOUR)))
        )
        recorded = self.record()._reported()
        return replace(recorded, card=card, problems=problems, counters=counters, attempts=attempts, traffic=traffic)

    # --- what it shows ------------------------------------------------------------------------------------------------

    def widget(self) -> TopologyWidget:
        """Return a new live view: map, tables and timeline that follow the cluster while somebody looks at them."""
        from casty_notebook.views.live.feed import LiveSource
        from casty_notebook.views.live.topology_widget import TopologyWidget

        return TopologyWidget(LiveSource(self))

    def card(self) -> CardFacts:
        """The facts of the card."""
        moment = self.moment
        if moment is not None and self.closed:
            moment = replace(moment, health={})
        facts = Facts(
            self._label(), self.clock, age=self._age(), closed=self.closed, colour=self.colour, read_only=self.read_only
        )
        card = CardFacts.gather(moment, facts, questions=self.questions)
        wrong = () if self.closed else self._problems()
        named = tuple((each.subject, each.text) for each in wrong)
        return replace(card, taken=self.clock, found=self.backend.found or None, problems=named, words=self._words)

    def close(self) -> None:
        """Unsubscribe, flush, close. Idempotent."""
        connections.unregister(self)
        super().close()

    async def _leave(self) -> None:
        if hasattr(self, "_recorder"):  # it was entered
            self._recorder.stop()
        await super()._leave()

    def __repr__(self) -> str:
        return fitting(cluster_card_text(self.card()))

    def _repr_html_(self) -> str:
        return cluster_card_html(self.card())


def connect(uri: str, **options: Any) -> Cluster:
    """Connect to a cluster and wait for its first snapshot.

    Parameters
    ----------
    uri
        ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``, for example ``casty://my-cluster@10.0.1.10:25520``; or ``@prod``, a profile
        of ``~/.config/casty_notebook/connections.toml``, with the options that it has.
    shards
        ``{"counter": 100}``: sharded types with the number of shards that the nodes use.
    name
        What to call the connection; the system's name if None. An open connection of that name is closed.
    serializer, compression
        As the cluster is configured; found out by asking if not given. Each wrong guess is a line in a node's log.
    address_map, tls, messages, settings, send_main, trace
        See `ClusterClient`.
    ssh
        A bastion to reach the nodes through: ``"user@bastion"``, or an `SSH`. One SSH connection, no local ports.
    read_only, questions, colour
        Safety rails: refuse every tell and every ask whose message is not of one of the classes (or modules, or dotted names)
        in `questions`; mark the cards with a CSS colour.
    timeout
        Seconds to wait for the first snapshot.

    Raises
    ------
    NoContactPoint
        Lists every contact point with what happened there.
    SystemNameMismatch, InvalidAddress, ShardCountMismatch, MisuseError
        If the arguments do not fit the cluster, or each other.
    """
    uri, options = resolved(uri, options)
    return Cluster(uri, **options)
