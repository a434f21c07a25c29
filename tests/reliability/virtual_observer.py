"""A process with one client of casty 0.30, ours or `casty.Client`, that keeps asking and watches the members, and prints both."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any

from tests.backends.virtual.cluster import NODESIDE

if TYPE_CHECKING:
    from casty_notebook import VirtualClient

__all__ = ["enter", "observe"]

ASK_EVERY = 0.1
ASK_TIMEOUT = 2.0
LOOK_EVERY = 0.02
SYNC_EVERY = timedelta(seconds=0.5)
"""Of `casty.Client`, whose own default is 5 s; ours asks each member every second."""


@dataclass
class Side:
    """What both can do."""

    ask: Callable[[str], Any]
    members: Callable[[], dict[str, str]]
    """Address -> what the table of members says of it: the members' word, or that it is not reached from here.

    `casty.Client` has one column for both.
    """


@asynccontextmanager
async def _ours(seeds: list[str]) -> AsyncIterator[Side]:
    from casty_notebook import VirtualClient
    from tests.backends.virtual.messages import Get

    contacts = [(host, int(port)) for host, _, port in (seed.rpartition(":") for seed in seeds)]
    async with VirtualClient(contact_points=contacts, cluster_name="shop") as client:
        await client.wait_for_members()
        yield Side(
            lambda key: client.ask(f"shop.actors:counter/{key}", Get, timeout=ASK_TIMEOUT, force=True),
            lambda: _shown(client),
        )


def _shown(client: VirtualClient) -> dict[str, str]:
    members = client.members.members if client.members else ()
    lost = {address for address, health in client.health.items() if health.reachable is False}
    return {str(each.address): "not reached" if each.address in lost else each.status for each in members}


@asynccontextmanager
async def _theirs(seeds: list[str]) -> AsyncIterator[Side]:
    sys.path.insert(0, str(NODESIDE))
    import casty
    from shop.actors import Get, counter  # type: ignore[import-not-found,unused-ignore]

    async with casty.Client(seeds=tuple(seeds), name="shop", sync_every=SYNC_EVERY) as client:  # type: ignore[attr-defined,unused-ignore]

        async def ask(key: str) -> Any:
            async with asyncio.timeout(ASK_TIMEOUT):
                return await client.ref(counter, key).ask(Get())

        yield Side(ask, lambda: {each.node.address: each.status for each in client.members})


_OPENED: dict[str, Callable[[list[str]], AbstractAsyncContextManager[Side]]] = {"ours": _ours, "theirs": _theirs}


def observe(side: str, seeds: list[str], keys: list[str]) -> None:
    """Follow a cluster until stdin ends. Each line of stdout is ``[time, "members", {…}]`` or ``[time, "ask", key, error]``."""
    asyncio.run(_observe(side, seeds, keys))


async def _observe(name: str, seeds: list[str], keys: list[str]) -> None:
    stdin_ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stdin_ended.set)), daemon=True).start()
    async with _OPENED[name](seeds) as side:
        tasks = [loop.create_task(_ask(side, key)) for key in keys]
        tasks.append(loop.create_task(_look(side)))
        print("ready", flush=True)
        await stdin_ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(side: Side, key: str) -> None:
    while True:
        error = ""
        try:
            await side.ask(key)
        except Exception as failed:  # whatever it is, it is the observation
            error = type(failed).__name__
        _say("ask", key, error)
        await asyncio.sleep(ASK_EVERY)


async def _look(side: Side) -> None:
    before: dict[str, str] = {}
    while True:
        now = side.members()
        if now != before:
            before = now
            _say("members", now)
        await asyncio.sleep(LOOK_EVERY)


def _say(*what: Any) -> None:
    print(json.dumps([monotonic(), *what]), flush=True)


def enter(side: str, seed: str, name: str, tls_folder: str | None, patience: float) -> list[Any]:
    """Try to enter; returns the seconds it took and what came of it."""
    return asyncio.run(_enter(side, seed, name, tls_folder, patience))


async def _enter(side: str, seed: str, name: str, tls_folder: str | None, patience: float) -> list[Any]:
    tried = _enter_ours if side == "ours" else _enter_theirs
    import_module("casty_notebook" if side == "ours" else "casty")
    started = monotonic()
    try:
        async with asyncio.timeout(patience):
            await tried(seed, name, tls_folder)
        said = "entered"
    except TimeoutError:
        said = "no answer"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    return [monotonic() - started, said]


async def _enter_ours(seed: str, name: str, tls_folder: str | None) -> None:
    from casty_notebook import TLS, VirtualClient

    host, _, port = seed.rpartition(":")
    tls = TLS(*(f"{tls_folder}/{file}" for file in ("node.pem", "node.key", "ca.pem"))) if tls_folder else None
    async with VirtualClient(contact_points=[(host, int(port))], cluster_name=name, tls=tls) as client:
        await client.wait_for_members()


async def _enter_theirs(seed: str, name: str, tls_folder: str | None) -> None:
    import casty

    files = {kind: f"{tls_folder}/{file}" for kind, file in (("cert", "node.pem"), ("key", "node.key"), ("ca", "ca.pem"))}
    tls = casty.TLS(**files) if tls_folder else None  # type: ignore[attr-defined,unused-ignore]
    async with casty.Client(seeds=(seed,), name=name, tls=tls) as client:  # type: ignore[attr-defined,unused-ignore]
        while not client.members:
            await asyncio.sleep(0.001)
