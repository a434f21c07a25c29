"""An incident as one file: what it tells, what it compares with, and that nothing in it runs, is fetched or is lost."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from casty_notebook import Recording, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import MisuseError
from casty_notebook.topology.history import History
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.problems import Problem
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.snapshot import MemberStatus
from casty_notebook.views.report.incident import calm_before
from casty_notebook.views.report.page import MOST_RECORDING
from casty_notebook.views.report.writing import Source, as_page
from tests.support.topologies import HOSTILE, member, node, owned_by, topology
from tests.support.waiting import wait_until
from tests.topology.test_history import DOWN, LIVE, after
from tests.topology.test_recording_format import LABEL, sample

UP, GONE = MemberStatus.up, MemberStatus.down


class Strict(HTMLParser):
    """Collects text, tags and links; fails for what is not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.said = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += "" if "style" in self.open else data


def source(history: History, problems: Sequence[Problem] = (), recording: bytes = b"bytes", label: Label = LABEL) -> Source:
    return Source(history=history, label=label, recording=recording, problems=problems)


def problem(seconds: float) -> Problem:
    return Problem("bad", "unreached_up", "node-2", after(seconds), "here", "not reached", "see that it runs")


def told(*moments: str) -> History:
    """A second each: ``.`` both nodes are well, ``!`` we do not reach the second, ``x`` the cluster calls it down."""
    history = History()
    for second, sign in enumerate("".join(moments)):
        snapshot = topology([member(1), member(2, GONE if sign == "x" else UP)], leader=1, epoch=second)
        history.note(Moment(after(second), snapshot, {node(1): LIVE, node(2): DOWN if sign == "!" else LIVE}))
    return history


@pytest.mark.parametrize(
    ("moments", "begun", "calm"),
    [
        (".!", [1], 0),
        (".!x!", [3], 0),  # the problem of now began as another one
        ("!.!", [2], 1),
        (".!.x.", [], 2),  # all is well again: the last trouble counts
        (".!.!", [1], 0),  # a flapping node is one trouble
    ],
)
def test_the_end_is_compared_with_the_last_moment_before_the_trouble(moments: str, begun: list[int], calm: int) -> None:
    history = told(moments)
    found = calm_before(history.moments, map(problem, begun), history.events)
    assert found.moment.time == after(calm), found.why


def test_without_trouble_or_without_calm_the_first_moment_is_shown_and_it_is_said() -> None:
    quiet, loud = told("."), told("!x!")
    assert "no trouble was seen" in calm_before(quiet.moments, [], quiet.events).why
    assert "there was trouble already" in calm_before(loud.moments, [problem(0)], loud.events).why


