"""The bridge: newest moments only, four times a second at most, and nothing while nobody looks."""

from __future__ import annotations

import datetime
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from casty_notebook.loops.background import background_loop
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import LinkState, NodeHealth
from casty_notebook.views.live import bridge as bridge_module
from casty_notebook.views.live.bridge import INTERVAL, Bridge
from casty_notebook.views.live.deltas import Packet
from casty_notebook.views.live.scene import milliseconds
from tests.support.topologies import member, node, owned_by, topology
from tests.support.waiting import wait_until
from tests.views.scenery import START, Reader, WrittenSource, event_rows, moment, shown

LOOK = {"kind": "look", "page": "p", "visible": True, "full": False}


def of(shards: int, **more: Any) -> Any:
    return moment(topology([member(1), member(2)], shards={"cart": {n: owned_by(1) for n in range(shards)}}), **more)


class Ears:
    """What the front ends were sent, when, and by which thread."""

    def __init__(self) -> None:
        self.heard: list[Packet] = []
        self.at: list[float] = []
        self.threads: set[str] = set()

    def __call__(self, head: dict[str, Any], buffers: list[bytes]) -> None:
        self.heard.append(Packet(head, buffers))
        self.at.append(time.monotonic())
        self.threads.add(threading.current_thread().name)

    def of(self, *kinds: str) -> list[Packet]:
        return [packet for packet in self.heard if packet.head["kind"] in kinds]


class Stage:
    def __init__(self) -> None:
        self.source = WrittenSource(of(1))
        self.ears = Ears()
        self.idle_since: float | None = None
        self.bridge = Bridge(self.source, self.ears, lambda: self.idle_since)

    def pass_time(self, seconds: float) -> None:
        """Let the loop's clock go on; there is nothing to wait for where nothing must happen."""
        end = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() > end, timeout=seconds + 1)
        background_loop().run(_nothing())


async def _nothing() -> None: ...


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.bridge.stop()


def test_nothing_is_made_or_sent_while_nobody_looks(stage: Stage) -> None:
    asked = stage.source.asked
    for shards in range(2, 10):
        stage.source.write(of(shards))
    assert stage.ears.heard == []
    assert stage.source.asked == asked
    assert stage.source.looked == 0


def test_the_source_is_told_that_somebody_looks_as_long_as_that_is_so(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.source.looked > 3)
    stage.bridge.hear({**LOOK, "visible": False})
    stage.pass_time(0.0)
    looked = stage.source.looked
    stage.pass_time(4 * INTERVAL)
    assert stage.source.looked == looked


def test_whoever_looks_is_told_what_is_new_and_then_each_change_by_the_loop_alone(stage: Stage) -> None:
    reader = Reader()
    reader.read(stage.bridge.full_state())
    stage.source.write(of(2))
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("delta"))
    stage.source.write(of(3))
    wait_until(lambda: len(stage.ears.of("delta")) == 2)
    for packet in stage.ears.of("delta"):
        reader.read(packet)
    assert reader.shown == shown(stage.bridge.scene)
    assert len(reader.shards["cart"]) == 3
    assert stage.ears.threads == {"casty-notebook-loop"}


def test_many_changes_become_few_updates_of_the_newest(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("here"))
    for shards in range(2, 60):
        stage.source.write(of(shards))
        stage.pass_time(0.01)
    wait_until(lambda: len(stage.bridge.scene.columns["cart"].ids) == 59)
    times = [at for at, packet in zip(stage.ears.at, stage.ears.heard, strict=True) if packet.head["kind"] == "delta"]
    assert len(times) < 12
    assert all(later - sooner >= INTERVAL * 0.98 for sooner, later in itertools.pairwise(times))


def test_nothing_is_sent_while_nothing_changes_though_somebody_looks(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("here"))
    stage.pass_time(4 * INTERVAL)
    assert stage.ears.of("delta", "full") == []


def test_whoever_looks_is_told_now_and_then_that_the_kernel_is_alive(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_module, "BEAT", 2 * INTERVAL)
    stage.bridge.hear(LOOK)
    beats = wait_until(lambda: stage.ears.of("beat")[1:])
    assert beats[0].head == {"kind": "beat", "age": 0.1}
    assert stage.ears.threads == {"casty-notebook-loop"}
    stage.bridge.hear({**LOOK, "visible": False})
    background_loop().run(_nothing())
    heard = len(stage.ears.heard)
    stage.pass_time(4 * INTERVAL)
    assert len(stage.ears.heard) == heard


def test_where_an_entity_is_or_why_that_is_not_known_is_answered(stage: Stage) -> None:
    stage.bridge.hear({"kind": "find", "page": "p", "target": "cart/a"})
    (packet,) = wait_until(lambda: stage.ears.of("found"))
    assert packet.head == {"kind": "found", "target": "cart/a", "page": "p", "error": "nobody knows where cart/a is"}


def test_whoever_asks_for_a_report_is_sent_one(stage: Stage) -> None:
    stage.bridge.hear({"kind": "report", "page": "p"})
    (packet,) = wait_until(lambda: stage.ears.of("report"))
    assert packet.head == {"kind": "report", "page": "p"}
    assert b"a report" in packet.buffers[0]


