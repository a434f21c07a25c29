"""`Watch`: one question asked again and again, as a small live view, a table and a text."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import traitlets

from casty_notebook.client.watching import Watching
from casty_notebook.console import fitting
from casty_notebook.loops.background import BackgroundLoop
from casty_notebook.printable import printable
from casty_notebook.views.closing import ClosingWidget
from casty_notebook.views.live.cell_watch import CellWatch
from casty_notebook.views.reprs.plain import many
from casty_notebook.views.static_files import module, style
from casty_notebook.views.still import display_with_still
from casty_notebook.views.terminal.tty import can_be_live, in_terminal
from casty_notebook.views.watch.bridge import WatchBridge
from casty_notebook.views.watch.in_terminal import follow
from casty_notebook.views.watch.shown import watch_html, watch_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Watch"]


def _full_state(_value: Any, widget: Watch) -> dict[str, Any]:
    return widget.bridge.full_state()


class Watch(ClosingWidget):
    """asking --stop | close | its time is up | the connection closes | no page shows it any more--> stopped.

    Made by `Cluster.watch`. `data` is what was seen, as a DataFrame. Terminal IPython draws it in its place until Ctrl-C, which
    ends it. Saved notebooks, and what is no terminal, show as HTML and as text what it was at that moment.
    """

    _esm = module("live/static/look.js", "watch/static/chart.js", "watch/static/watch.js")
    _css = style("watch/static/watch.css")

    full = traitlets.Dict().tag(sync=True, to_json=_full_state, from_json=lambda _value, widget: widget.full)
    """What a page that joins late is given, made when it is asked for; then come points as messages."""

    def __init__(self, watching: Watching, loop: BackgroundLoop, *, cluster: str, wanted: str) -> None:
        self._watching = watching
        self._loop = loop
        self._cluster = cluster
        self._wanted = wanted
        self._cells = CellWatch()
        cells = self._cells
        title = f"{cluster}: {wanted}"
        self.bridge = WatchBridge(watching, _weakly(self), lambda: cells.idle_since, title)
        super().__init__()
        self.on_msg(_handed_over)

    # --- what it holds ----------------------------------------------------------------------------------------------

    @property
    def data(self) -> pd.DataFrame:
        """What was seen, one row per ask: time, target, node, value, number, latency_ms, error; the last ones of each target."""
        from casty_notebook.tables.watched import watched

        return watched([(each.target, each.points) for each in self._watching.series], cluster=self._cluster)

    @property
    def replies(self) -> Mapping[str, Any]:
        """The last whole reply of each target; None of those that have not answered."""
        return {each.target: each.reply for each in self._watching.series}

    @property
    def stopped(self) -> bool:
        return bool(self._watching.ended)

    # --- ending -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask no more. What was seen stays, here and in the page. Idempotent; from any thread."""
        self._loop.soon(self._watching.stop, "it was stopped")

    def close(self) -> None:
        """Ask no more, and end the view in every page. Idempotent."""
        self.stop()
        self.bridge.close()
        self._cells.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # --- what it shows ----------------------------------------------------------------------------------------------

    def _title(self) -> str:
        series, ended = self._watching.series, self._watching.ended
        asked, failed = sum(each.asked for each in series), sum(each.failed for each in series)
        counts = f"{many(asked, 'ask')}{f', {failed:,} failed' if failed else ''}"
        state = f"stopped: {ended}" if ended else f"every {self._watching.pace.every:g} s"
        return printable(f"Watch of {self._wanted} on {self._cluster}, {state}, {counts}")

    def __repr__(self) -> str:
        return fitting(watch_text(self._title(), self._watching.series, datetime.datetime.now(datetime.UTC)))

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if bundle is None:
            return
        if not self.stopped and in_terminal() and can_be_live():
            follow(self)
        else:
            display_with_still(bundle[0], "casty-watch")

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle
        html = watch_html(self._title(), self._watching.series, datetime.datetime.now(datetime.UTC))
        return {**data, "text/plain": repr(self), "text/html": html}, metadata


def _weakly(widget: Watch) -> Callable[[dict[str, Any]], None]:
    """The loop must not keep a view alive that everybody else has forgotten."""
    target = weakref.ref(widget)

    def send(content: dict[str, Any]) -> None:
        alive = target()
        if alive is not None:
            alive.send(content)

    return send


def _handed_over(widget: Watch, content: object, _buffers: object) -> None:
    widget.bridge.hear(content)
