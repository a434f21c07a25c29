"""Bytes to messages and back: frames, streams with credit, the hello (VIRTUAL sections 2 and 3). Pure.

Knows no values and no members. Start reading at `connection.Connection`, which has one method for each direction.
"""

from casty_notebook.backends.virtual.wire.connection import Accepted, Connection, Leaving, Message, Rejected
from casty_notebook.backends.virtual.wire.hello import Hello, Limits, Refusal

__all__ = ["Accepted", "Connection", "Hello", "Leaving", "Limits", "Message", "Refusal", "Rejected"]
