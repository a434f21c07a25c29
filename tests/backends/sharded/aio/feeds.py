"""How the tests speak to the actor of ``nodeside/feed.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from casty_notebook import ActorRef, ClusterClient
from casty_notebook.demo import DemoCluster
from tests.support.waiting import wait_until_async

FEED = Path(__file__).parent / "nodeside" / "feed.py"


def feeds_client(demo: DemoCluster, **options: Any) -> ClusterClient:
    return ClusterClient(contact_points=demo.contact_points, system_name="feeds", **options)


async def feed_of(client: ClusterClient) -> ActorRef[Any]:
    """The service, as soon as it is registered."""
    await client.wait_for_topology(timeout=5.0)
    (instance,) = await wait_until_async(lambda: client.lookup("feed").instances)
    return instance.ref


def numbers(count: int) -> Callable[[Any], Any]:
    """Tell the numbers below `count`."""
    return lambda ref: ("tell", count, ref)


def drip(every: float) -> Callable[[Any], Any]:
    """Tell a number every so many seconds, for ever."""
    return lambda ref: ("drip", every, ref)


def stream(count: int) -> Callable[[Any], Any]:
    """Make a producer of casty's own, with the numbers below `count` in it; answered with its ref."""
    return lambda ref: ("stream", count, ref)
