"""Widgets that can be closed for good: ipywidgets leaves the layout of one that is closed behind."""

from __future__ import annotations

import anywidget

__all__ = ["ClosingWidget"]


class ClosingWidget(anywidget.AnyWidget):
    """A widget whose `close` ends it in every page, with its layout. Idempotent."""

    def close(self) -> None:
        if self.comm is None:
            return
        layout = self.layout
        super().close()
        layout.close()
