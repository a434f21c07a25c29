"""A report as one HTML page: it opens anywhere, without a kernel, a network or a script, and loads nothing."""

from __future__ import annotations

import base64
import datetime
import importlib.metadata
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from casty_notebook.address import NodeAddress
from casty_notebook.topology.events import TopologyEvent, opinions
from casty_notebook.topology.kinds import Kind
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.names import name_of, natural
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.snapshot import Member
from casty_notebook.topology.traffic import TrafficRow
from casty_notebook.views.event_runs import runs
from casty_notebook.views.event_words import by_of, is_bad_news, name_of_event
from casty_notebook.views.live.feed import moments
from casty_notebook.views.live.svg_map import map_html
from casty_notebook.views.report.incident import Incident
from casty_notebook.views.reprs.cards import card_table
from casty_notebook.views.reprs.html import PLACE, STYLE, Markup, code, element, facts, joined, reach, state, table
from casty_notebook.views.reprs.plain import clipped, many

__all__ = ["MOST_EVENTS", "MOST_RECORDING", "file_stem", "report_page"]

MOST_EVENTS = 1_000
"""So many of the newest events are in the page. All of them are in the recording."""
MOST_RECORDING = 8 * 1024 * 1024
"""Bytes of the largest recording that is put into the page, where it takes a third more. Most have some tens of thousands."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page forbids itself: even if a name from the cluster got into it as markup, nothing would run or be fetched."""

_SECTIONS = {
    "problems": "Problems", "cluster": "Cluster", "maps": "Before and after", "changes": "What changed", "members": "Members",
    "events": "Events", "here": "From here", "versions": "Versions", "recording": "Recording",
}  # fmt: skip


def report_page(incident: Incident) -> str:
    """Return the whole page."""
    name = f"Casty cluster {incident.label.name}"
    head = [
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", f"{name}, {_date(incident.after.time)}"),
        Markup(f"<style>{STYLE.strip()}\n{_style()}</style>"),
    ]
    body = element("main", element("h1", clipped(name, 200)), *_opening(incident), *_sections(incident), class_="report")
    page = element("html", element("head", *head), element("body", element("div", body, class_=PLACE)), lang="en")
    return f"<!doctype html>\n{page}\n"


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text("utf-8").strip()


def _opening(incident: Incident) -> Iterator[Markup]:
    moments, events = incident.moments, incident.history.events
    seen = f"Seen from {_time(moments[0].time)} to {_time(moments[-1].time)}: "
    counts = f"{many(len(moments), 'moment')}, {many(len(events), 'event')}."
    yield element("p", f"Written at {_time(incident.written)}. {seen}{counts} All times are in UTC.")
    if incident.note:
        yield element("blockquote", incident.note)
    links = (element("a", words, href=f"#{anchor}") for anchor, words in _SECTIONS.items())
    yield element("nav", joined(links, " "))


def _sections(incident: Incident) -> Iterator[Markup]:
    told = {
        "problems": _problems(incident.problems),
        "cluster": card_table(incident.card),
        "maps": _maps(incident),
        "changes": _changes(incident),
        "members": _members(incident.after),
        "events": _events(incident.history.events, incident.after.kind),
        "here": _here(incident),
        "versions": facts("Written with", _versions(incident)),
        "recording": _recording(incident),
    }
    for anchor, words in _SECTIONS.items():
        yield element("section", element("h2", words), told[anchor], id=anchor)


# --- what is wrong, and what it looked like -------------------------------------------------------------------------------


def _problems(problems: Sequence[Problem]) -> Markup:
    if not problems:
        return element("p", state("good", "none found in the last moment"))
    rows = (
        (
            state("bad" if each.severity == "bad" else "open", each.subject), _time(each.since), each.says, each.text, each.remedy
        )
        for each in problems
    )  # fmt: skip
    return table(many(len(problems), "problem"), ("of", "since", "who says so", "what", "what to do"), rows, len(problems))


def _maps(incident: Incident) -> Markup:
    before = incident.before
    shown = [("Before", before.moment, before.why), ("After", incident.after, "the last moment that is remembered")]
    maps = (
        element("section", element("h3", f"{title}: {_time(record.time)}"), element("p", why), _map(record, incident.label))
        for title, record, why in shown
    )
    return element("div", *maps, class_="maps")


def _map(record: Moment, label: Label) -> Markup:
    return Markup(map_html(next(moments([record], label))))


def _changes(incident: Incident) -> Markup:
    before, after = incident.before.moment, incident.after
    changes = incident.history.diff(before.time, after.time)
    span = f"From {_time(before.time)} to {_time(after.time)}, as if nothing had been in between:"
    if not changes:
        return element("p", f"{span} nothing.")
    rows = [_event_row(each, after.kind) for each in changes]
    return joined([element("p", span), _event_table(many(len(changes), "change"), rows)])


def _events(events: Sequence[TopologyEvent], kind: Kind) -> Markup:
    if not events:
        return element("p", "None.")
    newest = tuple(events)[-MOST_EVENTS:]
    which = f"the newest {len(newest):,}; all are in the recording" if len(newest) < len(events) else "the oldest first"
    rows = [_run_row(run, kind) for run in runs(newest)]
    return element("details", element("summary", many(len(events), "event")), _event_table(which, rows), open="")


