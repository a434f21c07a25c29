"""The live text view of nodes with awkward names, in a process of its own: ``python -m tests.views.terminal.awkward``."""

from __future__ import annotations

from casty_notebook.views.terminal.top import Top
from tests.views.terminal.test_terminal import awkward

if __name__ == "__main__":
    Top(awkward).run()
