"""A recording as a live view: all its moments are told to each page that looks, at a pace that its way there can bear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from casty_notebook.cluster.changes import TopologyEvent
from casty_notebook.cluster.history import History, Record
from casty_notebook.cluster.messages import TopologySnapshot
from casty_notebook.cluster.packed import unpack
from casty_notebook.cluster.recorded import Label
from casty_notebook.runtime.background import background_loop
from casty_notebook.views.deltas import Packet, delta, event_row, full
from casty_notebook.views.scene import Scene, SceneBuilder
from casty_notebook.views.sources import Facts, Moment
from casty_notebook.views.topology_widget import Send, TopologyWidget

__all__ = ["Playback", "RecordingWidget"]

BATCH = 40
PAUSE = 0.1
"""400 messages a second: a Jupyter server drops what goes beyond 1,000."""

MOST_MOMENTS = 2_000
"""As many as a page remembers; of a longer recording the last are shown, and `Recording.until` reaches the others."""

MOST_EVENTS = 500
"""Events told at one moment."""


class Playback:
    """idle --a page looks--> playing --all told--> idle; either --stop--> stopped. Has the face of `Bridge`.

    Every page is told the first moment and then each change. Whatever a page knows already it ignores, so a page that comes
    late, or missed something, starts it all again for all.
    """

    def __init__(self, history: History, label: Label, send: Send) -> None:
        self._records = history.records[-MOST_MOMENTS:]
        self._events = tuple(history.events)
        self._label = label
        self._send = send
        self._pages: set[str] = set()
        self._told: list[Packet] = []
        self._next = 0
        self._making = self._packets()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        head = self.full_state().head
        self._sent = self._first = head["edition"], head["sequence"]
        self.scene: Scene = SceneBuilder().build(self.moment())

    # --- from any thread ----------------------------------------------------------------------------------------------

    def full_state(self) -> Packet:
        """Return the first moment."""
        return full(SceneBuilder().build(self._moment(0, None)), 1, [])

    def moment(self) -> Moment:
        """Return the last moment."""
        return self._moment(len(self._records) - 1, None)

    def hear(self, content: object) -> None:
        """Hand a message of a page over to the loop."""
        if not self._stopped:
            background_loop().soon(self._hear, content)

    def stop(self) -> None:
        """Send nothing any more. Never waits."""
        self._stopped = True

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _hear(self, content: object) -> None:
        if self._stopped or not isinstance(content, dict) or content.get("kind") != "look" or not content.get("visible"):
            return
        page = str(content.get("page", ""))[:64]
        if content.get("full") or page not in self._pages:
            self._pages.add(page)
            self._next, self._sent = 0, self._first
            if content.get("full"):
                self._emit(self.full_state())
        if self._timer is None:
            self._play()
        # By now it knows at least what was sent last, since one thread sends all in order.
        edition, sequence = self._sent
        self._emit(Packet({"kind": "here", "page": page, "edition": edition, "sequence": sequence, "age": None}, []))

    def _play(self) -> None:
        self._timer = None
        if self._stopped:
            return
        for _ in range(BATCH):
            if self._next == len(self._told):
                packet = next(self._making, None)
                if packet is None:
                    return
                self._told.append(packet)
            head = self._told[self._next].head
            self._emit(self._told[self._next])
            self._next, self._sent = self._next + 1, (head["edition"], head["sequence"])
        self._timer = asyncio.get_running_loop().call_later(PAUSE, self._play)

    def _emit(self, packet: Packet) -> None:
        if not self._stopped:
            self._send(packet.head, packet.buffers)

    # --- what is told -------------------------------------------------------------------------------------------------

    def _packets(self) -> Iterator[Packet]:
        """The changes from each moment to the next, the first being number 2."""
        builder = SceneBuilder()
        snapshot, events = None, list(self._events)
        before: Scene | None = None
        sequence = 1
        for place, record in enumerate(self._records):
            moment = self._moment(place, snapshot)
            snapshot = moment.snapshot
            scene = builder.build(moment)
            happened = [event_row(event) for event in _taken(events, record)][-MOST_EVENTS:]
            if before is not None:
                same = before.edition == scene.edition
                packet = delta(before, scene, sequence + 1, happened) if same else full(scene, sequence + 1, happened)
                if packet is not None:
                    sequence += 1
                    yield packet
            before = scene

    def _moment(self, place: int, before: TopologySnapshot | None) -> Moment:
        record = self._records[place]
        after = None if before is None else (self._records[place - 1].packed, before)
        label = self._label
        facts = Facts(
            label.name, label.uri, label.system, record.time, recorded=True, shard_counts=label.shard_counts
        )
        return Moment(unpack(record.packed, after), record.health, facts)


def _taken(events: list[TopologyEvent], record: Record) -> list[TopologyEvent]:
    """Take the events up to that moment off the list, which is in order of time."""
    count = next((place for place, event in enumerate(events) if event.time > record.time), len(events))
    taken = events[:count]
    del events[:count]
    return taken


class RecordingWidget(TopologyWidget):
    """The view of a recording. Made by `Recording.widget`."""

    def __init__(self, history: History, label: Label) -> None:
        super().__init__((history, label))

    def _bridge(self, source: tuple[History, Label], send: Send) -> Playback:
        return Playback(*source, send)
