"""The front end by itself: its module on an empty page with a model of its own, fed with packets that Python made."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page

from casty_notebook.address import NodeAddress
from casty_notebook.topology.health import NodeHealth
from casty_notebook.topology.snapshot import TopologySnapshot
from casty_notebook.views.live.answers import known_times, past_moment
from casty_notebook.views.live.deltas import EventRow, Packet, delta, full
from casty_notebook.views.live.feed import Source
from casty_notebook.views.live.scene import SceneBuilder
from casty_notebook.views.live.static_files import module, style
from tests.views.scenery import moment

MODEL = """
class Model {
  constructor() { this.values = {}; this.listeners = []; this.sent = []; }
  get(name) { return this.values[name]; }
  on(name, listener) { this.listeners.push([name, listener]); }
  off(name, listener) { this.listeners = this.listeners.filter(([n, l]) => n !== name || l !== listener); }
  send(content) { this.sent.push(content); }
}
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);
window.model = new Model();
window.longTasks = [];
const watch = (list) => longTasks.push(...list.getEntries().map((entry) => entry.duration));
new PerformanceObserver(watch).observe({ entryTypes: ["longtask"] });
window.start = async (source, key, packet) => {
  model.values = { key, full: { head: packet.head, buffers: packet.buffers.map(bytes) } };
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const widget = (await import(url)).default;
  window.release = widget.initialize({ model });
  window.close = widget.render({ model, el: document.querySelector("main") });
  window.view = document.querySelector("main").castyView;
};
window.push = (packet) => {
  const told = [...model.listeners].filter(([name]) => name === "msg:custom");
  for (const [, listener] of told) listener(packet.head, packet.buffers.map(bytes));
};
"""

DARK = {
    "--jp-layout-color0": "#111", "--jp-layout-color2": "#2b2b2b", "--jp-border-color2": "#444",
    "--jp-content-font-color0": "#fff", "--jp-content-font-color1": "#eee", "--jp-content-font-color2": "#aaa",
}  # fmt: skip


class FrontEnd:
    """A page with one view; `show` sends what differs from the moment shown before."""

    def __init__(self, page: Page, *, width: int = 960, dark: bool = False) -> None:
        self.page = page
        self._builder = SceneBuilder()
        self._scene: Any = None
        self._sequence = 0
        colours = ";".join(f"{name}:{value}" for name, value in DARK.items()) if dark else ""
        page.set_viewport_size({"width": width, "height": 760})
        page.set_content(
            f"<html style='{colours};background:{'#111' if dark else '#fff'}'><style>{style()}</style>"
            f"<body><main></main><script>{MODEL}</script></body></html>"
        )

    def show(
        self, snapshot: TopologySnapshot | None, health: Mapping[NodeAddress, NodeHealth] | None = None,
        events: list[EventRow] | None = None, **facts: Any,
    ) -> Packet | None:  # fmt: skip
        now = datetime.datetime.now(datetime.UTC)
        before, self._scene = self._scene, self._builder.build(moment(snapshot, health, time=now, **facts))
        self._sequence += 1
        if before is None:
            packet: Packet | None = full(self._scene, self._sequence, events or [])
            self.page.evaluate("([source, packet]) => start(source, 'k', packet)", [module(), plain(packet)])
        else:
            packet = delta(before, self._scene, self._sequence, events or [])
            if packet is None:
                self._sequence -= 1
            else:
                self.page.evaluate("(packet) => push(packet)", plain(packet))
        self.settle()
        return packet

    def tell(self, head: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Send a message of the kernel's."""
        self.page.evaluate("(packet) => push(packet)", plain(Packet(head, buffers or [])))
        self.settle()

    def say_times(self, source: Source) -> None:
        """Answer the page's look, with all moments that there are."""
        page = self.page.evaluate("view.moments.page")
        told = {"edition": self._scene.edition, "sequence": self._sequence, "age": 0.1}
        self.tell({"kind": "here", "page": page, "times": known_times(source), **told})

    def questions(self) -> list[int]:
        """The times of the moments that the page asked for."""
        times: list[int] = self.page.evaluate("model.sent.filter(({ kind }) => kind === 'past').map(({ time }) => time)")
        return times

    def answer(self, source: Source) -> None:
        """Answer the last question for a moment."""
        head, buffers = past_moment(source, self.questions()[-1])
        self.tell({**head, "page": self.page.evaluate("view.moments.page")}, buffers)

    def resend(self) -> None:
        """The full state again, as the kernel answers a page that missed something."""
        self.page.evaluate("(packet) => push(packet)", plain(full(self._scene, self._sequence, [])))
        self.settle()

    def settle(self) -> None:
        """Wait for the picture after the next."""
        self.page.evaluate(
            """async () => { for (let n = 0; n < 3; n += 1) await new Promise((done) => requestAnimationFrame(done)); }"""
        )


def plain(packet: Packet | None) -> dict[str, Any]:
    """A packet as the browser can be given it; through JSON, as in the kernel."""
    assert packet is not None
    return {"head": json.loads(json.dumps(packet.head)), "buffers": [base64.b64encode(each).decode() for each in packet.buffers]}
