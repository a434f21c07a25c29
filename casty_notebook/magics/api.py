"""Every magic as a plain function, for scripts and for notebooks without magics (marimo). The magics call these.

Each takes ``connection``, the name of a connection (None: the current one), and raises this package's own errors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casty_notebook.console import say
from casty_notebook.errors import AskFailed, MisuseError, NoSuchService, NoSuchType
from casty_notebook.magics.connecting import (
    casty_connect,
    casty_connections,
    casty_demo,
    casty_disconnect,
    find_connection,
)
from casty_notebook.magics.suggest import closest, did_you_mean
from casty_notebook.printable import printable
from casty_notebook.topology.names import entity_types, service_names
from casty_notebook.values.targets import Exact, expand_ranges

if TYPE_CHECKING:
    from pandas import DataFrame

    from casty_notebook.backends.contract import Location
    from casty_notebook.views.alarms.bell import Bell
    from casty_notebook.views.checkup import CheckUp
    from casty_notebook.views.cluster import Cluster
    from casty_notebook.views.terminal.picture import Picture
    from casty_notebook.views.watch.watch import Watch

__all__ = [
    "casty_activations",
    "casty_ask",
    "casty_ask_many",
    "casty_connect",
    "casty_connections",
    "casty_demo",
    "casty_disconnect",
    "casty_doctor",
    "casty_events",
    "casty_listen",
    "casty_members",
    "casty_notify",
    "casty_problems",
    "casty_report",
    "casty_sample",
    "casty_services",
    "casty_shards",
    "casty_tell",
    "casty_top",
    "casty_topology",
    "casty_watch",
    "casty_where",
    "every_instance",
    "find_connection",
    "latencies_in_words",
]


# --- messages ----------------------------------------------------------------------------------------------------


def casty_ask(
    target: str,
    message: Any,
    *,
    connection: str | None = None,
    timeout: float | None = None,
    retry: bool = False,
    fail_fast: bool | None = None,
    reply_field: str = "reply_to",
    force: bool = False,
) -> Any:
    """Ask one actor and return its reply.

    Parameters
    ----------
    target
        ``counter/user-42``, a service's name, or ``casty://system@host:port/path``.
    message
        An instance, a class, a callable that takes the reply ref, or the text of a message whose class is not here; the
        reply field is filled in where it is missing.
    connection
        Name of the connection.
    timeout
        Longest wait in seconds.
    retry
        Ask again when the answer may be lost: only for a question that may run twice.
    fail_fast
        Fail at once where the actor's node cannot be reached, instead of holding what has not left until the timeout.
    reply_field
        The message's field for the reply ref.
    force
        On a cluster of casty 0.30: a type that no member has met, or what did not fit before.

    Raises
    ------
    AskFailed
        Says all that is known about why there is no reply.
    MisuseError
        If nothing could be sent; names the closest shard type or service that exists.
    """
    cluster = find_connection(connection)
    try:
        return cluster.ask(
            target, message, timeout=timeout, retry=retry, fail_fast=fail_fast, reply_field=reply_field, force=force
        )
    except (MisuseError, NoSuchService, NoSuchType):
        # Nothing was sent. Whoever routes knows every name; here one may have been mistyped.
        if not force:
            _check_target(cluster, target)
        raise


def casty_ask_many(
    targets: Iterable[str] | str,
    message: Any,
    *,
    connection: str | None = None,
    timeout: float | None = None,
    concurrency: int = 100,
    **options: Any,
) -> DataFrame:
    """Ask many actors the same; ``{1..100}`` stands for numbers, a service's name for every instance of it.

    Other options (retry, fail_fast, reply_field, on_answer) go to `Cluster.ask_many`.

    Returns
    -------
    DataFrame
        target, node, shard, reply, latency_ms, error: one row for each target, failed ones too.
    """
    everyone = every_instance(targets, connection=connection)
    return find_connection(connection).ask_many(everyone, message, timeout=timeout, concurrency=concurrency, **options)


def casty_sample(
    target: str, message: Any, *, connection: str | None = None, count: int = 100, every: float = 0.1, **options: Any
) -> DataFrame:
    """Ask one actor the same again and again, and measure.

    Other options (timeout, fail_fast, reply_field) go to `Cluster.sample`.

    Returns
    -------
    DataFrame
        at_s, node, latency_ms, error; ``attrs`` has percentiles, a summary and a sparkline.
    """
    cluster = find_connection(connection)
    _check_target(cluster, target)
    return cluster.sample(target, message, count=count, every=every, **options)


def casty_listen(
    target: str,
    message: Any,
    *,
    connection: str | None = None,
    count: int | None = None,
    seconds: float | None = None,
    **options: Any,
) -> DataFrame:
    """Send one message, and return whatever comes to its reply address in so many seconds, or the first `count` of it.

    Other options (fields, timeout, retry, limit, reply_field, progress) go to `Cluster.collect`.

    Returns
    -------
    DataFrame
        time, node, message, error; ``attrs["summary"]`` counts received, dropped and refused.
    """
    cluster = find_connection(connection)
    _check_target(cluster, target)
    return cluster.collect(target, message, count=count, seconds=seconds, **options)


def casty_watch(targets: Iterable[str] | str, message: Any, *, connection: str | None = None, **options: Any) -> Watch:
    """Ask again and again, and show the values as they change.

    Other options (every, field, seconds, keep, everyone, timeout, retry, fail_fast, reply_field, force) go to `Cluster.watch`.

    Returns
    -------
    Watch
        A live view; ``watch.data`` is a DataFrame, ``watch.stop()`` ends it.
    """
    cluster = find_connection(connection)
    found = [each for pattern in ([targets] if isinstance(targets, str) else targets) for each in expand_ranges(pattern)]
    if not options.get("force"):
        for target in found:
            _check_target(cluster, target)
    return cluster.watch(found, message, **options)


def latencies_in_words(table: DataFrame) -> str:
    """Return what a sampling found, in two lines for a terminal: percentiles, and the latencies as bars."""
    summary, percentiles = table.attrs["summary"], table.attrs["percentiles"]
    counts = f"{summary['answered']:,} of {summary['asked']:,} answered"
    if summary["interrupted"]:
        counts += ", interrupted"
    if percentiles["max"] is None:
        return counts
    shown = "  ".join(f"{name} {percentiles[name]:.3g} ms" for name in ("min", "p50", "p90", "p99", "max"))
    return f"{printable(summary['target'])}: {counts}  {shown}\n{table.attrs['sparkline']}"


def casty_tell(
    target: str, message: Any, *, connection: str | None = None, everyone: bool = False, force: bool = False
) -> None:
    """Send one message, to one actor or (`everyone`) to each instance of a service, without waiting for anything."""
    cluster = find_connection(connection)
    if not force:
        _check_target(cluster, target)
    for each in every_instance([target], connection=connection) if everyone else [target]:
        cluster.tell(each, message, force=force)


def every_instance(targets: Iterable[str] | str, *, connection: str | None = None) -> tuple[str, ...]:
    """Return the targets with ranges written out, and each service in place of its name replaced by all its instances.

    A service without instances stays as it is, so that asking it says so in its own row.
    """
    cluster = find_connection(connection)
    found: list[str] = []
    for pattern in [targets] if isinstance(targets, str) else targets:
        for target in expand_ranges(pattern):
            _check_target(cluster, target)
            found += _instances(cluster, target) or [target]
    return tuple(found)


def _instances(cluster: Cluster, target: str) -> list[str]:
    if "/" in target:
        return []
    try:
        return [Exact(each if isinstance(each, str) else each.uri) for each in cluster.instances(target)]
    except AskFailed:
        return []


def _check_target(cluster: Cluster, target: str) -> None:
    """Refuse a name that nobody has while a similar one is live. Any other unknown name is the cluster's to answer."""
    if "://" in target or (topology := cluster.topology) is None:
        return
    kind, (name, slash, entity) = topology.kind, target.partition("/")
    if slash:
        known = entity_types(topology, cluster.shard_counts)
        if name not in known and "@" not in name and (guess := closest(name, known)):
            new = "" if kind.every_key_has_a_place else f" If {name!r} is new, connect with shards={{{name!r}: N}}."
            raise MisuseError(f"{target}: no {kind.entity_type} {name!r} is known. Did you mean {guess}/{entity}?{new}") from None
        return
    services = service_names(topology)
    if name not in services and "@" not in name and (guess := closest(name, services)):
        known_as = "known" if kind.finds_types else "registered"
        raise MisuseError(f"no {kind.service} {name!r} is {known_as}. Did you mean {guess}?") from None