def test_a_hidden_page_ends_the_updates_and_a_second_one_keeps_them(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    stage.bridge.hear({**LOOK, "page": "q"})
    stage.bridge.hear({**LOOK, "visible": False})
    wait_until(lambda: stage.ears.of("here"))
    stage.source.write(of(2))
    wait_until(lambda: stage.ears.of("delta"))
    stage.bridge.hear({**LOOK, "page": "q", "visible": False})
    background_loop().run(_nothing())
    stage.source.write(of(3))
    stage.pass_time(2 * INTERVAL)
    assert len(stage.ears.of("delta")) == 1


def test_a_page_that_is_gone_without_a_word_is_forgotten_but_not_while_a_cell_runs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_module, "LEASE", 0.3)
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("here"))
    stage.pass_time(3 * INTERVAL)
    stage.source.write(of(2))
    wait_until(lambda: len(stage.ears.of("delta")) == 1)  # The kernel is busy: the page may well have spoken.
    stage.idle_since = time.monotonic()
    stage.pass_time(0.3 + 2 * INTERVAL)
    stage.source.write(of(3))
    stage.pass_time(2 * INTERVAL)
    assert len(stage.ears.of("delta")) == 1


def test_who_missed_something_gets_all(stage: Stage) -> None:
    stage.bridge.hear({**LOOK, "full": True})
    (packet,) = wait_until(lambda: stage.ears.of("full"))
    reader = Reader()
    reader.read(packet)
    assert reader.shown == shown(stage.bridge.scene)


ODD: list[Any] = [
    None, [], "look", {}, {"kind": "run"}, {"kind": "find", "target": ["x"]}, {"kind": "look", "page": ["x"] * 9, "visible": 1},
]  # fmt: skip


@pytest.mark.parametrize("content", ODD)
def test_whatever_a_page_says_does_no_harm(stage: Stage, content: object) -> None:
    stage.bridge.hear(content)
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("here"))


def test_events_reach_late_joiners_once_whoever_saw_them(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    lost = {node(2): NodeHealth(LinkState.down, None, "refused"), node(1): NodeHealth(LinkState.live)}
    stage.source.write(of(1, health=lost))
    wait_until(lambda: stage.ears.of("delta"))
    stage.source.write(stage.source.now, TopologyEvent(START, "lost", "node-2", "", "seen by the source, too"))
    stage.source.write(stage.source.now, TopologyEvent(START, "leader_changed", "leader", "", "node-1"))
    wait_until(lambda: len(event_rows(stage.bridge.full_state().head)) > 1)
    assert [row[1] for row in event_rows(stage.bridge.full_state().head)] == ["lost", "leader_changed"]


def test_a_source_with_a_past_tells_it_before_the_present() -> None:
    source = WrittenSource(of(4), [of(1), of(2), of(2), of(3)])
    bridge = Bridge(source, Ears(), lambda: None)
    reader = Reader()
    lengths = []
    for packet in bridge.story:
        reader.read(packet)
        lengths.append(len(reader.shards["cart"]))
    assert lengths == [1, 2, 3]
    assert bridge.full_state().head["sequence"] == 4
    bridge.stop()


def at(second: float) -> Any:
    return START + datetime.timedelta(seconds=second)


def test_whoever_asks_is_told_when_all_moments_were_and_what_was_true_at_one(stage: Stage) -> None:
    stage.source.past = [of(3, time=at(-2)), of(5, time=at(-1.5))]
    stage.bridge.hear({**LOOK, "times": True})
    (here,) = wait_until(lambda: stage.ears.of("here"))
    start = milliseconds(START)
    assert here.head["times"] == [start - 2000, 500, 1500]
    stage.bridge.hear({"kind": "past", "page": "p", "time": start - 1500})
    (packet,) = wait_until(lambda: stage.ears.of("past"))
    assert (packet.head["page"], packet.head["asked"], packet.head["oldest"]) == ("p", start - 1500, start - 2000)
    reader = Reader()
    reader.read(Packet(packet.head["moment"], packet.buffers))
    assert len(reader.shards["cart"]) == 5
    stage.bridge.hear({"kind": "past", "page": "p", "time": start - 60_000})
    oldest = wait_until(lambda: stage.ears.of("past")[1:])[0]
    assert oldest.head["moment"]["time"] == start - 2000, "the first moment that is known"


def test_moments_between_two_updates_are_told_of(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("here"))
    stage.source.past = [of(2, time=at(1)), of(1, time=at(1.2))]
    stage.source.write(of(4, time=at(2)))
    (packet,) = wait_until(lambda: stage.ears.of("delta"))
    assert packet.head["between"] == [milliseconds(at(1)), 200]


@pytest.mark.parametrize("time", [None, "1", -1, 1e300, float("nan"), True, [1]])
def test_a_question_for_no_time_is_answered_with_nothing(stage: Stage, time: object) -> None:
    stage.bridge.hear({"kind": "past", "page": "p", "time": time})
    (packet,) = wait_until(lambda: stage.ears.of("past"))
    assert packet.head == {"kind": "past", "asked": None, "page": "p"}


def test_the_loop_does_not_wait_while_a_past_is_gone_through() -> None:
    threads = set()

    class Counted(WrittenSource):
        def earlier(self) -> Iterator[Any]:
            threads.add(threading.current_thread())
            return self._gone_through()

        def _gone_through(self) -> Iterator[Any]:
            for each in self.past:
                threads.add(threading.current_thread())
                yield each

    loop = background_loop()
    asked_on = loop.run(_this_thread())
    Bridge(Counted(of(2)), Ears(), lambda: None).stop()
    assert threads == {asked_on}, "taken on the loop"
    Bridge(Counted(of(2), [of(1)]), Ears(), lambda: None).stop()
    assert threads == {asked_on, threading.current_thread()}


async def _this_thread() -> threading.Thread:
    return threading.current_thread()


def test_after_stop_nothing_is_sent_and_nothing_is_followed(stage: Stage) -> None:
    stage.bridge.hear(LOOK)
    wait_until(lambda: stage.ears.of("here"))
    stage.bridge.stop()
    heard = len(stage.ears.heard)
    wait_until(lambda: not stage.source.callbacks)
    stage.bridge.hear(LOOK)
    stage.pass_time(2 * INTERVAL)
    assert len(stage.ears.heard) == heard
