"""A watch on real clusters: what it keeps and says, that it never hurries, and that it ends with whatever it belongs to."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from casty_notebook import Cluster, connect
from casty_notebook.client.watched import Series
from casty_notebook.demo import DemoCluster
from casty_notebook.demo.messages import GetCount, Increment, Slow, WhereAreYou
from casty_notebook.errors import MisuseError, NoSuchType, ReadOnly
from casty_notebook.views.watch import bridge
from casty_notebook.views.watch.shown import reader
from casty_notebook.views.watch.watch import Watch
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def cluster(demo_cluster: DemoCluster) -> Iterator[Cluster]:
    with connect(demo_cluster.uri, shards=demo_cluster.shards, name="watching") as connected:
        yield connected


@pytest.fixture
def no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell runs here. Another file's test may have left a shell in this process, which would seem to be in one."""
    monkeypatch.setattr("IPython.get_ipython", lambda: None)


def series_of(watch: Watch) -> list[Series]:
    return watch._watching.series


def test_values_changes_and_the_line_of_numbers_are_kept(cluster: Cluster) -> None:
    with cluster.watch(["counter/watch-{1..2}", "counter/watch-9"], GetCount, every=0.05) as watch:
        cluster.tell("counter/watch-1", Increment(5))
        wait_until(lambda: watch.replies["counter/watch-1"] == 5)
        wait_until(lambda: len(watch.data) > 12)
    data = watch.data
    assert list(data.columns) == ["time", "target", "node", "value", "number", "latency_ms", "error"]
    assert set(data["target"]) == {"counter/watch-1", "counter/watch-2", "counter/watch-9"}
    assert data["time"].is_monotonic_increasing
    ones = data[data["target"] == "counter/watch-1"]
    assert set(ones["number"]) == {0.0, 5.0}
    assert data["error"].isna().all()
    assert "counter/watch-1  5" in repr(watch)
    assert "from 0" in repr(watch)
    bundle = watch._repr_mimebundle_()
    assert bundle is not None
    html = bundle[0]["text/html"]
    assert "<svg" in html
    assert "as it was at" in html


def test_it_stops_when_told_and_what_was_seen_stays(cluster: Cluster) -> None:
    watch = cluster.watch("counter/stopped", GetCount, every=0.05)
    watch.stop()
    wait_until(lambda: watch.stopped)
    asked = series_of(watch)[0].asked
    time.sleep(0.2)  # four times as long as it takes to ask once more
    assert series_of(watch)[0].asked == asked >= 1
    assert "stopped: it was stopped" in repr(watch)
    lasting = cluster.watch("counter/stopped", GetCount, every=0.05, seconds=0.2)
    wait_until(lambda: lasting.stopped)
    assert "it was to last 0.2 s" in repr(lasting)
    watch.close()
    watch.close()


def test_it_ends_with_its_connection_and_leaves_nothing_listening(demo_cluster: DemoCluster) -> None:
    with connect(demo_cluster.uri, name="watching-closed") as closing:
        ended = closing.watch("counter/closed", GetCount, every=0.05, seconds=0.1)
        wait_until(lambda: ended.stopped)
        assert not closing._recorder._listeners
        watch = closing.watch("counter/closed", GetCount, every=0.05)
    assert watch.stopped
    assert "the connection was closed" in repr(watch)
    assert len(watch.data) >= 1


def test_a_target_that_is_slower_than_the_pace_is_asked_again_when_it_has_answered(cluster: Cluster) -> None:
    with cluster.watch("counter/slow", lambda r: Slow(0.3, reply_to=r), every=0.01) as watch:
        wait_until(lambda: series_of(watch)[0].asked >= 3)
    data = watch.data
    # Each answer takes 0.3 s, so answers of asks that were open together would be closer than that.
    assert data["time"].diff().dt.total_seconds().dropna().min() > 0.25


def test_failures_are_gaps_with_their_cause(start_cluster: Callable[..., DemoCluster]) -> None:
    demo = start_cluster(1)
    with connect(demo.uri, shards=demo.shards) as cluster, cluster.watch("counter/a", GetCount, every=0.05, timeout=0.3) as watch:
        demo.kill("node-1")
        wait_until(lambda: series_of(watch)[0].failed >= 2)
        assert "AskTimeout" in repr(watch) or "NodeUnreachable" in repr(watch)
        demo.restart("node-1")
        wait_until(lambda: (latest := series_of(watch)[0].latest) is not None and latest.error is None, 20)
    failed = watch.data[watch.data["error"].notna()]
    assert failed["number"].isna().all()
    assert failed["error"].str.contains("counter/a: ").all()


