"""Whether the kernel is busy with a cell: while it is, it reads nothing that the front end sends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CellWatch"]


class CellWatch:
    """busy --post_execute--> idle --pre_execute--> busy. Made inside a cell, as widgets are; stop it with `close`."""

    def __init__(self) -> None:
        from IPython import get_ipython

        self._shell: InteractiveShell | None = get_ipython()
        self.idle_since: float | None = None if self._shell is not None else time.monotonic()
        if self._shell is not None:
            self._shell.events.register("pre_execute", self._busy)
            self._shell.events.register("post_execute", self._idle)

    def _busy(self) -> None:
        self.idle_since = None

    def _idle(self) -> None:
        self.idle_since = time.monotonic()

    def close(self) -> None:
        """Let go of the shell. Idempotent."""
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.events.unregister("pre_execute", self._busy)
            shell.events.unregister("post_execute", self._idle)
