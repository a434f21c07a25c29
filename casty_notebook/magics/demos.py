"""Demo clusters that ``--demo`` started: one for a connection, stopped with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casty_notebook.demo import DemoCluster

__all__ = ["running", "starting", "stop", "stop_all"]

_running: dict[str, DemoCluster] = {}


@contextlib.contextmanager
def starting(name: str, **options: Any) -> Iterator[DemoCluster]:
    """Start a demo cluster, and give it to the connection `name` when the block ends well; one it had before is stopped then."""
    from casty_notebook.demo import DemoCluster

    demo = DemoCluster(**options).start()
    try:
        yield demo
    except BaseException:
        demo.stop()
        raise
    stop(name)
    _running[name] = demo


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
