"""`Recording`: what was remembered of a cluster, kept in a file and looked at without the cluster."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from casty_notebook.errors import InvalidRecording, UndecodableMessage
from casty_notebook.printable import printable
from casty_notebook.settings import Settings
from casty_notebook.topology.history import History
from casty_notebook.topology.recording_format import Label, read_history, write_history
from casty_notebook.values.limits.compression import compress, decompress
from casty_notebook.values.limits.plain_msgpack import dump_msgpack, read_plain
from casty_notebook.views.past.times import Time, moment_of, told
from casty_notebook.views.snapshot_tables import Pictured
from casty_notebook.views.whole_file import write_whole

if TYPE_CHECKING:
    from casty_notebook.topology.moment import Moment
    from casty_notebook.topology.snapshot import TopologySnapshot
    from casty_notebook.views.live.topology_widget import TopologyWidget
    from casty_notebook.views.report.writing import Source as ReportSource

__all__ = ["Recording"]

MAGIC = b"casty-recording\n"
"""First bytes of a file; then msgpack, compressed by zlib. The version is inside."""


class Recording(Pictured):
    """Moments of a cluster with the tables, plots and the view of an open connection, but fixed. Made by `Cluster.record`.

    The tables show its last moment; `until` goes back to an earlier one.
    """

    def __init__(self, history: History, label: Label) -> None:
        self._history = history
        self._label = label
        self.name = label.name

    # --- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write it to a file, which holds no message, no reply and no credential. Returns the path.

        The file appears at once and whole, or not at all; one that is there already is replaced only if `overwrite`.

        Raises
        ------
        MisuseError
            If a file is there, and is not to be replaced.
        OSError
            If it cannot be written.
        """
        return write_whole(path, self.to_bytes(), overwrite=overwrite)

    def to_bytes(self) -> bytes:
        """Return what a file of it holds."""
        return MAGIC + compress("zlib", dump_msgpack(write_history(self._history, self._label)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file. It may come from anybody: nothing in it is imported or called, and what it may take is bounded.

        It is counted before it is built: memory and work as of a message (`Settings`), at most a million shards a moment and
        five million in all, at most as many moments and events as are remembered of a cluster.

        Raises
        ------
        InvalidRecording
            If it is none, damaged, or of another version; says which.
        OSError
            If it cannot be read.
        """
        file, settings = Path(path), Settings()
        if (size := file.stat().st_size) > settings.max_frame:
            raise InvalidRecording(f"{file.name}: {size:,} bytes; recordings of at most {settings.max_frame:,} are read")
        data = file.read_bytes()
        if not data.startswith(MAGIC):
            raise InvalidRecording(f"{file.name}: not a recording of casty_notebook; it begins with {data[:12]!r}")
        try:
            plain = decompress("zlib", data[len(MAGIC) :], settings.max_payload, settings.max_memory - len(data))
            return cls(*read_history(read_plain(plain, settings, held=len(data))))
        except (InvalidRecording, UndecodableMessage) as error:
            raise InvalidRecording(f"{file.name}: {error}") from None

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def topology(self) -> TopologySnapshot | None:
        """The last snapshot; None if it is empty."""
        return None if self.moment is None else self.moment.snapshot

    def until(self, time: Time) -> Recording:
        """Return the recording as if it had been ended then, so that its tables and view show that moment.

        Raises
        ------
        MisuseError
            As `at` does.
        """
        self._moment_at(time)
        return Recording(self._history.until(moment_of(time, self._clock())), self._label)

    @property
    def moment(self) -> Moment | None:
        """Its last moment; None if it is empty."""
        return self._history.latest

    def _past(self) -> History:
        return self._history

    def _clock(self) -> datetime.datetime:
        latest = self._history.latest
        return datetime.datetime.now(datetime.UTC) if latest is None else latest.time

    def _reported(self) -> ReportSource:
        from casty_notebook.views.report.writing import Source

        return Source(history=self._history, label=self._label, recording=self.to_bytes(), problems=self._problems())

    def __len__(self) -> int:
        return len(self._history.moments)

    def widget(self) -> TopologyWidget:
        """Return a view of all its moments, with the timeline to go through them; no cluster is asked.

        Raises
        ------
        InvalidRecording
            If it has no moments.
        """
        from casty_notebook.views.live.recorded_feed import RecordedSource
        from casty_notebook.views.live.topology_widget import TopologyWidget

        if not len(self):
            raise InvalidRecording(f"the recording of {self.name} is empty: there is nothing to show")
        return TopologyWidget(RecordedSource(self._history, self._label, self.report_page))

    def __repr__(self) -> str:
        moments = self._history.moments
        span = f"{told(moments[0].time)} to {told(moments[-1].time)}" if moments else "empty"
        events = len(self._history.events)
        return f"<Recording of {printable(self.name)}: {len(moments):,} moments, {events:,} events, {span}>"
