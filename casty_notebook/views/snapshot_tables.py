"""Tables and plots of a cluster's present and past, for open connections and recordings alike."""

from __future__ import annotations

import datetime
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casty_notebook.address import NodeAddress
from casty_notebook.advice import words_here
from casty_notebook.errors import MisuseError
from casty_notebook.topology.history import History
from casty_notebook.topology.mailboxes import Waiting
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.node_report import NodeReport
from casty_notebook.topology.problems import Problem, find_problems, in_words
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.topology.traffic import TrafficRow
from casty_notebook.views.past.times import Time, moment_of, told
from casty_notebook.views.reprs.plain import many

if TYPE_CHECKING:
    import pandas as pd

    from casty_notebook.views.report.writing import Source as ReportSource

__all__ = ["Pictured"]


class Pictured(ABC):
    """Every table is a value, built from what is known without asking anybody."""

    name: str

    @property
    @abstractmethod
    def moment(self) -> Moment | None:
        """What the tables show, in one value; None where nothing has been seen yet."""

    def _reports(self) -> Mapping[NodeAddress, NodeReport]:
        """What the nodes last reported of themselves; empty if they were not asked."""
        return {}

    @abstractmethod
    def _past(self) -> History:
        """What is remembered."""

    @abstractmethod
    def _clock(self) -> datetime.datetime:
        """What "seconds ago" is counted from."""

    def _set_back(self) -> datetime.timedelta:
        """By how much the wall clock is behind the times that the tables show, since somebody set it back."""
        return datetime.timedelta(0)

    # --- now ----------------------------------------------------------------------------------------------------------

    @property
    def members(self) -> pd.DataFrame:
        """One row per member: what the cluster says (`status`) beside what we see (`reachable`)."""
        from casty_notebook.tables import members

        return members(self.moment, cluster=self.name, reports=self._reports())

    @property
    def shards(self) -> pd.DataFrame:
        """One row per allocated shard of every type."""
        return self.shard_table()

    def shard_table(self, shard_type: str | None = None) -> pd.DataFrame:
        """One row per allocated shard, of one type or all."""
        from casty_notebook.tables import shards

        return shards(self.moment, shard_type=shard_type, cluster=self.name)

    @property
    def services(self) -> pd.DataFrame:
        """One row per registered service instance."""
        from casty_notebook.tables import services

        return services(self.moment, cluster=self.name)

    # --- then ---------------------------------------------------------------------------------------------------------

    @property
    def events(self) -> pd.DataFrame:
        """What changed, oldest first: the last 10,000 changes that this connection saw."""
        from casty_notebook.tables import events

        moment = self.moment
        return events(tuple(self._past().events), cluster=self.name, moment=moment)

    @property
    def problems(self) -> pd.DataFrame:
        """What is wrong: since when, who says so, what to do. Empty where nothing is."""
        from casty_notebook.tables import problems

        moment = self.moment
        return problems(self._problems(), cluster=self.name, moment=moment)

    def _problems(self) -> tuple[Problem, ...]:
        past = self._past()
        found = find_problems(
            past.moments, tuple(past.events), self._clock(), snapshot_age=self._age(), asks=self._asks(), waiting=self._waiting()
        )
        return in_words(found, words_here())

    def _asks(self) -> Sequence[TrafficRow]:
        """What became of our own asks of late; nothing where none are made."""
        return ()

    def _waiting(self) -> Sequence[Waiting]:
        """Keys whose mailboxes grow or stand; none where no node was asked of late."""
        return ()

    def _age(self) -> float | None:
        """Seconds since the cluster last said anything; None where that is not followed."""
        return None

    @property
    def history(self) -> pd.DataFrame:
        """One row per remembered moment, oldest first; moments that showed nothing new are not remembered."""
        from casty_notebook.tables import history

        return history(self._past().moments, cluster=self.name)

    def at(self, time: Time) -> TopologySnapshot:
        """Return the topology as it was known at that time.

        Parameters
        ----------
        time
            A datetime or pandas Timestamp, ISO text (local time where it names no zone), or seconds ago as a number
            below 0. It is the time that `events` and `history` show, which goes on steadily where the wall clock is set back.

        Raises
        ------
        MisuseError
            If the time is none, or before all that is remembered.
        """
        return self._moment_at(time).snapshot

    def diff(self, a: Time, b: Time = 0) -> pd.DataFrame:
        """Return what changed from `a` to `b` as if nothing had been between, in the form of `events`; 0 is now.

        Raises
        ------
        MisuseError
            As `at` does.
        """
        from casty_notebook.tables import events

        first, second = self._moment_at(a), self._moment_at(b)
        changes = self._past().diff(first.time, second.time)
        return events(changes, cluster=self.name, moment=second)

    def _moment_at(self, time: Time) -> Moment:
        wanted, past = moment_of(time, self._clock()), self._past()
        found = past.at(wanted)
        if found is None and isinstance(time, str | datetime.datetime):
            # It is before all moments on the clock that the tables show; it may be meant by the wall clock, which was set back.
            found = past.at(wanted + self._set_back())
        if found is None:
            moments = past.moments
            if not moments:
                raise MisuseError(f"nothing is remembered of {self.name}")
            raise MisuseError(
                f"{told(wanted)} is before all that is remembered of {self.name}: that is {told(moments[0].time)} to "
                f"{told(moments[-1].time)}, {many(len(moments), 'moment')}"
            )
        return found

    # --- an incident as one file --------------------------------------------------------------------------------------

    @abstractmethod
    def _reported(self) -> ReportSource:
        """What a report is made of."""

    def report(
        self, path: str | os.PathLike[str] | None = None, *, before: Time | None = None, note: str = "",
        recording: bool = True, overwrite: bool = False,
    ) -> Path:  # fmt: skip
        """Write one HTML file that tells the incident, and opens anywhere without a kernel or a network. Returns its path.

        Problems, card, the map before and after, what changed, events, what our own connection saw, versions, and the
        recording to download. It holds names and addresses, but no message, no reply and no credential.

        Parameters
        ----------
        path
            A file, or a folder, where it is named for cluster and time. None: the folder where we are.
        before
            The moment to compare with, as `at` takes it. None: the last one before the trouble began.
        note
            What you want to say about it; shown first.
        recording
            Whether the recording is put into it, which it is up to 8 MiB.
        overwrite
            Whether a file that is there already may be replaced.

        Raises
        ------
        MisuseError
            If a file is there already, or cannot be written; if nothing is remembered; as `at` does.
        """
        from casty_notebook.views.report.writing import write_report

        then = None if before is None else self._moment_at(before)
        return write_report(self._reported(), path, before=then, note=note, recording=recording, overwrite=overwrite)

    def report_page(self, *, before: Time | None = None, note: str = "", recording: bool = True) -> str:
        """Return what `report` writes, for whoever hands it out in another way. The parameters are those of `report`."""
        from casty_notebook.views.report.writing import as_page

        then = None if before is None else self._moment_at(before)
        return as_page(self._reported(), before=then, note=note, recording=recording)

    # --- plots --------------------------------------------------------------------------------------------------------

    def plot_shards(self, shard_type: str | None = None, *, ax: Any = None) -> Any:
        """Draw how many shards each node owns, by type, beside its even share. Returns matplotlib's Axes.

        Raises
        ------
        MisuseError
            If matplotlib is not installed.
        """
        from casty_notebook.views.plots.figures import plot_shards

        return plot_shards(self.members, self.shard_table(shard_type), ax=ax)

    def plot_latency(self, answers: pd.DataFrame, *, ax: Any = None) -> Any:
        """Draw the latencies of a fan-out (`ask_many`, ``%%casty_ask``) by node. Returns matplotlib's Axes.

        Raises
        ------
        MisuseError
            If matplotlib is not installed, or the table is none of a fan-out.
        """
        from casty_notebook.views.plots.figures import plot_latency

        return plot_latency(answers, ax=ax)