def test_what_can_never_work_is_raised_at_once_and_nothing_is_left_asking(cluster: Cluster, demo_cluster: DemoCluster) -> None:
    with pytest.raises(MisuseError, match="has no field 'count'"):
        cluster.watch("counter/a", WhereAreYou, field="count")
    with pytest.raises(MisuseError, match="asks a second"):
        cluster.watch("counter/a-{1..100}", GetCount, every=0.1)
    with pytest.raises(ZeroDivisionError):
        cluster.watch("counter/a", lambda r: GetCount(reply_to=1 // 0))  # type: ignore[arg-type]
    with connect(
        demo_cluster.uri, shards=demo_cluster.shards, read_only=True, questions=[GetCount], name="watching-careful"
    ) as careful:
        with pytest.raises(ReadOnly):
            careful.watch("counter/a", WhereAreYou)
        with careful.watch("counter/a", GetCount, every=0.05) as watch:
            assert series_of(watch)[0].answered is not None
        wait_until(lambda: not careful._recorder._listeners)


def test_casty_0_30_is_watched_by_the_same_rules_as_it_is_asked(virtual_demo: DemoCluster) -> None:
    with connect(virtual_demo.uri, name="watching-virtual") as cluster:
        with cluster.watch("counter/watched", GetCount, every=0.05) as watch:
            wait_until(lambda: len(watch.data) > 3)
        assert watch.data["error"].isna().all()
        with pytest.raises(NoSuchType):
            cluster.watch("nobody.met.this:Type/a", GetCount)


# --- what is kept of a reply ------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Balance:
    amount: Any
    parts: dict[str, Any]


def test_what_is_kept_of_a_reply_is_small_and_what_is_drawn_is_a_number() -> None:
    read = reader(None)
    assert read(3) == (3, 3.0)
    assert read(True) == (True, 1.0)
    assert read(Decimal("1.5")) == (Decimal("1.5"), 1.5)
    assert read(float("nan"))[1] is None
    assert read("x" * 10_000)[1] is None
    assert len(read("x" * 10_000)[0]) < 300
    assert len(read(10**5000)[0]) < 300
    assert read(10**5000)[1] is None
    assert len(read(["x" * 10_000] * 10_000)[0]) < 300
    assert reader("amount")(Balance(7, {})) == (7, 7.0)
    assert reader("parts.cash")(Balance(7, {"cash": 2.5})) == (2.5, 2.5)
    with pytest.raises(MisuseError, match="no field 'card'; its fields: cash"):
        reader("parts.card")(Balance(7, {"cash": 2.5}))
    with pytest.raises(MisuseError, match="field must be a name"):
        reader("a..b")


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_shell")
def test_pages_are_told_what_is_new_while_they_look_and_a_watch_that_all_have_left_stops(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "ABANDONED", 0.3)
    monkeypatch.setattr(bridge, "INTERVAL", 0.01)
    sent: list[dict[str, Any]] = []
    watch = cluster.watch("counter/page", GetCount, every=0.05)
    monkeypatch.setattr(watch, "send", lambda content, buffers=None: sent.append(content))
    wait_until(lambda: series_of(watch)[0].asked > 3)
    assert sent == []  # nobody looks
    watch.bridge.hear({"kind": "look", "page": "one", "visible": True, "full": True})
    wait_until(lambda: [each["kind"] for each in sent[:2]] == ["full", "here"])
    wait_until(lambda: sum(each["kind"] == "points" for each in sent) > 3)
    full, *deltas = [each for each in sent if each["kind"] in ("full", "points")]
    known = full["rows"][0]["asked"]
    for delta in deltas:
        row = delta["rows"][0]
        assert row["asked"] - len(row["points"]) == known  # nothing twice, nothing left out
        known = row["asked"]
    odd: list[Any] = [None, 7, [], {"kind": "look"}, {"kind": "else"}, {"kind": ["look"]}]
    for nonsense in odd:
        watch.bridge.hear(nonsense)
    assert not watch.stopped
    watch.bridge.hear({"kind": "gone", "page": "one"})
    watch.bridge.hear({"kind": "gone", "page": ""})
    wait_until(lambda: watch.stopped)
    assert "no page shows it any more" in repr(watch)


@pytest.mark.usefixtures("no_shell")
def test_a_page_that_is_silent_for_long_is_gone_too(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ABANDONED", "LEASE"):
        monkeypatch.setattr(bridge, name, 0.3)
    watch = cluster.watch("counter/page", GetCount, every=0.05)
    never_shown = cluster.watch("counter/page", GetCount, every=0.05)
    watch.bridge.hear({"kind": "look", "page": "one", "visible": False})
    wait_until(lambda: watch.stopped)
    assert not never_shown.stopped
    never_shown.stop()