# --- tables and views --------------------------------------------------------------------------------------------


def casty_members(*, connection: str | None = None) -> DataFrame:
    """Return the members: what the cluster says of each, and what we see."""
    return find_connection(connection).members


def casty_shards(shard_type: str | None = None, *, connection: str | None = None) -> DataFrame:
    """Return who owns which shard, of every type or of one.

    Raises
    ------
    MisuseError
        If the cluster has no such type; names the closest.
    """
    cluster = find_connection(connection)
    if shard_type is None:
        return cluster.shards
    if not cluster.kind.places_by_type:
        raise MisuseError("the ring is the same for keys of all types: leave out the type, or ask %casty_where TYPE/KEY")
    known = entity_types(cluster.topology, cluster.shard_counts)
    if shard_type not in known:
        raise MisuseError(f"no shard type {shard_type!r} is known.{did_you_mean(shard_type, known, kind='types')}")
    return cluster.shard_table(shard_type)


def casty_services(*, connection: str | None = None) -> DataFrame:
    """Return the instances of every discoverable service."""
    return find_connection(connection).services


def casty_activations(*, connection: str | None = None) -> DataFrame:
    """Return the keys that are active now, on nodes of casty 0.30 that can be asked; see `Cluster.activations`."""
    return find_connection(connection).activations


