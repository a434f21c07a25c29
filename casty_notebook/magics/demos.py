"""Demo clusters that ``--demo`` started: one for a connection, stopped with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casty_notebook.demo import DemoCluster

__all__ = ["is_demo", "start", "stop", "stop_all"]

_running: dict[str, DemoCluster] = {}


def start(name: str) -> DemoCluster:
    """Start a demo cluster for the connection `name` and wait until it answers."""
    from casty_notebook.demo import DemoCluster

    demo = DemoCluster()
    demo.start()
    _running[name] = demo
    return demo


def stop(name: str) -> None:
    """Stop the demo cluster of that connection, if it has one."""
    if (demo := _running.pop(name, None)) is not None:
        demo.close()


def stop_all() -> None:
    """Stop every demo cluster."""
    while _running:
        _running.popitem()[1].close()


def is_demo(name: str) -> bool:
    """Whether a demo cluster runs for that connection."""
    return name in _running
