"""What may be laid on the nodes of casty 0.30, so that they say what they are at: one file, which needs casty alone.

Nothing here is needed for anything else, and nothing of it runs in our process. Start with the file itself, `casty_nodeside.py`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FILE"]

FILE = Path(__file__).with_name("casty_nodeside.py")
"""To be copied to where the nodes import from. They need not be told of it, only started afterwards."""
