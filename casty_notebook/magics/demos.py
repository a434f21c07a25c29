"""Demo clusters that ``--demo`` started: one for a connection, stopped with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casty_notebook.demo import DemoCluster

__all__ = ["running", "start", "stop", "stop_all"]

_running: dict[str, DemoCluster] = {}


def start(name: str, **options: Any) -> DemoCluster:
    """Start a demo cluster for the connection `name` and wait until its nodes see each other."""
    from casty_notebook.demo import DemoCluster

    demo = _running[name] = DemoCluster(**options).start()
    return demo


def stop(name: str) -> None:
    """Stop the demo cluster of that connection, if it has one."""
    if (demo := _running.pop(name, None)) is not None:
        demo.stop()


def stop_all() -> None:
    """Stop every demo cluster."""
    while _running:
        _running.popitem()[1].stop()


def running(name: str) -> DemoCluster | None:
    """Return the demo cluster of that connection, or None."""
    return _running.get(name)
