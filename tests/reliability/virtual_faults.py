"""``python -m tests.reliability.virtual_faults``: breaks casty 0.30 in each way and compares what our client and
`casty.Client` see of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.backends.virtual.cluster import RELEASES, VirtualCluster
from tests.benchmarks.processes import held, run_fresh
from tests.support.tls import issue
from tests.versions.environments import interpreters

__all__ = ["main"]

SIDES = ("ours", "theirs")
OBSERVER = "tests.reliability.virtual_observer"
PATIENCE = 45.0
"""Seconds for a fault to be seen and over: `casty.Client` needs 25 with its only seed frozen."""
CALM = 2.5
"""Seconds without a failed ask after which a fault counts as over."""
ENTER = 8.0
"""Seconds after which an entering that says nothing is given up."""


@dataclass
class Story:
    """What one client said, as it comes."""

    lines: list[list[Any]] = field(default_factory=list)

    def follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(json.loads(line))

    def members_after(self, at: float, shown: Callable[[dict[str, str]], bool]) -> float | None:
        """Seconds from `at` until the members looked like that."""
        return next((t - at for t, kind, *rest in list(self.lines) if t >= at and kind == "members" and shown(rest[0])), None)

    def asks(self, since: float, keys: set[str]) -> list[tuple[float, str]]:
        return [(t, rest[1]) for t, kind, *rest in list(self.lines) if kind == "ask" and t >= since and rest[0] in keys]

    def answered_for_good(self, since: float, keys: set[str]) -> float:
        """Seconds until the last failed ask; 0 if none failed."""
        return max((t - since for t, error in self.asks(since, keys) if error), default=0.0)


@dataclass
class Stage:
    """A cluster, both clients, and which keys live where."""

    cluster: VirtualCluster
    stories: dict[str, Story]
    homes: dict[int, set[str]]

    @property
    def ports(self) -> list[int]:
        return self.cluster.ports


@contextmanager
def stage(seeds: int) -> Iterator[Stage]:
    """Three nodes, of which the clients are given the first `seeds`."""
    with VirtualCluster() as cluster, ExitStack() as stack:
        given = [f"127.0.0.1:{port}" for port in cluster.ports[:seeds]]
        homes = _homes(cluster)
        keys = [key for home in homes.values() for key in sorted(home)]
        stories = {side: Story() for side in SIDES}
        for side in SIDES:
            process, _ = stack.enter_context(held(f"{OBSERVER}:observe", side, given, keys, python=_python(side)))
            threading.Thread(target=stories[side].follow, args=(process,), daemon=True).start()
        time.sleep(CALM)
        yield Stage(cluster, stories, homes)


def _python(side: str) -> Path | None:
    return interpreters(RELEASES[-1:])[RELEASES[-1]] if side == "theirs" else None


def _homes(cluster: VirtualCluster) -> dict[int, set[str]]:
    """Two keys of each node, found by a client that is left again."""
    found = run_fresh("tests.reliability.virtual_faults:place", cluster.contacts)
    homes: dict[int, set[str]] = {port: set() for port in cluster.ports}
    for key, port in found:
        if len(homes[port]) < 2:
            homes[port].add(key)
    return homes


def place(contacts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Key and port of its owner, of many keys."""
    import asyncio

    from casty_notebook import VirtualClient

    async def run() -> list[tuple[str, int]]:
        async with VirtualClient(contact_points=[(host, port) for host, port in contacts], cluster_name="shop") as client:
            await client.wait_for_members()
            owners = client.place_many("shop.actors:counter", [f"key-{number}" for number in range(60)])
            return [(key, owner.port) for key, owner in owners.items() if owner is not None]

    return asyncio.run(run())


# --- faults ------------------------------------------------------------------------------------------------------------


def _kill(stage: Stage, place: int) -> Callable[[], None]:
    return lambda: stage.cluster.kill(stage.ports[place])


def _restart_all(stage: Stage) -> None:
    for port in stage.ports:
        stage.cluster.kill(port)
    for place, port in enumerate(stage.ports):
        stage.cluster.start(port, stage.ports[:place])


