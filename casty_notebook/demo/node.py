"""One node of the demo cluster: ``python -m casty_notebook.demo.node --port 25520``.

It speaks to the launcher by lines (`leash`). Everything else it has to say, casty's log above all, goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from casty_notebook.demo.leash import Leash, Refused, casty_version, check_port, say

__all__ = ["main"]

SUPPORTED = ((0, 15), (0, 22))
"""casty from the first up to, not including, the second speaks this protocol (PROTOCOL section 1.4)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until stdin ends, or SIGTERM or SIGINT comes. Returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        casty_version(*SUPPORTED)
        asyncio.run(_run(options))
    except Refused as refusal:
        say("failed", kind=refusal.kind, reason=str(refusal))
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="casty_notebook.demo.node", description="Run one node of the demo cluster.")
    parser.add_argument("--name", default="node-1", help="the node's id in the cluster")
    parser.add_argument("--system", default="demo")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=25520)
    parser.add_argument("--seed", action="append", default=[], metavar="HOST:PORT", help="a node to join; repeatable")
    parser.add_argument("--role", action="append", default=[], help="repeatable")
    parser.add_argument("--shards", type=int, default=100, help="shards of each sharded type")
    parser.add_argument("--payment", action="store_true", help="host the payment service")
    parser.add_argument("--app", type=Path, metavar="FILE", help="Python to run once the node is up, with system and node")
    parser.add_argument("--tls-dir", type=Path, help="folder with node.pem, node.key and ca.pem")
    parser.add_argument("--serializer", default="pickle", choices=["pickle", "json", "msgpack", "cloudpickle"])
    parser.add_argument("--compression", choices=["zlib", "gzip", "bz2", "lzma", "lz4"])
    parser.add_argument("--wait", action="store_true", help="load everything, then wait for 'go' on stdin")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    return parser.parse_args(arguments)


# --- living ---------------------------------------------------------------------------------------------------------


async def _run(options: argparse.Namespace) -> None:
    from casty_notebook.demo import actors

    leash = Leash()
    system = _system(options)
    say("loaded")
    if options.wait and not await leash.wait(leash.go):
        return
    check_port(options.host, options.port)
    async with system:
        place = actors.Place(options.name)
        for name, build in actors.SHARDED_TYPES.items():
            place.regions[name] = _spawn_sharded(system, place, name, build, options.shards)
        if options.payment:
            from casty import Behaviors

            system.spawn(Behaviors.discoverable(actors.payment(place), key=actors.PAYMENT), actors.PAYMENT.name)
        if options.app:
            runpy.run_path(str(options.app), {"system": system, "node": options.name}, "casty_notebook_app")
        _watch(system)
        say("ready", pid=os.getpid(), port=options.port, casty=importlib.metadata.version("casty"))
        await leash.end.wait()
        logging.disable(logging.WARNING)  # what casty warns of while it ends (its own timers, mostly) helps nobody


def _system(options: argparse.Namespace) -> Any:
    from casty import ClusteredActorSystem, tls

    extra: dict[str, Any] = {}
    if options.tls_dir:
        folder = options.tls_dir
        extra["tls"] = tls.Config.from_paths(
            certfile=str(folder / "node.pem"), keyfile=str(folder / "node.key"), cafile=str(folder / "ca.pem")
        )
    if (options.serializer, options.compression) != ("pickle", None):
        extra["serializer"] = _serializer(options.serializer, options.compression)
    return ClusteredActorSystem(
        name=options.system,
        host=options.host,
        port=options.port,
        node_id=options.name,
        seed_nodes=tuple((host, int(port)) for host, _, port in (seed.rpartition(":") for seed in options.seed)),
        roles=frozenset(options.role),
        **extra,
    )


def _serializer(kind: str, compression: str | None) -> Any:
    try:
        from casty import CompressionConfig, SerializationConfig, build_serializer
    except ImportError:
        raise Refused("serializer", "this casty can only pickle; other serializers came with 0.19") from None
    config = CompressionConfig(algorithm=compression) if compression else None
    return build_serializer(SerializationConfig(serializer=kind, compression=config))


def _spawn_sharded(system: Any, place: Any, name: str, build: Any, shards: int) -> Any:
    from casty import Behaviors

    return system.spawn(Behaviors.sharded(lambda entity: build(place, entity), num_shards=shards), name)


def _watch(system: Any) -> None:
    """Tell the launcher whom this node sees, whenever that changes."""
    from casty import Behaviors, SubscribeTopology

    told: dict[str, Any] = {}

    async def receive(_ctx: Any, snapshot: Any) -> Any:
        view = {
            "up": sorted(f"{m.address.host}:{m.address.port}" for m in snapshot.members if m.status.name == "up"),
            "unreachable": sorted(f"{node.host}:{node.port}" for node in snapshot.unreachable),
            "services": sorted(f"{entry.node.host}:{entry.node.port}" for entry in snapshot.registry),
        }
        if view != told:
            told.update(view)
            say("view", **view)
        return Behaviors.same()

    watcher = system.spawn(Behaviors.receive(receive), "demo-watch")
    system.lookup("/_cluster/_topology").tell(SubscribeTopology(reply_to=watcher))


if __name__ == "__main__":
    sys.exit(main())
