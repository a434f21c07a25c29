"""The connections of this process by name, and which of them is current; all are closed at exit."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from casty_notebook.errors import CastyNotebookError, MisuseError
from casty_notebook.logs import room_logger

__all__ = ["Connection", "close_all", "connections", "current", "listeners", "register", "unregister", "use"]

log = room_logger(__name__)


class Connection(Protocol):
    """What is kept here: a `Cluster`."""

    name: str

    def close(self) -> None: ...


_lock = threading.RLock()
_by_name: dict[str, Connection] = {}
_current: str | None = None

listeners: list[Callable[[Connection | None, Connection | None], None]] = []
"""Called with the connection that was current and the one that is now, on the thread that changed it."""


def _tell_of_change(before: Connection | None) -> None:
    after = current()
    if after is not before and (after is None or before is None or after.name != before.name):
        for listener in tuple(listeners):
            listener(before, after)


def register(connection: Connection) -> Connection | None:
    """Add a connection and make it current. Returns the one that had its name before, for the caller to close."""
    global _current
    was_current = current()
    with _lock:
        before = _by_name.pop(connection.name, None)
        _by_name[connection.name] = connection
        _current = connection.name
    _tell_of_change(was_current)
    return before


def unregister(connection: Connection) -> None:
    """Forget a connection (it was closed); the newest other one becomes current."""
    global _current
    was_current = current()
    with _lock:
        if _by_name.get(connection.name) is connection:
            del _by_name[connection.name]
            if _current == connection.name:
                _current = next(reversed(_by_name), None)
    _tell_of_change(was_current)


def connections() -> Mapping[str, Connection]:
    """All open connections, oldest first."""
    with _lock:
        return dict(_by_name)


def current() -> Connection | None:
    """The connection that commands use when none is named."""
    with _lock:
        return _by_name.get(_current) if _current is not None else None


def use(name: str) -> Connection:
    """Make a connection current.

    Raises
    ------
    MisuseError
        If there is none of that name.
    """
    global _current
    with _lock:
        if name not in _by_name:
            raise MisuseError(f"no connection {name!r}; open are: {', '.join(_by_name) or 'none'}")
        was_current, _current = current(), name
        found = _by_name[name]
    _tell_of_change(was_current)
    return found


def close_all() -> None:
    """Close every connection; errors are logged, since nobody is left to catch them, and no change is told of."""
    global _current
    with _lock:
        closing = list(reversed(_by_name.values()))
        _by_name.clear()
        _current = None
    for connection in closing:
        try:
            connection.close()
        except CastyNotebookError:
            log.exception("closing %s", connection.name)


def _forked() -> None:
    """In the child: what is open belongs to the parent, which will close it."""
    global _lock, _current
    _lock = threading.RLock()
    _by_name.clear()
    _current = None


atexit.register(close_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