def _event_table(caption: str, rows: Sequence[Sequence[object]]) -> Markup:
    return table(caption, ("time", "who says so", "what", "of", "before", "after"), rows, len(rows), most=MOST_EVENTS)


def _run_row(run: tuple[TopologyEvent, ...], kind: Kind) -> tuple[object, ...]:
    row, last = _event_row(run[0], kind), run[-1]
    if len(run) == 1:
        return row
    time, by, what, subject, _, _ = row
    return time, by, f"{what}, {len(run):,} times", subject, "", f"until {_time(last.time)}, {_short(last.after)} at last"


def _event_row(event: TopologyEvent, kind: Kind) -> tuple[object, ...]:
    what: object = name_of_event(event.kind, kind)
    if is_bad_news(event):
        what = state("bad", what)
    return _time(event.time), by_of(event), what, *map(_short, (event.subject, event.before, event.after))


def _short(text: str) -> str:
    return clipped(text, 300)


def _members(moment: Moment) -> Markup:
    snapshot, kind, members = moment.snapshot, moment.kind, moment.members
    owned: Counter[object] = Counter()
    for column in moment.placements.values():
        for placement, count in column.counts():
            owned[placement.primary] += count
    services = Counter(entry.node for entry in moment.services)
    rows = (
        (
            member.id, code(address), member.status.name + (", unreachable" if moment.flagged(address) else ""),
            reach(moment.reach(address)),
            *((", ".join(sorted(member.roles)), "yes" if address == snapshot.leader else "") if kind.has_leader else ()),
            *((opinions(member) if member.disputed else "the same",) if kind.has_opinions else ()),
            owned[address], services[address],
        )
        for address, member in members.items()
    )  # fmt: skip
    own = (*(("roles", "leader") if kind.has_leader else ()), *(("members say",) if kind.has_opinions else ()))
    heads = ("node", "address", "the cluster says", "from here", *own, kind.placements, kind.services)
    return table(f"{many(len(members), 'member')} at {_time(moment.time)}", heads, rows, len(members))


# --- ourselves ------------------------------------------------------------------------------------------------------------


def _here(incident: Incident) -> Markup:
    members = incident.after.members
    views = sorted(incident.after.health.items(), key=lambda item: natural(name_of(item[0], members)))
    links = (
        (
            name_of(address, members), code(address), reach(view.reachable), view.reason,
            "" if view.rtt is None else f"{view.rtt * 1000:.1f} ms",
        )
        for address, view in views
    )  # fmt: skip
    parts = [table("Connections to nodes", ("node", "address", "reachable", "why not", "round trip"), links, len(views))]
    if incident.traffic:
        parts.append(_asks(incident.traffic, members))
    if incident.counters:
        counted = ((name.replace("_", " "), f"{count:,}") for name, count in sorted(incident.counters.items()))
        parts.append(facts("What this connection counted", counted))
    if incident.attempts:
        rows = ((code(each.contact), each.outcome) for each in incident.attempts)
        parts.append(table("Contact points", ("contact point", "what happened"), rows, len(incident.attempts)))
    return joined(parts)


def _asks(traffic: Sequence[TrafficRow], members: Mapping[NodeAddress, Member]) -> Markup:
    """The worst first: what failed most, then what was asked most."""
    ordered = sorted(traffic, key=lambda row: (row.cause is None, -row.count))
    rows = (
        (
            "not known" if row.node is None else name_of(row.node, members), row.kind,
            state("good", "answered") if row.cause is None else state("bad", row.cause), row.count,
            f"{row.p50 * 1000:.3g} ms", f"{row.p99 * 1000:.3g} ms",
        )
        for row in ordered
    )  # fmt: skip
    return table("Our own asks of the last hour", ("node", "type", "what came of it", "asks", "p50", "p99"), rows, len(ordered))


def _versions(incident: Incident) -> Iterator[tuple[str, object]]:
    yield "casty_notebook", _version("casty-notebook")
    yield "cluster", f"casty {incident.card.kind.casty} ({incident.card.kind.name})"
    yield "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in ("ipython", "anywidget", "pandas"):
        yield name, _version(name)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _recording(incident: Incident) -> Markup:
    data = incident.recording
    if data is None:
        return element("p", "It was left out of this report.")
    size = f"{len(data):,} bytes"
    if len(data) > MOST_RECORDING:
        most = f"at most {MOST_RECORDING:,} are put into a report"
        return element("p", f"It was left out: it has {size}, and {most}. Save it beside: cluster.record().save(…).")
    name = f"{file_stem(incident.label.name, incident.after.time)}.casty"
    url = f"data:application/octet-stream;base64,{base64.b64encode(data).decode('ascii')}"
    link = element("a", f"Download {name}", href=url, download=name)
    use = element("code", f'Recording.load("{name}")')
    return element("p", link, f" ({size}). To go through it moment by moment: ", use, " of casty_notebook.")


def file_stem(name: str, time: datetime.datetime) -> str:
    """A name for a file, whatever the cluster is called.

    Examples
    --------
    >>> file_stem("../shop €", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
    'casty-shop-20260102-030405'
    """
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else " " for sign in name[:60])
    return "-".join(("casty", *plain.split(), f"{time.astimezone(datetime.UTC):%Y%m%d-%H%M%S}"))


def _time(time: datetime.datetime) -> str:
    """To the millisecond, since causes and effects are often closer than a second."""
    return time.astimezone(datetime.UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _date(time: datetime.datetime) -> str:
    return f"{time.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
