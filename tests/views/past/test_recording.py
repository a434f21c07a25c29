"""Looking back at a real cluster, and at a file."""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from casty_notebook import Recording, connect
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount
from casty_notebook.errors import InvalidRecording, MisuseError
from casty_notebook.topology.history import History
from casty_notebook.topology.recording_format import write_history
from casty_notebook.values.limits.plain_msgpack import dump_msgpack
from casty_notebook.views.live.recorded_feed import RecordedSource
from casty_notebook.views.past.recording import MAGIC
from casty_notebook.views.past.times import moment_of
from tests.support.waiting import wait_until
from tests.topology.test_recording_format import LABEL, sample, tree

NOON = datetime.datetime(2026, 1, 2, 12, 0, tzinfo=datetime.UTC)


def recording() -> Recording:
    return Recording(sample(), LABEL)


# --- a real cluster ---------------------------------------------------------------------------------------------------


def test_an_incident_is_remembered_saved_and_replayed_without_the_cluster(
    start_cluster: Callable[..., DemoCluster], tmp_path: Path
) -> None:
    demo = start_cluster(3)
    with connect(demo.uri, shards=demo.shards, messages=demo.messages) as cluster:
        wait_until(lambda: cluster.members.reachable.fillna(False).all())
        assert cluster.ask_many([f"counter/{n}" for n in range(40)], GetCount).error.isna().all()
        wait_until(lambda: cluster.history.shards.iloc[-1] > 0)
        calm = cluster.history.time.iloc[-1]
        demo.kill("node-3")
        wait_until(lambda: "lost" in set(cluster.events.kind))

        lost = cluster.events.query("kind == 'lost'")
        assert list(lost.subject) == ["node-3"]
        assert "lost" in set(cluster.diff(calm).kind)
        assert len(cluster.at(calm).members) == 3
        assert cluster.at(0) == cluster.topology
        live = cluster.history, cluster.events, cluster.members
        path = cluster.record().save(tmp_path / "incident.casty")
    demo.stop()

    loaded = Recording.load(path)
    past = len(live[0])
    pd.testing.assert_frame_equal(loaded.history.iloc[:past], live[0])
    pd.testing.assert_frame_equal(loaded.events.iloc[: len(live[1])], live[1], check_categorical=False)
    assert dict(zip(loaded.members.node, loaded.members.reachable, strict=True)) == {
        "node-1": True, "node-2": True, "node-3": False
    }  # fmt: skip
    assert loaded.until(calm).members.reachable.all()
    assert loaded.until(calm).at(0) == loaded.at(calm)
    assert path.stat().st_size < 20_000


def test_what_is_remembered_outlives_the_connection(demo_cluster: DemoCluster) -> None:
    cluster = connect(demo_cluster.uri, name="short")
    cluster.close()
    assert len(cluster.history) >= 1
    assert len(cluster.record()) == len(cluster.history)
    before = len(cluster.history)
    cluster.close()
    assert len(cluster.history) == before


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_holds_everything(tmp_path: Path) -> None:
    path = recording().save(tmp_path / "x.casty")
    loaded = Recording.load(str(path))
    for table in ("members", "shards", "services", "events", "history"):
        pd.testing.assert_frame_equal(getattr(loaded, table), getattr(recording(), table))
    assert repr(loaded) == repr(recording())
    assert list(tmp_path.iterdir()) == [path], "no unfinished file is left"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="folder"):
        recording().save(target)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a recording"),
        (b"\x80\x05cposix\nsystem\n", "not a recording"),
        (MAGIC, "empty payload"),
        (MAGIC + b"not zlib", "not zlib"),
        (MAGIC + zlib.compress(b"\xc1"), "not msgpack"),
        (MAGIC + zlib.compress(dump_msgpack([])), "not a recording"),
        (MAGIC + zlib.compress(dump_msgpack({**tree(), "version": 3})), "version 3"),
        (MAGIC + zlib.compress(dump_msgpack(tree()))[:-9], "ends too early"),
    ],
    ids=["empty", "a pickle", "cut to its head", "noise", "no msgpack", "a list", "later version", "cut"],
)
def test_a_file_that_is_none_is_refused_with_its_name_and_the_reason(tmp_path: Path, data: bytes, complaint: str) -> None:
    path = tmp_path / "theirs.casty"
    path.write_bytes(data)
    with pytest.raises(InvalidRecording) as error:
        Recording.load(path)
    assert str(error.value).startswith("theirs.casty: ")
    assert complaint in str(error.value)


def test_a_small_file_does_not_become_a_huge_one(tmp_path: Path) -> None:
    path = tmp_path / "bomb.casty"
    path.write_bytes(MAGIC + zlib.compress(bytes(257 * 1024 * 1024), 1))
    with pytest.raises(InvalidRecording, match=r"Settings\.max_memory"):
        Recording.load(path)


def test_a_huge_file_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.casty"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(InvalidRecording, match="1,000,000,000,000 bytes"):
        Recording.load(path)


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_time_before_everything_says_what_there_is() -> None:
    with pytest.raises(MisuseError, match=r"before all that is remembered of prod: that is 2026-.* 3 moments"):
        recording().at("2020-01-01T00:00:00Z")
    with pytest.raises(MisuseError, match="nothing is remembered"):
        Recording(History(), LABEL).at(0)


@pytest.mark.parametrize("wrong", ["yesterday", 5, True, float("nan"), None, pd.NaT, [1]])
def test_what_is_no_time_is_refused(wrong: object) -> None:
    with pytest.raises(MisuseError):
        moment_of(wrong, NOON)  # type: ignore[arg-type]


def test_times_have_many_forms() -> None:
    assert moment_of(pd.Timestamp("2026-01-02T11:00", tz="Europe/Rome"), NOON) == NOON - datetime.timedelta(hours=2)
    assert moment_of(datetime.datetime(2026, 1, 2, 12), NOON) == datetime.datetime(2026, 1, 2, 12).astimezone()
    assert moment_of(pd.Timestamp("2026-01-02T12:00"), NOON) == datetime.datetime(2026, 1, 2, 12).astimezone()
    assert moment_of(np.int64(-60), NOON) == NOON - datetime.timedelta(minutes=1)  # type: ignore[arg-type]
    assert moment_of("2026-01-02T13:00+01:00", NOON) == NOON
    assert moment_of(-0.5, NOON) == NOON - datetime.timedelta(seconds=0.5)


# --- the view ---------------------------------------------------------------------------------------------------------


def test_the_view_of_a_recording_has_its_whole_past_and_all_events() -> None:
    source = RecordedSource(sample(), LABEL, lambda: "")
    earlier, last = list(source.earlier()), source.current()
    assert [shown.moment for shown in [*earlier, last]] == list(sample().moments)
    assert all(shown.facts.recorded for shown in [*earlier, last])
    assert source.events_after(None) == list(sample().events)
    assert source.events_after(source.events_after(None)[-1]) == []
    view = recording().widget()
    assert "recorded" in repr(view)
    view.close()


def test_an_empty_recording_has_no_view() -> None:
    with pytest.raises(InvalidRecording, match="empty"):
        Recording(History(), LABEL).widget()
    assert repr(Recording(History(), LABEL)) == "<Recording of prod: 0 moments, 0 events, empty>"
    assert write_history(History(), LABEL)["records"] == []
