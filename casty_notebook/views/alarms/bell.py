"""`Bell`: says that a problem has appeared, where somebody who looks elsewhere notices it."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from typing import Any, Self

import traitlets

from casty_notebook.printable import printable
from casty_notebook.topology.problems import Problem, problem_rows
from casty_notebook.views.alarms.problem_watch import Looked, ProblemWatch
from casty_notebook.views.closing import ClosingWidget
from casty_notebook.views.reprs.html import element, fragment, state
from casty_notebook.views.reprs.plain import clipped, many
from casty_notebook.views.static_files import module, style
from casty_notebook.views.still import display_with_still

__all__ = ["Bell", "in_kernel"]

SHOWN = 5
"""Problems that its line lists; the rest is counted."""


class Bell(ClosingWidget):
    """ringing --stop | close | the connection closes--> still.

    When a problem appears (`Cluster.problems`): in a page its line turns red and, while nobody looks at the page, the page's
    title blinks; a button asks the browser for leave to show notifications of the system, too. In a terminal the terminal's
    bell rings (the sign BEL; whether that is heard is the terminal's choice). Nothing makes a sound by itself.
    """

    _esm = module("live/static/look.js", "alarms/static/bell.js")
    _css = style("alarms/static/bell.css")

    problems = traitlets.Dict().tag(sync=True)
    """``{"name", "rows", "more", "rung", "latest", "ended"}``: what there is to show; replaced as a whole."""

    def __init__(self, cluster: Looked) -> None:
        self._rung = 0
        self._name = printable(cluster.name)
        super().__init__(problems=self._shown([], "", ended=False))
        self._watch = ProblemWatch(cluster, self._told, self._ended)

    @property
    def rung(self) -> int:
        """How often it rang."""
        return self._rung

    @property
    def stopped(self) -> bool:
        return bool(self.problems["ended"])

    def stop(self) -> None:
        """Ring no more. Idempotent."""
        self._watch.stop()

    def close(self) -> None:
        """Ring no more, and end the line in every page. Idempotent."""
        self.stop()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # --- on the thread that looks -----------------------------------------------------------------------------------

    def _told(self, found: Sequence[Problem], new: Sequence[Problem]) -> None:
        if new:
            self._rung += 1
            ring_terminal()
        latest = "; ".join(f"{each.subject}: {each.text}" for each in new[:SHOWN])
        self.problems = self._shown(found, printable(latest), ended=False)

    def _ended(self) -> None:
        self.problems = {**self.problems, "ended": True}

    def _shown(self, found: Sequence[Problem], latest: str, *, ended: bool) -> dict[str, Any]:
        rows = [{name: printable(text) for name, text in row.items()} for row in problem_rows(found[:SHOWN])]
        more = max(0, len(found) - SHOWN)
        return {"name": self._name, "rows": rows, "more": more, "rung": self._rung, "latest": latest, "ended": ended}

    # --- as text ----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        rows, more = self.problems["rows"], self.problems["more"]
        doing = "is still" if self.stopped else "rings when a problem appears"
        return f"<Bell of {self._name}: {doing}, rang {many(self._rung, 'time')}, {many(len(rows) + more, 'problem')} now>"

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if bundle is not None:
            display_with_still(bundle[0], "casty-bell")

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle
        lines = [element("p", state("bad", clipped(f"{row['subject']}: {row['text']}"))) for row in self.problems["rows"]]
        when = element("p", f"as it was at {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC", class_="casty-faint")
        html = fragment(*(lines or [element("p", state("good", f"{self._name}: no problem"))]), when)
        return {**data, "text/plain": repr(self), "text/html": html}, metadata


def in_kernel() -> bool:
    """Whether cells are shown by a front end, not by the terminal that this process may have inherited from its server."""
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def ring_terminal() -> None:
    """Ring, if this process talks to a terminal. A bell is no output: it cannot end up in another cell."""
    out = sys.__stdout__
    if out is not None and not out.closed and out.isatty() and not in_kernel():
        out.write("\a")
        out.flush()