def casty_problems(*, connection: str | None = None) -> DataFrame:
    """Return what is wrong: since when, who says so, what to do. Empty where nothing is."""
    return find_connection(connection).problems


def casty_report(path: str | os.PathLike[str] | None = None, *, connection: str | None = None, **options: Any) -> Path:
    """Write what happened as one HTML file that opens anywhere, and return its path.

    Other options (before, note, recording, overwrite) go to `Cluster.report`.
    """
    return find_connection(connection).report(path, **options)


def casty_events(*, connection: str | None = None) -> DataFrame:
    """Return what changed since the connection was made."""
    return find_connection(connection).events


def casty_where(target: str, *, connection: str | None = None) -> Location:
    """Return where a target lives: shard, owner, replicas, and whether we reach them."""
    cluster = find_connection(connection)
    _check_target(cluster, target)
    return cluster.where(target)


def casty_doctor(uri: str | None = None, *, connection: str | None = None, **options: Any) -> CheckUp:
    """Examine a connection, or the way to an address, and return what was found with what to do about it.

    Parameters
    ----------
    uri
        ``casty://SYSTEM@HOST:PORT[,HOST:PORT…]``, or the name of a connection; None: the current one.
    **options
        As `casty_notebook.doctor` takes them: shards, and for an address address_map, tls, ssh, serializer, compression.

    Raises
    ------
    MisuseError
        If there is no such connection, or the options cannot be used. What is found is never raised.
    """
    from casty_notebook.views.checkup import doctor

    if uri is not None and ("://" in uri or uri.startswith("@")):
        return doctor(uri, **options)
    cluster = find_connection(uri or connection)
    if unused := sorted(set(options) - {"shards"}):
        raise MisuseError(f"{unused[0]}= is for an address; connection {cluster.name!r} has its own. Leave it out.")
    return doctor(cluster, **options)


def casty_top(*, connection: str | None = None) -> Picture | None:
    """Show the live text view in this terminal until somebody quits; where that cannot be, return the picture once.

    Which it cannot where the terminal is none (a pipe, ``TERM=dumb``), or textual is not installed (extra ``top``).
    """
    from casty_notebook.views.terminal.picture import picture_of
    from casty_notebook.views.terminal.showing import MISSING, has_library, show_live
    from casty_notebook.views.terminal.tty import can_be_live

    cluster = find_connection(connection)
    if can_be_live() and has_library():
        show_live(cluster)
        return None
    if can_be_live():
        say(MISSING)
    return picture_of(cluster)


def casty_notify(*, connection: str | None = None) -> Bell:
    """Ring when a problem appears, and in a notebook show the bell's line; returns the bell, whose ``stop()`` ends it."""
    from casty_notebook.views.alarms.bell import in_kernel

    bell = find_connection(connection).bell()
    # In a terminal nothing needs to be seen for it to ring.
    if in_kernel():
        from IPython.display import display

        display(bell)
    return bell


def casty_topology(*, connection: str | None = None) -> Any:
    """Return the live view of the cluster."""
    cluster: Any = find_connection(connection)
    return cluster.widget()
