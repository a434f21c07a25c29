"""Which backend a cluster needs: the only file above `backends/` that knows one by its name.

A node of casty 0.15 to 0.21 would log the words of 0.30 as a broken handshake, and one of 0.30 hangs up at the handshake of
0.15 to 0.21 without a trace (PROTOCOL section 1.4). So every cluster is tried as a sharded one first, and whoever hangs up
is asked who it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any

from casty_notebook.address import ClusterURI, NodeAddress
from casty_notebook.backends.contract import Backend
from casty_notebook.backends.read_only import Questions, ReadOnlyRail
from casty_notebook.client.options import ConnectOptions
from casty_notebook.net.dialler import Connector
from casty_notebook.topology.check_result import Finding

__all__ = ["examine_address", "open_backend"]


async def open_backend(
    uri: ClusterURI, options: ConnectOptions, name: str, connector: Connector | None, tried: Callable[[Backend], None]
) -> Backend:
    """Connect to a cluster of whichever kind, and wait for its first picture.

    Parameters
    ----------
    name
        What the connection is called.
    tried
        Called with each backend before it is opened, so that the caller can show how far it is.

    Raises
    ------
    NoContactPoint, SystemNameMismatch, MisuseError
        As the backend that was tried last says.
    """
    until = monotonic() + options.timeout
    found = asyncio.Event()
    sharded = _sharded(uri, options, name, connector, lambda _: found.set())
    tried(sharded)
    if await _opened_before(sharded, found, options.timeout):
        return sharded
    virtual = _virtual(uri, options, name, connector)
    tried(virtual)
    await virtual.open(max(1.0, until - monotonic()))
    return virtual


async def examine_address(
    uri: ClusterURI, options: ConnectOptions, connector: Connector | None, shards: Mapping[str, int] | None
) -> list[Finding]:
    """Examine the way to a cluster that nobody is connected to, whichever kind it is."""
    from casty_notebook.backends.sharded.aio.doctor import examine as examine_sharded
    from casty_notebook.backends.virtual.aio.doctor import examine as examine_virtual

    found = asyncio.Event()
    client = _sharded(uri, options, uri.system, connector, lambda _: found.set()).client
    findings = await examine_sharded(client, entered=False, shards=shards)
    if not found.is_set():
        return findings
    return await examine_virtual(_virtual(uri, options, uri.system, connector).client, entered=False)


async def _opened_before(backend: Backend, found: asyncio.Event, timeout: float) -> bool:
    """Open it, unless a contact point turns out to be of another kind meanwhile."""
    opening = asyncio.ensure_future(backend.open(timeout))
    finding = asyncio.ensure_future(found.wait())
    leaving = True
    try:
        await asyncio.wait((opening, finding), return_when=asyncio.FIRST_COMPLETED)
        if opening.done() and not (found.is_set() and opening.exception() is not None):
            opening.result()
            leaving = False
            return True
        return False
    finally:
        # An `open` that fails or is cancelled closes its client itself.
        for task in (opening, finding):
            task.cancel()
        await asyncio.gather(opening, finding, return_exceptions=True)
        if leaving and not opening.cancelled() and opening.exception() is None:
            await backend.close()  # it came up just when we were cancelled, or found that the cluster is of another kind


def _rail(options: ConnectOptions, name: str, always: tuple[str, ...] = ()) -> ReadOnlyRail | None:
    return ReadOnlyRail(name, Questions(options.questions, always)) if options.read_only else None


def _sharded(
    uri: ClusterURI, options: ConnectOptions, name: str, connector: Connector | None, on_virtual: Callable[[NodeAddress], None]
) -> Backend:
    from casty_notebook.backends.sharded.aio.backend import ShardedBackend
    from casty_notebook.backends.sharded.aio.client import ClusterClient
    from casty_notebook.backends.sharded.aio.read_only import OWN_QUESTIONS, ReadOnlyClient

    rail = _rail(options, name, OWN_QUESTIONS)
    make: Callable[..., Any] = ClusterClient if rail is None else partial(ReadOnlyClient, rail=rail)
    client = make(
        contact_points=uri.contacts, system_name=uri.system, address_map=options.address_map, serializer=options.serializer,
        compression=options.compression, tls=options.tls, messages=options.messages, settings=options.settings,
        connector=connector, send_main=options.send_main, trace=options.trace,
    )  # fmt: skip
    client.dialler.on_virtual = on_virtual
    return ShardedBackend(client, options.shards or {})


def _virtual(uri: ClusterURI, options: ConnectOptions, name: str, connector: Connector | None) -> Backend:
    from casty_notebook.backends.virtual.aio.backend import VirtualBackend
    from casty_notebook.backends.virtual.aio.client import VirtualClient

    client = VirtualClient(
        contact_points=uri.contacts, cluster_name=uri.system, address_map=options.address_map, tls=options.tls,
        messages=options.messages, settings=options.settings, connector=connector,
        trace=options.trace,
    )  # fmt: skip
    backend = VirtualBackend(client, _rail(options, name))
    unused = [
        f"{given}=" for given in ("shards", "compression") if getattr(options, given)
    ] + ["serializer="] * (options.serializer != "auto")
    if unused:
        backend.notices.append(f"a cluster of casty 0.30 answers there, which needs no {', '.join(unused)}: left aside")
    return backend
