"""One node of the demo cluster: ``python -m casty_notebook.demo.node --port 25520``.

It speaks to the launcher by lines: on stdout one JSON object per event (``loaded``, ``ready``, ``view``, ``failed``),
on stdin the word ``go`` where ``--wait`` was given. The end of stdin is the end of the node, so that it never outlives
whoever started it. Everything else it has to say, casty's log above all, goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import runpy
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

SUPPORTED = ((0, 15), (0, 22))
"""casty from the first up to, not including, the second speaks this protocol (PROTOCOL section 1.4)."""

LAST_WORDS = 2.0
"""Seconds from the end of stdin to the end of the process, if the event loop does not manage it by itself."""

ORPHAN_CHECK = 1.0
"""Seconds between two looks at who our parent is: a process that the parent forked may hold our stdin open."""


class Refused(Exception):
    """The node cannot start as asked; `kind` is for the launcher, the text for a reader."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until stdin ends, or SIGTERM or SIGINT comes. Returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        _check_casty()
        asyncio.run(_run(options))
    except Refused as refusal:
        _say("failed", kind=refusal.kind, reason=str(refusal))
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


def _say(event: str, **facts: Any) -> None:
    # A launcher that is gone cannot be told; the end of stdin ends us in a moment.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"event": event, **facts}), flush=True)


def _check_casty() -> None:
    try:
        version = importlib.metadata.version("casty")
    except importlib.metadata.PackageNotFoundError:
        raise Refused("casty", f"casty is not installed for {sys.executable}") from None
    first, below = SUPPORTED
    if not first <= tuple(int(part) for part in version.split(".")[:2]) < below:
        raise Refused("casty", f"casty {version} for {sys.executable} speaks another protocol")


# --- ending ---------------------------------------------------------------------------------------------------------


class Leash:
    """The launcher's hold on the node: `go` is set by its word, `end` by the end of stdin, a signal, or orphanhood."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._parent = os.getppid()
        for name in ("SIGTERM", "SIGINT"):
            self._on_signal(getattr(signal, name))
        threading.Thread(target=self._follow_stdin, name="stdin", daemon=True).start()
        self._check_parent()

    def _on_signal(self, number: signal.Signals) -> None:
        try:
            self._loop.add_signal_handler(number, self.end.set)
        except NotImplementedError:  # Windows' event loop takes none
            signal.signal(number, lambda *_: self._loop.call_soon_threadsafe(self.end.set))

    def _follow_stdin(self) -> None:
        # os.read, not sys.stdin: a thread that waits inside a buffered reader can abort the interpreter's shutdown.
        with contextlib.suppress(OSError):
            while read := os.read(0, 1024):
                if b"go" in read:
                    self._loop.call_soon_threadsafe(self.go.set)
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are ending already
            self._loop.call_soon_threadsafe(self.end.set)
        time.sleep(LAST_WORDS)
        os._exit(1)

    def _check_parent(self) -> None:
        if os.getppid() != self._parent:
            self.end.set()
        else:
            self._loop.call_later(ORPHAN_CHECK, self._check_parent)

    async def wait(self, event: asyncio.Event) -> bool:
        """Wait for `event` or the end. Returns False at the end."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.end.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self.end.is_set()


# --- living ---------------------------------------------------------------------------------------------------------


async def _run(options: argparse.Namespace) -> None:
    from casty_notebook.demo import actors

    leash = Leash()
    system = _system(options)
    _say("loaded")
    if options.wait and not await leash.wait(leash.go):
        return
    _check_port(options.host, options.port)
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
        _say("ready", pid=os.getpid(), port=options.port, casty=importlib.metadata.version("casty"))
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
            _say("view", **view)
        return Behaviors.same()

    watcher = system.spawn(Behaviors.receive(receive), "demo-watch")
    system.lookup("/_cluster/_topology").tell(SubscribeTopology(reply_to=watcher))


def _check_port(host: str, port: int) -> None:
    """Refuse a taken port at once: casty itself would try for five seconds and say nothing of the port."""
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused("port", f"cannot listen at {host}:{port}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
