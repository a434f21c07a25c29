"""The commands that go on until they are ended, in processes of their own, against real clusters."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import Recording, connect
from casty_notebook.cli.following import _event_texts
from casty_notebook.demo import DemoCluster
from casty_notebook.topology.events import Change, TopologyEvent
from casty_notebook.topology.kinds import VIRTUAL
from tests.support.waiting import wait_until

MESSAGES = "casty_notebook.demo.messages"
COUNTS = ("--shards", "counter=100")


class Running:
    """A command, and all that it has said so far."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "casty_notebook.cli.main", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=_keep, args=(pipe, kept))
            for kept, pipe in ((self.out, self.process.stdout), (self.err, self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end; return its exit code."""
        self.process.send_signal(how)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(30)
        for reader in self._readers:
            reader.join(10)
        return code


def _keep(pipe: Any, kept: list[str]) -> None:
    with pipe:
        for line in pipe:
            kept.append(line)


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    command = Running(*arguments)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
        command.ended()


def test_events_come_as_lines_while_they_happen_and_ctrl_c_is_a_good_end(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(2)
    with running("events", demo.uri, "--json") as as_json, running("events", demo.uri) as as_text:
        wait_until(lambda: as_json.err and as_text.err, 30, "both are following")
        demo.kill("node-2")
        wait_until(lambda: any('"lost"' in line for line in as_json.out), 20)
        wait_until(lambda: any("connection from here is lost" in line for line in as_text.out), 20)
        assert as_json.end() == as_text.end() == 0
    lost = next(row for row in map(json.loads, as_json.out) if row["kind"] == "lost")
    assert (lost["subject"], lost["by"], lost["time"][-1]) == ("node-2", "here", "Z")
    assert "Traceback" not in "".join([*as_json.err, *as_text.err])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_recorded_is_saved_whatever_ends_it(demo_cluster: DemoCluster, tmp_path: Path, how: signal.Signals) -> None:
    path = tmp_path / "kept.casty"
    with running("record", demo_cluster.uri, str(path)) as command:
        wait_until(lambda: command.err, 30, "it is recording")
        assert command.end(how) == 0, command.err
    assert len(Recording.load(path).members) == 3
    assert command.err[-1].startswith(f"wrote {path}: ")


def test_a_recording_ends_by_itself_and_a_report_is_made_of_it(demo_cluster: DemoCluster, tmp_path: Path) -> None:
    kept, told = tmp_path / "kept.casty", tmp_path / "told.html"
    with running("record", demo_cluster.uri, str(kept), "--for", "0.3", "--json") as record:
        assert record.ended() == 0
    assert json.loads(record.out[0])["path"] == str(kept)
    with running("report", str(kept), str(told), "--note", "from a file") as report:
        assert report.ended() == 0, report.err
    assert "from a file" in told.read_text("utf-8")
    with running("report", demo_cluster.uri, str(told), "--for", "0.1", "--overwrite") as report:
        assert report.ended() == 0, report.err
    assert "from a file" not in told.read_text("utf-8")


def test_a_watch_says_what_changed_and_nothing_else(demo_cluster: DemoCluster) -> None:
    target, message = "counter/watched-by-shell", f"{MESSAGES}.GetCount()"
    with (
        connect(demo_cluster.uri, shards=demo_cluster.shards, name="beside") as cluster,
        running("watch", demo_cluster.uri, target, message, *COUNTS, "--every", "0.05", "--csv") as watch,
    ):
        wait_until(lambda: len(watch.out) == 2, 30, "the heading and the first answer")
        cluster.tell(target, f"{MESSAGES}.Increment(4)")
        wait_until(lambda: len(watch.out) == 3, 20, "the change")
        assert watch.end() == 0, watch.err
    rows = list(csv.DictReader(watch.out))
    assert [row["value"] for row in rows] == ["0", "4"]
    assert {row["target"] for row in rows} == {target}


def test_a_watch_goes_on_over_failures_has_fields_and_says_in_the_end_that_something_failed(demo_cluster: DemoCluster) -> None:
    with running("watch", demo_cluster.uri, "no-such-service", "x.Y()", "--for", "0.3", "--every", "0.1", "--json") as watch:
        assert watch.ended() == 1
    assert [json.loads(line)["error"].partition(":")[0] for line in watch.out] == ["NoSuchService"]
    arguments = ("account/a-{1..2}", f"{MESSAGES}.GetBalance()", "--shards", "account=100", "--field", "amount")
    with running("watch", demo_cluster.uri, *arguments, "--for", "0.1", "--every-answer", "--json") as watch:
        assert watch.ended() == 0, watch.err
    assert {(row["target"], row["value"]) for row in map(json.loads, watch.out)} == {("account/a-1", 0), ("account/a-2", 0)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("record", "casty://demo@127.0.0.1:1", "{folder}/taken"), "is there already"),
        (("record", "casty://demo@127.0.0.1:1", "{folder}/none/x"), "is no folder"),
        (("report", "{folder}/none.casty"), "neither casty://SYSTEM@HOST:PORT nor a recording: No such file"),
        (("report", "{folder}/taken"), "not a recording"),
        (("watch", "casty://demo@127.0.0.1:1", "c/{{1..2000}}", "x.Y()"), "2,000 targets; at most 1,000"),
        (("events", "casty://demo@127.0.0.1:1", "--for", "never"), "'never' is no number of seconds above 0"),
        (("events", "casty://demo@127.0.0.1:1", "--map", "a"), "expected HOST:PORT=HOST:PORT"),
    ],
)
def test_mistakes_are_said_before_anything_is_dialled(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    (tmp_path / "taken").touch()
    with running(*(each.format(folder=tmp_path) for each in arguments)) as command:
        assert command.ended() == 2, command.err
    assert says in "".join(command.err)
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_all_is_every_instance_here_too_and_every_answer_is_another_word(demo_cluster: DemoCluster) -> None:
    often = ("--every", "0.1", "--for", "0.3", "--json")
    with running("watch", demo_cluster.uri, "payment", f"{MESSAGES}.WhereAreYou()", "--all", *often) as watch:
        assert watch.ended() == 0, watch.err
    assert sorted(json.loads(each)["node"] for each in watch.out) == ["node-1", "node-2"]
    with running("watch", demo_cluster.uri, "counter/same", f"{MESSAGES}.GetCount()", *COUNTS, "--every-answer", *often) as watch:
        assert watch.ended() == 0, watch.err
    assert len(watch.out) > 1
    assert {json.loads(each)["value"] for each in watch.out} == {0}


def test_a_reader_that_leaves_ends_it_without_a_word(demo_cluster: DemoCluster) -> None:
    command = [sys.executable, "-m", "casty_notebook.cli.main", "watch", demo_cluster.uri, "counter/piped"]
    command += [f"{MESSAGES}.GetCount()", *COUNTS, "--every", "0.01", "--every-answer"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_what_comes_to_a_reply_address_is_a_line_each(demo_cluster: DemoCluster) -> None:
    line = ("listen", demo_cluster.uri, "counter/heard", f"{MESSAGES}.GetCount()", *COUNTS, "--count", "1", "--json")
    with running(*line) as following:
        assert following.ended() == 0
        assert [json.loads(each)["message"] for each in following.out] == [0]


def test_a_watch_says_only_what_its_rows_say(demo_cluster: DemoCluster) -> None:
    often = ("-t", "0.2", "--for", "1", "--every", "0.2")
    line = ("watch", demo_cluster.uri, "counter/silent", f"{MESSAGES}.Nothing()", *COUNTS, *often)
    with running(*line) as following:
        assert following.ended() == 1
        assert len(following.out) == 1
        assert "failed" not in "".join(following.err)


def told_of(kind: Change, subject: str, before: str = "", after: str = "") -> TopologyEvent:
    return TopologyEvent(datetime(2026, 1, 2, tzinfo=UTC), kind, subject, before, after)


def test_types_that_go_with_a_node_are_one_line_and_its_death_another() -> None:
    gone = [told_of(Change.service_gone, f"shop:type{n}", "node-3") for n in range(12)]
    few = [told_of(Change.service_gone, "shop:type0", "node-2")]
    lines = _event_texts([told_of(Change.member_status, "node-3", "alive", "dead"), *gone, *few], VIRTUAL)
    assert len(lines) == 14
    assert [line.partition("  ")[2] for line in lines if line] == [
        "cluster  node-3: status changed (alive → dead)",
        "cluster  12 types: type not met any more (node-3)",
        "cluster  shop:type0: type not met any more (node-2)",
    ]
