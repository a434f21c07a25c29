"""`TopologyWidget`: the live view of a cluster. Map, tables, timeline and banner in one anywidget."""

from __future__ import annotations

import datetime
import uuid
import weakref
from dataclasses import replace
from typing import Any

import traitlets

from casty_notebook.printable import printable
from casty_notebook.views.closing import ClosingWidget
from casty_notebook.views.facts import Shown
from casty_notebook.views.live.beside import open_beside
from casty_notebook.views.live.bridge import Bridge
from casty_notebook.views.live.cell_watch import CellWatch
from casty_notebook.views.live.feed import Source, card_of
from casty_notebook.views.live.static_files import module, style
from casty_notebook.views.live.svg_map import map_html
from casty_notebook.views.reprs.cards import cluster_card_html, cluster_card_text
from casty_notebook.views.still import display_with_still

__all__ = ["TopologyWidget"]


def _full_state(_value: Any, widget: TopologyWidget) -> dict[str, Any]:
    return {**widget.bridge.full_state()._asdict(), "story": [packet._asdict() for packet in widget.bridge.story]}


class TopologyWidget(ClosingWidget):
    """A view that follows a source for as long as it is visible somewhere. Make it on the kernel's main thread.

    Shows the state as text and as HTML where there are no widgets. `close` frees it.
    """

    _esm = module()
    _css = style()

    full = traitlets.Dict().tag(sync=True, to_json=_full_state, from_json=lambda _value, widget: widget.full)
    """What a page that joins late is given, made when it is asked for; then come deltas as messages."""

    key = traitlets.Unicode().tag(sync=True)
    """A random name, by which the views of one widget in one page find the state that they share."""

    def __init__(self, source: Source) -> None:
        self._cells = CellWatch()
        # The bridge gets no reference to this object: the loop must not keep a view alive that everybody else has forgotten.
        cells = self._cells
        self.bridge = Bridge(source, _weakly(self), lambda: cells.idle_since)
        super().__init__(key=uuid.uuid4().hex)
        self.on_msg(_handed_over)

    def close(self) -> None:
        """End the view here and in every page. Idempotent."""
        self.bridge.stop()
        self._cells.close()
        super().close()

    def open_beside(self) -> None:
        """Open a tab with it beside the notebook in JupyterLab, if sidecar is installed; else say how to do that by hand."""
        open_beside(self, printable(f"Casty cluster {self.bridge.scene.status.name}"))

    def __repr__(self) -> str:
        status = self.bridge.scene.status
        kinds = len(self.bridge.scene.columns)
        return printable(f"<TopologyWidget {status.name}: {status.connection}, {kinds} sharded types>")

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if bundle is not None:
            display_with_still(bundle[0], "casty-topology")

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle
        shown = _taken_now(self.bridge.shown())
        card = replace(card_of(shown), taken=shown.facts.time)
        return {**data, "text/plain": cluster_card_text(card), "text/html": cluster_card_html(card) + map_html(shown)}, metadata


def _taken_now(shown: Shown) -> Shown:
    """Give a picture of the present the time of now. Its facts have the time of the last change, which may be long ago."""
    if shown.facts.recorded or shown.facts.closed:
        return shown
    return shown._replace(facts=replace(shown.facts, time=datetime.datetime.now(datetime.UTC)))


def _weakly(widget: TopologyWidget) -> Any:
    target = weakref.ref(widget)

    def send(content: dict[str, Any], buffers: list[bytes]) -> None:
        alive = target()
        if alive is not None:
            alive.send(content, buffers)

    return send


def _handed_over(widget: TopologyWidget, content: object, _buffers: object) -> None:
    widget.bridge.hear(content)
