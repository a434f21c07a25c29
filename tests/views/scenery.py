"""A source that tests write to, and a reader of packets that takes no shortcut."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from casty_notebook.address import NodeAddress
from casty_notebook.backends.contract import Location
from casty_notebook.errors import MisuseError
from casty_notebook.loops.background import background_loop
from casty_notebook.topology.events import TopologyEvent
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.moment import Moment
from casty_notebook.topology.recording_format import Label
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.views.facts import Facts, Shown
from casty_notebook.views.live.deltas import Packet
from casty_notebook.views.live.scene import Scene

START = datetime.datetime(2026, 11, 3, 12, tzinfo=datetime.UTC)


def moment(
    snapshot: TopologySnapshot | None, health: Mapping[NodeAddress, NodeHealth] | None = None, *,
    shard_counts: Mapping[str, int] | None = None, time: datetime.datetime = START, **facts: Any,
) -> Shown:  # fmt: skip
    """What a view shows of that; `facts` are those of its connection."""
    label = Label("shop", "shop", "casty://shop@10.0.1.1:25520", shard_counts or {})
    seen = None if snapshot is None else Moment(time, snapshot, health or {})
    return Shown(seen, Facts(label, time, **{"age": 0.1, **facts}))


class WrittenSource:
    """What a view follows, as the test last wrote it."""

    def __init__(self, now: Shown, earlier: Iterable[Shown] = ()) -> None:
        self.now = now
        self.past = list(earlier)
        self.events: list[TopologyEvent] = []
        self.callbacks: list[Callable[[], None]] = []
        self.asked = 0
        self.looked = 0

    def current(self) -> Shown:
        self.asked += 1
        return self.now

    def look(self) -> None:
        self.looked += 1

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def events_after(self, last: TopologyEvent | None) -> list[TopologyEvent]:
        newer = list(itertools.takewhile(lambda event: event is not last, reversed(self.events)))
        return newer[::-1]

    def earlier(self) -> Iterable[Shown]:
        return self.past

    def times(self, after: datetime.datetime | None = None) -> list[datetime.datetime]:
        times = [each.facts.time for each in (*self.past, self.now)]
        return [time for time in times if after is None or time > after]

    def at(self, time: datetime.datetime) -> Shown | None:
        before = [each for each in (*self.past, self.now) if each.facts.time <= time]
        return before[-1] if before else None

    def where(self, target: str) -> Location:
        raise MisuseError(f"nobody knows where {target} is")

    def report(self) -> str:
        return "<!doctype html>\n<title>a report</title>\n"

    def write(self, now: Shown, *events: TopologyEvent) -> None:
        """Change what is true and say so on the loop, as a snapshot does."""

        async def tell() -> None:
            self.now = now
            self.events.extend(events)
            for callback in tuple(self.callbacks):
                callback()

        background_loop().run(tell())


class Reader:
    """A front end in a few lines: what it knows after each packet, by names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.placements: list[Sequence[int]] = []
        self.shards: dict[str, dict[int, int]] = {}
        self.services: set[tuple[Any, ...]] = set()
        self.status: Any = None

    def read(self, packet: Packet) -> None:
        head, buffers = packet.head, list(packet.buffers)
        if head["kind"] == "full":
            self.__init__()  # type: ignore[misc]
            self.nodes = list(head["nodes"])
            self.services = set(head["services"])
        for number, node in head.get("nodes", ()) if head["kind"] == "delta" else ():
            self.nodes[number:] = [*([None] * (number - len(self.nodes))), node, *self.nodes[number + 1 :]]
        self.status = head.get("status", self.status)
        self.placements += head.get("placements", ())
        if head["kind"] == "delta" and "services" in head:
            self.services = (self.services - set(head["services"]["gone"])) | set(head["services"]["new"])
        for each in head.get("types", ()):
            self._read_type(each, buffers)
        assert buffers == [], "bytes that nothing speaks of"

    def _read_type(self, head: dict[str, Any], buffers: list[bytes]) -> None:
        if head.get("gone"):
            del self.shards[head["name"]]
            return
        whole = head.get("whole", False)
        count, width = head["count"], head["width"]
        first = head.get("first") if whole else None
        ids = range(first, first + count) if first is not None else np.frombuffer(buffers.pop(0), "<i4").tolist()
        codes = np.frombuffer(buffers.pop(0), f"<u{width}").tolist()
        owned = {} if whole else self.shards[head["name"]]
        for shard, code in zip(ids, codes, strict=True):
            if code == 256**width - 1:
                del owned[shard]
            else:
                owned[shard] = code
        self.shards[head["name"]] = owned

    @property
    def shown(self) -> Any:
        """All that a scene shows, in a form of its own."""
        shards = {
            name: {shard: tuple(self.nodes[node].address for node in self.placements[code]) for shard, code in owned.items()}
            for name, owned in self.shards.items()
        }
        services = {(service, self.nodes[number].address, path) for service, number, path in self.services}
        return [node for node in self.nodes if node is not None], shards, services, self.status


def shown(scene: Scene) -> Any:
    """What a `Reader` must show after it was sent the scene."""
    nodes = scene.nodes
    shards = {
        name: {
            shard: tuple(nodes[node].address for node in scene.placements[code])  # type: ignore[union-attr]
            for shard, code in zip(column.ids.tolist(), column.codes.tolist(), strict=True)
        }
        for name, column in scene.columns.items()
    }
    services = {(service, nodes[number].address, path) for service, number, path in scene.services}  # type: ignore[union-attr]
    return [node for node in nodes if node is not None], shards, services, scene.status._asdict()


def event_rows(head: dict[str, Any]) -> list[list[Any]]:
    """The events in a packet, as the front end reads them."""
    told, rows = head["events"], []
    by = [text for text, count in told["says"] for _ in range(count)]
    for (ago, *places), says in zip(told["rows"], by, strict=True):
        kind, subject, before, after, *end = [told["texts"][place] for place in places]
        end_of = "".join(end)
        rows.append([head["time"] - ago, kind, subject, before and before + end_of, after and after + end_of, says])
    return rows
