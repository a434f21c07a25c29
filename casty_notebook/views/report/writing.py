"""From what is remembered to the file: gathers an `Incident`, and writes its page."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from casty_notebook.errors import ContactAttempt, MisuseError
from casty_notebook.printable import writable
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.traffic import TrafficRow
from casty_notebook.views.live.feed import card_of, moments
from casty_notebook.views.report.incident import Before, Incident, calm_before
from casty_notebook.views.report.page import file_stem, report_page
from casty_notebook.views.reprs.cards import CardFacts
from casty_notebook.views.whole_file import write_whole

__all__ = ["Source", "as_page", "write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a connection or a recording gives a report: `card` is None where the last moment says it all."""

    history: History
    label: Label
    recording: bytes
    problems: Sequence[Problem]
    card: CardFacts | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    attempts: Sequence[ContactAttempt] = ()
    traffic: Sequence[TrafficRow] = ()


def as_page(source: Source, *, before: Moment | None = None, note: str = "", recording: bool = True) -> str:
    """Return the page of a report: what `write_report` writes, and an export button may hand out.

    Raises
    ------
    MisuseError
        If nothing is remembered.
    """
    return report_page(_incident(source, before, note, recording=recording))


def write_report(
    source: Source, path: str | os.PathLike[str] | None, *, before: Moment | None = None, note: str = "",
    recording: bool = True, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write the page; a folder, or None for the one where we are, is given a file that is named for cluster and time.

    Raises
    ------
    MisuseError
        If nothing is remembered, something is there already, or the file cannot be written.
    """
    incident = _incident(source, before, note, recording=recording)
    target = Path("." if path is None else path).expanduser()
    if target.is_dir():
        target /= f"{file_stem(source.label.name, incident.written)}.html"
    try:
        return write_whole(target, writable(report_page(incident)).encode(), overwrite=overwrite)
    except OSError as error:
        raise MisuseError(f"{target} cannot be written: {error.strerror or error}") from None


def _incident(source: Source, before: Moment | None, note: str, *, recording: bool) -> Incident:
    moments = source.history.moments
    if not moments:
        raise MisuseError(f"nothing is remembered of {source.label.name}: there is nothing to report")
    calm = calm_before(moments, source.problems, source.history.events)
    return Incident(
        written=datetime.datetime.now(datetime.UTC), history=source.history, label=source.label,
        card=source.card if source.card is not None else _card(moments[-1], source.label, source.problems),
        problems=source.problems, before=calm if before is None else Before(before, "the moment that was asked for"),
        recording=source.recording if recording else None, counters=source.counters, attempts=source.attempts,
        traffic=source.traffic, note=note,
    )  # fmt: skip


def _card(last: Moment, label: Label, problems: Sequence[Problem]) -> CardFacts:
    card = card_of(next(moments([last], label)))
    return replace(card, problems=tuple((each.subject, each.text) for each in problems))
