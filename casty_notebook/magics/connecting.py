"""Connections by name: making, listing, choosing and closing them, as functions. Each says what it changed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from casty_notebook.address import ClusterURI, NodeAddress
from casty_notebook.client.profiles import SIGN, profile_names, resolved
from casty_notebook.console import say
from casty_notebook.errors import MisuseError
from casty_notebook.magics import demos
from casty_notebook.magics.connection_list import ConnectionList, ConnectionRow
from casty_notebook.magics.suggest import did_you_mean

if TYPE_CHECKING:
    from casty_notebook.demo import DemoCluster
    from casty_notebook.views.cluster import Cluster

__all__ = [
    "casty_connect",
    "casty_connections",
    "casty_demo",
    "casty_disconnect",
    "current_connection",
    "find_connection",
    "open_connections",
]

_DEMO = "demo"
_CONNECT_TIMEOUT = 10.0
_HOW = " Run %casty_connect casty://SYSTEM@HOST:PORT, or %casty_connect --demo"


def casty_connect(
    uri: str | None = None,
    *,
    name: str | None = None,
    shards: Mapping[str, int] | None = None,
    address_map: Mapping[NodeAddress, NodeAddress] | Callable[[NodeAddress], NodeAddress] | None = None,
    demo: bool = False,
    timeout: float | None = None,
    **options: Any,
) -> Cluster | ConnectionList:
    """Connect to a cluster and make it current; without arguments, list the connections.

    Parameters
    ----------
    uri
        ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``, ``@NAME`` of a profile (see `connect`), or the name of a connection that is
        to become current.
    name
        Name of the connection; one that has it already is closed when the new one stands. None: the system's name.
    shards
        Number of shards of each type.
    address_map
        Where to dial in place of the address that a node states.
    demo
        Start a cluster of real nodes on this machine. It lives as long as the connection. With ``"0.30"`` in place of an
        address its nodes run casty 0.30.
    timeout
        Longest wait for the cluster, in seconds.
    **options
        Passed on to `connect`: serializer, compression, tls, ssh, messages, settings.

    Raises
    ------
    MisuseError
        If the arguments contradict each other, or `uri` is neither an address nor a connection.
    NoContactPoint
        If no contact point answered; says what happened at each.
    """
    if demo:
        if uri is not None and ("://" in uri or uri.startswith(SIGN)):
            raise MisuseError(f"a demo cluster chooses its own address: leave out {uri!r}, or leave out the demo.")
        return _connect_to_demo(name or _DEMO, uri, shards, timeout, options)
    if uri is None:
        return casty_connections() if name is None else _make_current(name)
    if uri.startswith(SIGN):
        given = {"name": name, "shards": shards, "address_map": address_map, "timeout": timeout, **options}
        uri, found = resolved(uri, given)
        of_profile = [found.pop(each, None) for each in ("shards", "address_map", "timeout")]
        return _connect(uri, found.pop("name"), of_profile[0], of_profile[1], of_profile[2], found)
    if "://" not in uri:
        return _make_current(uri)
    return _connect(uri, name or ClusterURI.parse(uri).system, shards, address_map, timeout, options)


def _lost(cluster: Cluster) -> int:
    """How many members are not reached from here."""
    members = () if cluster.topology is None else cluster.topology.members
    health = cluster.health
    return sum(each.address in health and health[each.address].reachable is False for each in members)


def casty_connections() -> ConnectionList:
    """Return the open connections as a small table."""
    current = current_connection()
    return ConnectionList(
        tuple(
            ConnectionRow(
                name=name,
                uri=cluster.uri,
                members=None if cluster.topology is None else len(cluster.topology.members),
                current=cluster is current,
                demo=demos.running(name) is not None,
                marks=_marks(cluster),
                lost=_lost(cluster),
            )
            for name, cluster in open_connections().items()
        )
    )


def casty_disconnect(name: str | None = None, *, everything: bool = False) -> None:
    """Close the named connection, the current one, or every one; a demo cluster goes with its connection.

    Raises
    ------
    MisuseError
        If there is no such connection.
    """
    closing = list(open_connections().values()) if everything else [find_connection(name)]
    before = current_connection()
    with _changes_are_kept_quiet():
        for cluster in closing:
            try:
                cluster.close()
            finally:
                demos.stop(cluster.name)
            _say(f"closed {cluster.name}.")
    if (after := current_connection()) is not before:
        say_current(before, after)


def casty_demo(*, connection: str | None = None) -> DemoCluster:
    """Return the demo cluster of a connection, to kill, freeze, restart or add nodes.

    Raises
    ------
    MisuseError
        If the connection has none.
    """
    name = find_connection(connection).name
    if (demo := demos.running(name)) is None:
        raise MisuseError(f"connection {name!r} has no demo cluster. Run %casty_connect --demo")
    return demo


def open_connections() -> dict[str, Cluster]:
    """Return the open connections by name, oldest first."""
    from casty_notebook.client.connections import connections

    return cast("dict[str, Cluster]", dict(connections()))


def current_connection() -> Cluster | None:
    """Return the connection that commands use when none is named."""
    from casty_notebook.client.connections import current

    return cast("Cluster | None", current())


def find_connection(name: str | None = None) -> Cluster:
    """Return the named or current connection.

    Raises
    ------
    MisuseError
        If there is none; names the closest.
    """
    if name is not None:
        known = open_connections()
        if name not in known:
            raise MisuseError(
                f"no connection is named {name!r}.{did_you_mean(name, known, kind='connections') or _HOW}"
            )
        return known[name]
    if (cluster := current_connection()) is None:
        raise MisuseError(f"not connected.{_HOW}")
    return cluster


def _connect(
    uri: str,
    name: str,
    shards: Mapping[str, int] | None,
    address_map: Any,
    timeout: float | None,
    options: Mapping[str, Any],
) -> Cluster:
    old = open_connections().get(name)
    with changes_are_said():
        cluster = _connected(uri, name, shards, address_map, timeout, options)
    # A new connection takes the name over and becomes current by itself, and only then is the old one closed: a
    # mistyped port does not cost the connection that works.
    if old is not None:
        demos.stop(name)
        _say(f"closed the earlier connection {name} to {old.uri}.")
    return cluster


def _connected(
    uri: str,
    name: str,
    shards: Mapping[str, int] | None,
    address_map: Any,
    timeout: float | None,
    options: Mapping[str, Any],
) -> Cluster:
    from casty_notebook.views.cluster import connect

    return connect(
        uri, name=name, shards=shards, address_map=address_map, timeout=_CONNECT_TIMEOUT if timeout is None else timeout,
        **options,
    )


def _connect_to_demo(
    name: str, casty: str | None, shards: Mapping[str, int] | None, timeout: float | None, options: Mapping[str, Any]
) -> Cluster:
    if options.get("ssh"):
        raise MisuseError("a demo cluster runs on this machine: leave out ssh, or leave out the demo.")
    old = open_connections().get(name)
    _say(f"starting a demo cluster{f' of casty {casty}' if casty else ''} on 127.0.0.1 …")
    # Nodes write and read as their configuration says, so what is given for the connection holds for them as well.
    wire = {key: value for key, value in options.items() if key in ("serializer", "compression")}
    known = options.get("messages", ())
    # What was open under that name is closed when the new one stands, and not before.
    with demos.starting(name, casty=casty, **wire) as demo, changes_are_said():
        cluster = _connected(
            demo.uri, name, {**demo.shards, **(shards or {})} or None, None, timeout,
            {**options, "messages": [*known, *demo.messages]},
        )  # fmt: skip
    if old is not None:
        _say(f"closed the earlier connection {name} to {old.uri}.")
    return cluster


def _make_current(name: str) -> Cluster:
    from casty_notebook.client.connections import use

    known = open_connections()
    if name not in known:
        guess = did_you_mean(name, known, kind="connections")
        if name in profile_names():
            guess = f" Did you mean the profile {SIGN}{name}?"
        raise MisuseError(f"{name!r} is neither casty://SYSTEM@HOST:PORT nor the name of a connection.{guess}")
    with changes_are_said():
        use(name)
    return known[name]


def _marks(cluster: Cluster) -> tuple[str, ...]:
    """The words that mark a connection: its colour, and whether it is read-only."""
    return (*([cluster.colour] if cluster.colour else []), *(["read-only"] if cluster.read_only else []))


@contextlib.contextmanager
def changes_are_said() -> Iterator[None]:
    """Say which connection is current whenever that changes meanwhile, also where the extension is not loaded."""
    from casty_notebook.client.connections import listeners

    if say_current in listeners:
        yield
        return
    listeners.append(say_current)
    try:
        yield
    finally:
        listeners.remove(say_current)


@contextlib.contextmanager
def _changes_are_kept_quiet() -> Iterator[None]:
    """Leave it to the caller to say which connection is current, once, after what led to it."""
    from casty_notebook.client.connections import listeners

    said = [listener for listener in listeners if listener is say_current]
    for listener in said:
        listeners.remove(listener)
    try:
        yield
    finally:
        listeners.extend(said)


def say_current(before: Any, after: Any) -> None:
    """Name the current connection and what marks it. Silent off the main thread, whose output would land in any cell."""
    if threading.current_thread() is not threading.main_thread():
        return
    if after is None:
        _say("no current connection.")
        return
    marked = f" [{', '.join(marks)}]" if (marks := _marks(after)) else ""
    _say(f"current connection: {after.name}{marked}{f' (was {before.name})' if before is not None else ''}.")


def _say(text: str) -> None:
    if text:
        say(text)