FAULTS: dict[str, tuple[int, int, Callable[[Stage], Callable[[], None]]]] = {
    "contact killed": (1, 0, lambda stage: _kill(stage, 0)),
    "other killed": (1, 2, lambda stage: _kill(stage, 2)),
    "killed node back on its port": (1, 2, lambda stage: lambda: _kill_and_restart(stage)),
    "node stopped in order": (1, 2, lambda stage: lambda: stage.cluster.stop(stage.ports[2])),
    "other frozen": (1, 2, lambda stage: lambda: stage.cluster.freeze(stage.ports[2])),
    "the only seed frozen": (1, 0, lambda stage: lambda: stage.cluster.freeze(stage.ports[0])),
    "first of three seeds frozen": (3, 0, lambda stage: lambda: stage.cluster.freeze(stage.ports[0])),
    "all killed and restarted": (3, 0, lambda stage: lambda: _restart_all(stage)),
}
"""Name -> (seeds that the clients are given, place of the node that is broken, what breaks it)."""


def _kill_and_restart(stage: Stage) -> None:
    stage.cluster.kill(stage.ports[2])
    time.sleep(9.0)
    stage.cluster.restart(stage.ports[2])


def run_fault(name: str) -> list[str]:
    """One row for each client."""
    seeds, broken, make = FAULTS[name]
    with stage(seeds) as scene:
        port = scene.ports[broken]
        address = f"127.0.0.1:{port}"
        started = time.monotonic()
        make(scene)()
        _wait_until_over(scene, started)
        mine = scene.homes[port]
        others = {key for home in scene.homes.values() for key in home} - mine
        rows = []
        for side, story in scene.stories.items():
            seen = story.members_after(started, lambda shown: shown.get(address, "gone") != "alive")
            failed = [error for _, error in story.asks(started, mine) if error]
            beside = [error for _, error in story.asks(started, others) if error]
            kinds = ", ".join(sorted(set(failed))) or "-"
            rows.append(
                f"| {name} | {side} | {'-' if seen is None else f'{seen:.2f}'} | {len(failed)} ({kinds}) "
                f"| {story.answered_for_good(started, mine):.1f} | {len(beside)} |"
            )
        return rows


def _wait_until_over(scene: Stage, started: float) -> None:
    everything = {key for home in scene.homes.values() for key in home}
    while time.monotonic() - started < PATIENCE:
        time.sleep(0.25)
        now = time.monotonic()
        # Twelve seconds at least: with their default periods members call a frozen one dead after ten.
        if now - started > 12.0 and all(
            story.answered_for_good(started, everything) < now - started - CALM and story.asks(now - CALM, everything)
            for story in scene.stories.values()
        ):
            return


# --- entering ----------------------------------------------------------------------------------------------------------


def entering() -> Iterator[str]:
    """Contacts that cannot be entered: after how long each client says so, and what it says."""
    with tempfile.TemporaryDirectory() as folder, VirtualCluster(1) as cluster, socket.create_server(("127.0.0.1", 0)) as mute:
        good, other = Path(folder, "good"), Path(folder, "other")
        for each in (good, other):
            each.mkdir()
            issue(each)
        with VirtualCluster(1, tls_folder=good) as sealed:
            plain, secure = cluster.ports[0], sealed.ports[0]
            cases: list[tuple[str, int, str, Path | None]] = [
                ("the only seed refuses", 1, "shop", None), ("the only seed is mute", mute.getsockname()[1], "shop", None),
                ("wrong name", plain, "warehouse", None), ("plain client, node with TLS", secure, "shop", None),
                ("client with TLS, plain node", plain, "shop", good), ("another CA", secure, "shop", other),
                ("all right, with TLS", secure, "shop", good),
            ]  # fmt: skip
            for name, port, cluster_name, tls in cases:
                for side in SIDES:
                    taken, said = run_fresh(
                        f"{OBSERVER}:enter", side, f"127.0.0.1:{port}", cluster_name, str(tls) if tls else None, ENTER,
                        python=_python(side),
                    )  # fmt: skip
                    first = said.replace("|", "/").splitlines()
                    yield f"| {name} | {side} | {taken:.2f} | {' '.join(first)[:160]} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.virtual_faults", description=__doc__)
    parser.add_argument("fault", nargs="*", help=f"which ones: {', '.join(FAULTS)}, entering (all)")
    chosen = parser.parse_args(arguments).fault or [*FAULTS, "entering"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.suppress(KeyboardInterrupt):
        print("| fault | client | members show it, s | asks of its keys that failed | the last of them, s | others failed |")
        print("|---|---|---|---|---|---|", flush=True)
        for name in chosen:
            for row in run_fault(name) if name in FAULTS else ():
                print(row, flush=True)
        if "entering" in chosen:
            print("\n| contact | client | s | says |\n|---|---|---|---|", flush=True)
            for row in entering():
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
