"""What tests write for the `reply_to` of a message."""

from __future__ import annotations

from typing import Any

__all__ = ["NOBODY"]

NOBODY: Any = None
"""The `reply_to` of a message that is told, or into which the client puts its own. The classes themselves ask for a ref."""
