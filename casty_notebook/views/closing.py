"""Widgets that can be closed for good. When ipywidgets itself closes a widget, it leaves the widget's layout behind."""

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
