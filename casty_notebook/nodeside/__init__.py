"""The helper that makes nodes of casty 0.30 report what they are doing: one file to copy to them, which needs casty alone.

Nothing here is needed for anything else, and nothing of it runs in our process. Start with the file itself, `casty_nodeside.py`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FILE"]

FILE = Path(__file__).with_name("casty_nodeside.py")
"""The file to copy to where the nodes import from. Nothing has to be configured; the nodes must be started again."""
