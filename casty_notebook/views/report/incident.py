"""`Incident`: all that a report tells, as one value. Where its calm and its end are is decided here."""

from __future__ import annotations

import datetime
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from casty_notebook.errors import ContactAttempt
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import LOOK_BACK, Problem
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.traffic import TrafficRow
from casty_notebook.views.event_words import is_bad_news
from casty_notebook.views.reprs.cards import CardFacts
from casty_notebook.views.theme import health_of

__all__ = ["Before", "Incident", "calm_before"]


@dataclass(frozen=True, slots=True)
class Before:
    """The moment that a report compares with, and why that one."""

    moment: Moment
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What is known of a cluster when a report of it is written.

    Attributes
    ----------
    written
        When that is.
    history, label
        What was seen of it; one moment at least.
    card, problems
        As they are at the end.
    before
        The moment that the end is compared with.
    recording
        The recording as a file, to be handed on with the report; None if it is left out.
    counters, attempts, traffic
        What our own connection counted, what happened at each contact point, and to its asks; empty for a recording.
    note
        What its author says.
    """

    written: datetime.datetime
    history: History
    label: Label
    card: CardFacts
    problems: Sequence[Problem]
    before: Before
    recording: bytes | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    attempts: Sequence[ContactAttempt] = ()
    traffic: Sequence[TrafficRow] = ()
    note: str = ""

    @property
    def moments(self) -> Sequence[Moment]:
        return self.history.moments

    @property
    def after(self) -> Moment:
        """The end: the last moment that is remembered."""
        return self.moments[-1]


def calm_before(moments: Sequence[Moment], problems: Iterable[Problem], events: Iterable[TopologyEvent]) -> Before:
    """The last moment before the trouble of now began or, if all is well again, before the last trouble.

    What is wrong now may have begun as something else: it is gone back to a moment in which every node was well.
    """
    recent = moments[-LOOK_BACK:]
    last = next((place for place in reversed(range(len(recent))) if _troubled(recent[place])), None)
    begun = [problem.since for problem in problems if problem.severity == "bad"]
    if last is None and not begun:
        begun = [event.time for event in events if is_bad_news(event)][:1]
    if begun:
        at_it = bisect_left(recent, min(begun), key=lambda moment: moment.time)
        last = at_it if last is None else min(last, at_it)
    if last is None:
        return Before(moments[0], "the first moment that is remembered; no trouble was seen")
    calm = next((moment for moment in reversed(recent[:last]) if not _troubled(moment)), None)
    if calm is None:
        return Before(recent[0], "the first moment that was looked at; there was trouble already")
    return Before(calm, "the last moment before the trouble began")


def _troubled(moment: Moment) -> bool:
    return any(
        health_of(member, flagged=moment.flagged(member.address), reach=moment.reach(member.address)).tone == "bad"
        for member in moment.snapshot.members
    )
