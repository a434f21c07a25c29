"""What came to a listener in a given time, or so many messages of it, for a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import Arrival
from casty_notebook.client.listening import BlockingListener
from casty_notebook.errors import AskTimeout, CastyNotebookError, MisuseError, UndecodableMessage
from casty_notebook.values.targets import MAX_TARGETS

__all__ = ["Collecting", "Note"]

SECONDS = 10.0
"""How long to listen where neither `seconds` nor `count` is given: a notebook that is run as a whole must come to its end."""
LONGEST = 86_400.0


@dataclass(frozen=True, slots=True)
class Note:
    """One message that came, or the error that came in its place."""

    time: datetime
    node: str | None
    message: Any
    error: CastyNotebookError | None


class Collecting:
    """waiting --run--> running --count | seconds | Ctrl-C | the listener ends--> ended.

    Attributes
    ----------
    total, done, failed
        How far it is; `total` is None where only the time is given.
    """

    def __init__(self, count: int | None, seconds: float | None) -> None:
        if count is not None and (isinstance(count, bool) or not 0 < count <= MAX_TARGETS):
            raise MisuseError(f"count must be from 1 to {MAX_TARGETS:,}, not {count}")
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise MisuseError(f"seconds must be more than 0 and at most {LONGEST:,.0f}, not {seconds}")
        self.total = count
        self._seconds = SECONDS if count is None and seconds is None else seconds
        self.failed = 0
        self.rows: list[Note] = []

    @property
    def done(self) -> int:
        return len(self.rows)

    def run(
        self, listener: BlockingListener[Any], node_name: Callable[[NodeAddress | None], str | None], tick: Callable[[], None]
    ) -> None:
        """Take what comes. An error that ends the listener becomes the last row, or is raised if there is no other row."""
        ends = None if self._seconds is None else monotonic() + self._seconds
        most = MAX_TARGETS if self.total is None else self.total
        while self.done < most:
            left = None if ends is None else ends - monotonic()
            if left is not None and left <= 0:
                return
            try:
                heard = listener.next(left, tick)
            except AskTimeout:
                return
            except CastyNotebookError as error:
                if not self.rows:
                    raise
                self._add(Note(datetime.now(UTC), None, None, error.with_traceback(None)))
                return
            if heard is None:
                return
            self._add(_note(heard, node_name(heard.node)))
            tick()

    def _add(self, note: Note) -> None:
        self.rows.append(note)
        self.failed += note.error is not None


def _note(heard: Arrival, node: str | None) -> Note:
    came = datetime.now(UTC) - timedelta(seconds=monotonic() - heard.at)
    refused = heard.message if isinstance(heard.message, UndecodableMessage) else None
    return Note(came, node or (None if heard.node is None else str(heard.node)), None if refused else heard.message, refused)
