"""One node of the demo cluster of casty 0.30: ``python -m casty_notebook.demo.virtual_node --port 25520``.

It speaks to the launcher by lines (`leash`). Everything else it has to say, casty's log above all, goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from casty_notebook.demo.leash import Leash, Refused, casty_version, check_port, say
from casty_notebook.nodeside import FILE

__all__ = ["main"]

SUPPORTED = ((0, 30, 1), (0, 31))
"""casty from the first up to, not including, the second. 0.30.0 speaks the same protocol, but has another Python API."""

LOOK = 0.1
"""Seconds between two looks at the members that this node sees. casty can tell observers of changes, but then logs none."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until stdin ends, or SIGTERM or SIGINT comes. Returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        version = casty_version(*SUPPORTED)
        asyncio.run(_run(options, version))
    except Refused as refusal:
        say("failed", kind=refusal.kind, reason=str(refusal))
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="casty_notebook.demo.virtual_node", description="Run one node of casty 0.30.")
    parser.add_argument("--name", default="node-1", help="what its actors call the node; casty 0.30 has no names for nodes")
    parser.add_argument("--system", default="demo", help="the cluster's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=25520)
    parser.add_argument("--seed", action="append", default=[], metavar="HOST:PORT", help="a node to join; repeatable")
    parser.add_argument("--app", type=Path, metavar="FILE", help="Python to run once the node is up, with system and node")
    parser.add_argument("--tls-dir", type=Path, help="folder with node.pem, node.key and ca.pem")
    parser.add_argument("--wait", action="store_true", help="load everything, then wait for 'go' on stdin")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace, version: str) -> None:
    from casty import ActorSystem

    from casty_notebook.demo import virtual_actors

    leash = Leash()
    cluster = _cluster(options)
    say("loaded")
    if options.wait and not await leash.wait(leash.go):
        return
    check_port(options.host, options.port)
    virtual_actors.place.node = options.name
    sys.path.append(str(FILE.parent))  # as if it lay beside the application
    import casty_nodeside  # type: ignore[import-not-found]

    entering = asyncio.ensure_future(leash.end.wait())
    async with ActorSystem(cluster=cluster) as system:
        # A node lists a type once it has met it. To compute where a key of the type would live is enough for that.
        for each in virtual_actors.TYPES.values():
            await system.placement(each, "-", at=system.node.address if each is virtual_actors.payment else None)
        await system.placement(casty_nodeside.look, "-", at=system.node.address)
        if not options.seed:
            await _fill_collections(system)
        if options.app:
            runpy.run_path(str(options.app), {"system": system, "node": options.name}, "casty_notebook_app")
        say("ready", pid=os.getpid(), port=options.port, casty=version)
        watching = asyncio.ensure_future(_watch(system))
        await entering
        watching.cancel()
        logging.disable(logging.WARNING)  # what casty warns of while it leaves helps nobody


def _cluster(options: argparse.Namespace) -> Any:
    from casty import TLS, Cluster

    tls = None
    if options.tls_dir:
        folder = options.tls_dir
        tls = TLS(cert=str(folder / "node.pem"), key=str(folder / "node.key"), ca=str(folder / "ca.pem"))
    # The first node of a cluster has no seeds: one whose seeds are all unreachable never becomes ready, and says nothing.
    return Cluster(bind=f"{options.host}:{options.port}", seeds=tuple(options.seed), name=options.system, tls=tls)


async def _fill_collections(system: Any) -> None:
    """One collection of each kind with something in it, made by the cluster's first node."""
    from casty import Collections

    collections = Collections(system)
    await collections.counter("visits").add(3)
    prices = collections.dict("prices", key=str, value=int)
    for fruit, price in (("apple", 30), ("pear", 45)):
        await prices.put(fruit, price)
    for city in ("Lisbon", "Oslo"):
        await collections.set("cities", value=str).add(city)
    for job in ("sweep", "mop"):
        await collections.queue("jobs", value=str).offer(job)


async def _watch(system: Any) -> None:
    """Tell the launcher whom this node sees, whenever that changes."""
    told: dict[str, Any] = {}
    while True:
        living = {member.node.address for member in system.members if member.status == "alive"}
        # A restarted node is a new member at the same address. The dead one, listed beside it for a while, is not unreachable.
        lost = {member.node.address for member in system.members if member.status in ("suspect", "dead")} - living
        view = {"up": sorted(living), "unreachable": sorted(lost), "services": []}
        if view != told:
            told = view
            say("view", **view)
        await asyncio.sleep(LOOK)


if __name__ == "__main__":
    sys.exit(main())