def test_nothing_that_a_peer_wrote_becomes_markup_and_nothing_is_fetched() -> None:
    history = History()
    for second in range(2):
        snapshot = topology([member(1, name=HOSTILE), member(2)], leader=1)
        history.note(Moment(after(second), snapshot, {node(1): DOWN if second else LIVE}))
    label = Label(HOSTILE, HOSTILE, "casty://shop@10.0.1.1:25520")
    wrong = Problem("bad", "odd", HOSTILE, after(1), HOSTILE, HOSTILE, HOSTILE)
    page = as_page(source(history, [wrong], label=label), note=HOSTILE)
    read = Strict(page)
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & read.tags
    assert not [name for name in read.attributes if name.startswith("on")]
    assert all(link.startswith(("#", "data:application/octet-stream;base64,")) for link in read.links)
    assert not re.search(r"https?:|@import|url\(", page), "no address of anything outside"
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<script>alert(1)</script>\\x1b[2J" in read.said


def test_the_recording_is_in_it_as_it_is_or_it_is_said_why_not() -> None:
    page = as_page(source(sample(), recording=b"\x00all of it"))
    link = next(link for link in Strict(page).links if link.startswith("data:"))
    assert base64.b64decode(link.partition(",")[2]) == b"\x00all of it"
    assert "(10 bytes)" in Strict(page).said
    large = Strict(as_page(source(sample(), recording=bytes(MOST_RECORDING + 1))))
    assert "left out: it has 8,388,609 bytes" in large.said
    assert not [link for link in large.links if link.startswith("data:")]
    assert "left out of this report" in Strict(as_page(source(sample()), recording=False)).said


def test_a_long_run_of_good_news_is_one_line_and_bad_news_never_is() -> None:
    history = History()
    shards = {0: owned_by(1)}
    for second in range(30):
        shards = {**shards, second: owned_by(1)}
        history.note(Moment(after(second), topology([member(1)], shards={"cart": shards}), {node(1): LIVE}))
    for second in range(30, 40):
        health = {node(1): DOWN if second % 2 else LIVE}
        history.note(Moment(after(second), topology([member(1)], shards={"cart": shards}), health))
    events = Strict(as_page(source(history))).said.partition("the oldest first")[2]
    assert "shards allocated, 29 times" in events
    assert events.count("connection from here is lost") == 5


def test_a_file_is_not_overwritten_unless_asked_and_a_folder_gets_a_name(tmp_path: Path) -> None:
    recording = Recording(sample(), LABEL)
    path = recording.report(tmp_path)
    assert re.fullmatch(r"casty-prod-\d{8}-\d{6}\.html", path.name)
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    with pytest.raises(MisuseError, match="is there already"):
        recording.report(mine)
    assert mine.read_text() == "mine"
    dangling = tmp_path / "link.html"
    dangling.symlink_to(tmp_path / "elsewhere.html")
    with pytest.raises(MisuseError, match="is there already"):
        recording.report(dangling)
    assert recording.report(mine, overwrite=True) == mine
    with pytest.raises(MisuseError, match="cannot be written: No such file or directory"):
        recording.report(tmp_path / "no" / "x.html")
    assert {each.name for each in tmp_path.iterdir()} == {path.name, "mine.html", "link.html"}, "no unfinished file is left"


def test_there_is_nothing_to_report_of_nothing() -> None:
    with pytest.raises(MisuseError, match="nothing is remembered of prod"):
        Recording(History(), LABEL).report()


def test_a_killed_node_is_told_from_before_to_after(start_cluster: Callable[..., DemoCluster], tmp_path: Path) -> None:
    demo = start_cluster(3)
    with connect(demo.uri, shards=demo.shards) as cluster:
        assert cluster.ask_many("counter/user-{1..30}", GetCount).error.isna().all()
        wait_until(lambda: cluster.members.reachable.fillna(False).all())
        demo.kill("node-3")
        wait_until(lambda: "node-3" in set(cluster.problems.subject))
        path = cluster.report(tmp_path / "incident.html", note="killed at the console")
        closed = cluster
    assert closed.report(tmp_path / "closed.html").exists(), "what is remembered outlives the connection"
    assert "killed" in closed.report_page(note="killed")
    page = path.read_text("utf-8")
    said = Strict(page).said
    for words in ("killed at the console", "not reached from here", "connection from here is lost", "Before and after",
                  "the last moment before the trouble began", "lost links1", "snapshots come",
                  "casty_notebook0.", "Our own asks of the last hour", "answered"):  # fmt: skip
        assert words in said, words
    link = next(link for link in Strict(page).links if link.startswith("data:"))
    kept = tmp_path / "kept.casty"
    kept.write_bytes(base64.b64decode(link.partition(",")[2]))
    again = Recording.load(kept)
    assert "lost" in set(again.events.kind)
    assert "state" in Strict(again.report(tmp_path / "again.html").read_text("utf-8")).said


def test_a_virtual_cluster_is_told_in_its_own_words(virtual_demo: DemoCluster, tmp_path: Path) -> None:
    with connect(virtual_demo.uri) as cluster:
        said = Strict(cluster.report(tmp_path / "virtual.html").read_text("utf-8")).said
    assert "ring slices" in said
    assert "members say" in said
    assert "leader" not in said
    assert "casty 0.30 (virtual)" in said
    assert "none found in the last moment" in said
