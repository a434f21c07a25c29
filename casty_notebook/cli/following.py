"""Commands that go on until they are ended, by ``--for``, Ctrl-C or a signal that asks politely: none of it is a failure."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from casty_notebook.advice import IN_A_SHELL, advice_in
from casty_notebook.cli.arguments import add_command, add_flags, asking, each_of, opened, seconds
from casty_notebook.cli.printing import FAILED, Rows, note
from casty_notebook.errors import AskFailed, AskTimeout, MisuseError, NodeUnreachable, UndecodableMessage
from casty_notebook.magics import grammars
from casty_notebook.topology.events import Change

if TYPE_CHECKING:
    from casty_notebook.client.listening import BlockingListener
    from casty_notebook.topology.events import TopologyEvent
    from casty_notebook.topology.kinds import Kind
    from casty_notebook.views.cluster import Cluster
    from casty_notebook.views.past.recording import Recording

__all__ = ["add_following"]

LOOK = 0.1
"""Seconds between two looks at what has been noticed; asks nobody."""
MOST_TARGETS = 1_000
FOLDED = 3
"""So many services that come or go in one moment on one node are a line."""

EVENT = ("time", "kind", "by", "subject", "before", "after")
HEARD = ("time", "node", "message", "error")
ANSWER = ("time", "target", "value", "error", "latency_ms", "node")


def add_following(commands: Any) -> None:
    """Add `events`, `watch`, `listen`, `record` and `report`."""
    events = add_command(commands, "events", "what changes, a line each, while it does", _events)
    watch = add_command(commands, "watch", "ask again and again; a line for each answer that is another one", _watch)
    watch.add_argument("target", metavar="TARGET", help="counter/user-42, counter/user-{1..9}, payment")
    watch.add_argument("message", metavar="MESSAGE", help="bank.messages.GetBalance(currency='EUR')")
    watch.add_argument("--every-answer", action="store_true", help="a line for every answer, also the same again")
    add_flags(watch, grammars.WATCH, leave_out=("--notify", "--force"))
    listen = add_command(commands, "listen", "send one message; a line for each that comes to its reply address", _listen)
    listen.add_argument("target", metavar="TARGET", help="counter/user-42, payment, payment@node-2")
    listen.add_argument("message", metavar="MESSAGE", help="prices.Subscribe(currency='EUR')")
    add_flags(listen, grammars.LISTEN, leave_out=("--fields",))
    record = add_command(commands, "record", "keep what happens in a file, to be gone through later", _record)
    record.add_argument("path", metavar="FILE", help="the recording; for Recording.load, or casty-notebook report")
    report = add_command(commands, "report", "write what happened as one HTML file that opens anywhere", _report)
    report.add_argument("path", metavar="PATH", nargs="?", help="the file, or a folder for it; this one if not given")
    add_flags(report, grammars.REPORT)
    for command in (events, record, report):
        command.add_argument("--for", dest="seconds", type=seconds, metavar="SECONDS", help="end after so long; else by Ctrl-C")
    report.set_defaults(seconds=5.0)
    record.add_argument("--overwrite", action="store_true", help="replace a file that is there already")


# --- until it is ended ----------------------------------------------------------------------------------------------------


@contextmanager
def ended_well() -> Iterator[None]:
    """Let Ctrl-C, a closed terminal and ``kill`` end what is inside, so that what comes after it is still done.

    What tells people that they may do so belongs inside, too: one of them is quicker than the next line.
    """
    polite = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [(each, signal.signal(each, signal.default_int_handler)) for each in polite]
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def turns(every: float, length: float | None) -> Iterator[None]:
    """A turn each `every` seconds, or as soon as the one before is done; the last one when `length` seconds are over."""
    started = due = monotonic()
    end = None if length is None else started + length
    while True:
        yield
        if end is not None and due >= end:
            return
        due = max(due + every, monotonic())
        if end is not None:
            due = min(due, max(end, monotonic()))
        sleep(max(0.0, due - monotonic()))


# --- events ---------------------------------------------------------------------------------------------------------------


def _events(options: argparse.Namespace) -> int:
    with opened(options) as cluster:
        members, rows = len(cluster.members), Rows(EVENT, options.form)
        last: TopologyEvent | None = None
        with ended_well():
            note(f"following {cluster.name}: {members:,} members")
            for _ in turns(LOOK, options.seconds):
                newer = _newer(cluster, last)
                for event, text in zip(newer, _event_texts(newer, cluster.kind), strict=True):
                    rows.add(_event_row(event), text)
                    last = event
    return 0


def _newer(cluster: Cluster, last: TopologyEvent | None) -> Sequence[TopologyEvent]:
    newer: list[TopologyEvent] = []
    for event in reversed(tuple(cluster.recent_events)):
        if event is last:
            break
        newer.append(event)
    return newer[::-1]


def _event_row(event: TopologyEvent) -> dict[str, Any]:
    from casty_notebook.views.event_words import by_of

    return {
        "time": _stamp(event.time), "kind": event.kind, "by": by_of(event), "subject": event.subject, "before": event.before,
        "after": event.after,
    }  # fmt: skip


def _event_texts(events: Sequence[TopologyEvent], kind: Kind) -> list[str]:
    """A line for each event, but one for all services or types that come or go together: a node has dozens. The rest is empty."""
    from casty_notebook.views.event_words import by_of, name_of_event

    together: dict[TopologyEvent, list[TopologyEvent]] = {}
    for event in events:
        if event.kind in (Change.service_added, Change.service_gone):
            together.setdefault(replace(event, subject=""), []).append(event)
    lines = []
    for event in events:
        same = together.get(replace(event, subject=""), [event])
        if len(same) < FOLDED:
            same = [event]
        subject = event.subject if len(same) == 1 else f"{len(same):,} {kind.services}"
        change = " → ".join(filter(None, (event.before, event.after)))
        line = f"{_stamp(event.time)}  {by_of(event):<7}  {subject}: {name_of_event(event.kind, kind)} ({change})"
        lines.append(line if event is same[0] else "")
    return lines


def _stamp(time: datetime.datetime | None = None) -> str:
    when = time or datetime.datetime.now(datetime.UTC)
    return when.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- watch ----------------------------------------------------------------------------------------------------------------


def _watch(options: argparse.Namespace) -> int:
    from casty_notebook.values.targets import expand_ranges

    targets = expand_ranges(options.target)
    if len(targets) > MOST_TARGETS:
        raise MisuseError(f"{options.target} stands for {len(targets):,} targets; at most {MOST_TARGETS:,} are watched")
    with opened(options) as cluster:
        rows, shown = Rows(ANSWER, options.form), dict[str, tuple[Any, str | None]]()
        with ended_well():
            for _ in turns(options.every or 1.0, options.seconds):
                for row in _answers(cluster, targets, options):
                    now = row["value"], row["error"]
                    if options.every_answer or row["target"] not in shown or not _same(shown[row["target"]], now):
                        rows.add(row, _answer_text(row))
                    shown[row["target"]] = now
    return FAILED if any(error is not None for _, error in shown.values()) else 0


def _answers(cluster: Cluster, targets: Sequence[str], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    try:
        table = cluster.ask_many(
            each_of(cluster, targets, options), options.message, progress=False, summary=False, fields=options.field is not None,
            **asking(options),
        )  # fmt: skip
    except AskFailed as error:  # a service of which no instance is left: it may come back
        lost = {"value": None, "error": f"{type(error).__name__}: {error.report.headline()}", "latency_ms": None, "node": None}
        yield from ({"time": _stamp(), "target": target, **lost} for target in targets)
        return
    if table.attrs["summary"]["interrupted"]:
        raise KeyboardInterrupt  # which a fan-out keeps to itself
    field = "reply" if options.field is None else f"reply.{options.field}"
    named = field if field in table else options.field
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        yield {
            "time": _stamp(), "target": row["target"], "value": row.get(named), "error": row["error"],
            "latency_ms": row["latency_ms"], "node": row["node"],
        }  # fmt: skip


def _answer_text(row: dict[str, Any]) -> str:
    from casty_notebook.views.reprs.plain import brief

    said = brief(row["value"]) if row["error"] is None else f"✕ {row['error']}"
    return f"{row['time']}  {row['target']}  {said}"


def _same(before: tuple[Any, Any], now: tuple[Any, Any]) -> bool:
    """Whether a person would see a difference; replies may be of classes that compare as they like."""
    try:
        return bool(before == now)
    except Exception:  # an array, for one, is neither
        return repr(before) == repr(now)


# --- listen ---------------------------------------------------------------------------------------------------------------


def _listen(options: argparse.Namespace) -> int:
    from casty_notebook.views.reprs.plain import brief

    how = asking(options) | {"retry": options.retry}
    how.pop("fail_fast")
    with opened(options) as cluster:
        rows, length = Rows(HEARD, options.form), options.seconds
        with ended_well():
            try:
                with cluster.listen(options.target, options.message, **how) as listener:
                    note(f"listening to {options.target} on {cluster.name}")
                    for row in _heard(cluster, listener, options.count, length):
                        rows.add(row, f"{row['time']}  {row['node'] or ''}  {row['error'] or brief(row['message'])}")
            except NodeUnreachable as error:
                note(f"casty-notebook: {advice_in(IN_A_SHELL, str(error))}")
                return FAILED
    return 0


def _heard(
    cluster: Cluster, listener: BlockingListener[Any], most: int | None, length: float | None
) -> Iterator[dict[str, Any]]:
    """What comes, until it is enough, or its time is over."""
    end, count = None if length is None else monotonic() + length, 0
    while (left := LOOK if end is None else min(LOOK, end - monotonic())) > 0 and (most is None or count < most):
        try:
            arrival = listener.next(left)
        except AskTimeout:
            continue
        if arrival is None:
            return
        count += 1
        refused = isinstance(arrival.message, UndecodableMessage)
        yield {
            "time": _stamp(), "node": None if arrival.node is None else cluster.backend.node_name(arrival.node),
            "message": None if refused else arrival.message, "error": str(arrival.message) if refused else None,
        }  # fmt: skip


# --- record, report -------------------------------------------------------------------------------------------------------


def _record(options: argparse.Namespace) -> int:
    target = Path(options.path).expanduser()
    # Not after an hour of recording.
    if not options.overwrite and os.path.lexists(target):
        raise MisuseError(f"{target} is there already; give another name, or --overwrite")
    if not target.parent.is_dir():
        raise MisuseError(f"{target.parent} is no folder: the recording could not be saved there")
    with opened(options) as cluster:
        how = "Ctrl-C ends" if options.seconds is None else f"{options.seconds:g} s or Ctrl-C"
        members = len(cluster.members)
        try:
            with ended_well():
                note(f"recording {cluster.name}: {members:,} members ({how})")
                for _ in turns(LOOK, options.seconds):
                    pass
        finally:
            # Whatever ended it.
            recording = cluster.record()
            path = _saved(recording, target, overwrite=options.overwrite)
    events, moments = len(recording.events), len(recording)
    return _written(path, options.form, moments=moments, events=events)


def _saved(recording: Recording, target: Path, *, overwrite: bool) -> Path:
    try:
        return recording.save(target, overwrite=overwrite)
    except OSError as error:
        raise MisuseError(f"{target} cannot be written: {error.strerror or error}") from None


def _report(options: argparse.Namespace) -> int:
    given = {
        "before": options.before, "note": options.note or "", "recording": not options.without_recording,
        "overwrite": options.overwrite,
    }  # fmt: skip
    if "://" not in options.uri and not options.uri.startswith("@"):
        return _written(_loaded(options.uri).report(options.path, **given), options.form)
    with opened(options) as cluster:
        with ended_well():
            note(f"looking at {cluster.name} for {options.seconds:g} s")  # what is wrong for a moment is no problem yet
            for _ in turns(LOOK, options.seconds):
                pass
        return _written(cluster.report(options.path, **given), options.form)


def _loaded(path: str) -> Recording:
    from casty_notebook.views.past.recording import Recording

    try:
        return Recording.load(path)
    except OSError as error:
        raise MisuseError(f"{path} is neither casty://SYSTEM@HOST:PORT nor a recording: {error.strerror or error}") from None


def _written(path: Path, form: str | None, **counts: int) -> int:
    size = path.stat().st_size
    if form is None:
        counted = "".join(f", {count:,} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items())
        note(f"wrote {path}: {size:,} bytes{counted}")
    else:
        written = {"path": str(path), "bytes": size, **counts}
        Rows(tuple(written), form).add(written, "")
    return 0
